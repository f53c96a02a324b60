//! Machines out of captured hosts.

use std::path::Path;

use halolab::{
    app::{Model, Msg, machine::Machine},
    host::{Report, Root, findings::Pool, matrix::Matrix},
};

use super::{host, press, ready};

/// A captured host as the host's screen knows it.
pub(crate) fn box_of(root: &Path) -> Machine {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let report = runtime.unwrap().block_on(Report::of(root, Matrix::shipped()));
    let pool = Pool::of(&report.machine, Matrix::shipped());
    Machine::new(report, pool, &Root::new(root))
}

/// One of the captured hosts by name.
pub(crate) fn host_of(name: &str) -> Machine {
    box_of(&Path::new("tests/fixtures/hosts").join(name))
}

/// The host's screen of a machine.
pub(crate) fn open_host(machine: Machine, width: u16, height: u16) -> Model {
    let mut model = ready(width, height);
    // What the sample says of its own GPU is not true of this machine.
    let mut found = host();
    found
        .findings
        .retain(|finding| finding.id.starts_with("network."));
    model.update(Msg::Host(Box::new(found)));
    model.update(Msg::Machine(Box::new(machine)));
    press(&mut model, "i");
    model
}
