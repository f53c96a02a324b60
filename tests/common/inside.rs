//! Commands inside instances of real daemons.

use std::time::Duration;

use halolab::backend::{Backend as _, ExecSpec, InstanceSpec, Power, Progress, lxd::Lxd};
use tokio::time::timeout;

use super::daemon::IMAGE;

/// How long anything in here may take on a loaded machine.
pub(crate) const LONG: Duration = Duration::from_mins(1);

/// A running instance.
pub(crate) async fn started(daemon: &Lxd, name: &str) {
    let spec = InstanceSpec {
        name: name.into(),
        image: IMAGE.into(),
        ..InstanceSpec::default()
    };
    daemon.create(&spec, &Progress::default()).await.unwrap();
    daemon.power(name, Power::Start).await.unwrap();
}

pub(crate) fn command(argv: &[&str]) -> ExecSpec {
    ExecSpec {
        argv: argv.iter().map(|a| (*a).to_owned()).collect(),
        ..ExecSpec::default()
    }
}

/// Exit code, output and errors.
pub(crate) async fn run(daemon: &Lxd, name: &str, spec: &ExecSpec) -> (i32, String, String) {
    let (mut out, mut err) = (vec![], vec![]);
    let mut take = |fd: u8, bytes: &[u8]| match fd {
        1 => out.extend_from_slice(bytes),
        _ => err.extend_from_slice(bytes),
    };
    let code = timeout(LONG, daemon.exec(name, spec, &mut take, &Progress::default()))
        .await
        .expect("ends")
        .unwrap();
    (
        code,
        String::from_utf8(out).unwrap(),
        String::from_utf8(err).unwrap(),
    )
}
