//! Whether the GPU works: a kernel runs on every device, and every element that it answers is compared with the
//! CPU's result. Each interface is tried in a child process with a deadline, because drivers hang and crash.

mod advice;
#[expect(
    unsafe_code,
    reason = "GPU drivers are C libraries that are opened at run time"
)]
mod ffi;
mod pattern;
mod places;
mod report;
mod worker;

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::host::command::{Command, Error};

pub use pattern::COUNT;
pub use report::{Api, Device, Grade, Interface, Outcome, Problem, Report, VERSION};
pub use worker::{Task, work};

/// How long one interface has for all of its devices: eight H200 without the persistence daemon take half of it.
pub const DEADLINE: Duration = Duration::from_mins(1);

/// Variables that hide devices from the libraries, or make them lie about one.
const UNSET: [&str; 6] = [
    "CUDA_VISIBLE_DEVICES",
    "HIP_VISIBLE_DEVICES",
    "ROCR_VISIBLE_DEVICES",
    "GPU_DEVICE_ORDINAL",
    "HSA_OVERRIDE_GFX_VERSION",
    "HIPRTC_COMPILE_OPTIONS_APPEND",
];

/// Where a proof runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// On the machine itself.
    Machine,
    /// Inside a lab.
    Lab,
}

/// What to prove.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// One interface; none tries what there is.
    pub api: Option<Api>,
    /// Where we are.
    pub place: Place,
    /// For each interface.
    pub deadline: Duration,
    /// Takes processors as GPUs; for tests.
    pub admit_cpu: bool,
}

/// Proves the GPUs of this machine, or of the lab that we are in.
pub async fn prove(wanted: &Wanted) -> Report {
    let mut interfaces = vec![];
    for api in [Api::Cuda, Api::Hip, Api::Vulkan] {
        let ran = |i: &Interface| i.outcome == Outcome::Ran;
        let tried = match wanted.api {
            Some(named) => named == api,
            // The lower grade says nothing new where a higher one was reached.
            None => api != Api::Vulkan || !interfaces.iter().any(ran),
        };
        if tried {
            interfaces.push(one(api, wanted).await);
        }
    }
    Report {
        v: VERSION,
        grade: grade(&interfaces, wanted),
        date: jiff::Timestamp::now()
            .round(
                jiff::TimestampRound::new()
                    .smallest(jiff::Unit::Second)
                    .mode(jiff::RoundMode::Trunc),
            )
            .map_or_else(|_| String::new(), |now| now.to_string()),
        kernel: std::fs::read_to_string("/proc/sys/kernel/osrelease")
            .unwrap_or_default()
            .trim()
            .to_owned(),
        halolab: env!("CARGO_PKG_VERSION").to_owned(),
        interfaces,
    }
}

/// One GPU that does not work is a failure, however many others do.
fn grade(interfaces: &[Interface], wanted: &Wanted) -> Grade {
    if interfaces
        .iter()
        .any(|i| i.outcome == Outcome::Failed && i.api != Api::Vulkan)
    {
        return Grade::Failed;
    }
    let ran = interfaces.iter().find(|i| i.outcome == Outcome::Ran);
    let here = |api: Api| places::expected(api, wanted.place);
    match ran {
        Some(interface) => interface.api.grade(),
        None if wanted.api.is_some() || here(Api::Cuda) || here(Api::Hip) => Grade::Failed,
        None if interfaces.iter().any(|i| i.outcome == Outcome::Failed) => Grade::Failed,
        None => Grade::CpuOnly,
    }
}

/// Tries one interface in a child process.
async fn one(api: Api, wanted: &Wanted) -> Interface {
    let mut said = vec![];
    let ended = command(api, wanted)
        .run(
            &mut |fd, bytes| {
                if fd == 1 {
                    said.extend_from_slice(bytes);
                }
            },
            &CancellationToken::new(),
        )
        .await;
    let mut interface = gather(api, wanted, &said, &ended);
    if let Some(version) = places::driver(api) {
        interface.driver = version;
    }
    interface
}

fn command(api: Api, wanted: &Wanted) -> Command {
    let hidden = UNSET.iter().flat_map(|name| ["-u", name]).map(str::to_owned);
    let mut arguments: Vec<String> = hidden.collect();
    // Also where the file was replaced or deleted since we were started.
    let program = format!("/proc/{}/exe", std::process::id());
    arguments.extend([program, "prove".into(), "--worker".into(), api.name().into()]);
    if wanted.place == Place::Lab {
        arguments.push("--inside".into());
    }
    if wanted.admit_cpu {
        arguments.push("--admit-cpu".into());
    }
    Command {
        what: format!("prove {}", api.name()),
        deadline: wanted.deadline,
        environment: [("LD_LIBRARY_PATH".to_owned(), places::library_path())].into(),
        ..Command::new("env", arguments)
    }
}

/// What the child's lines and its end come to.
fn gather(api: Api, wanted: &Wanted, said: &[u8], ended: &Result<i32, Error>) -> Interface {
    let (place, named) = (wanted.place, wanted.api == Some(api));
    let mut here = named || places::expected(api, place);
    let mut found = Interface {
        api,
        outcome: Outcome::Failed,
        driver: String::new(),
        runtime: String::new(),
        devices: vec![],
        problem: None,
    };
    let (mut at, mut whole) = ("the start of the proof".to_owned(), false);
    let text = String::from_utf8_lossy(said);
    let lines = text.lines().filter_map(|line| line.strip_prefix(worker::MARK));
    for line in lines.filter_map(|line| serde_json::from_str(line).ok()) {
        match line {
            worker::Line::Begin(what) => at = what,
            worker::Line::Runtime(version) => found.runtime = version,
            worker::Line::Driver(version) => found.driver = version,
            worker::Line::Device(device) => found.devices.push(device),
            worker::Line::Stopped(problem) => {
                found.problem = Some(problem);
                whole = true;
            }
            worker::Line::Absent(problem) => {
                // Labs bring ROCm along, and CUDA may wait for its driver: a machine without a library is no failure
                // where another GPU works. In a lab the device was passed in for it.
                here &= !problem.call.starts_with("dlopen") || place == Place::Lab || named;
                found.problem = Some(problem);
                whole = true;
            }
            worker::Line::End => {
                whole = true;
                if !found.devices.is_empty() && found.devices.iter().all(|d| d.problem.is_none()) {
                    found.outcome = Outcome::Ran;
                }
            }
        }
    }
    if !whole {
        found.problem = Some(broken_off(at, ended));
    }
    // Toolkits leave libraries on machines without a GPU for them, and these fail in many ways.
    if !here && found.devices.is_empty() {
        found.outcome = Outcome::Absent;
    }
    found
}

/// The child did not come to an end of its own.
fn broken_off(at: String, ended: &Result<i32, Error>) -> Problem {
    let (error, code, meaning) = match ended {
        Err(Error::Deadline { after, .. }) => (
            format!("no answer within {} s", after.as_secs()),
            0,
            "the driver hangs",
        ),
        Err(error) => (error.to_string(), 0, "the proof could not be started"),
        Ok(code) if *code > 128 => (
            format!("ended by signal {}", code - 128),
            i64::from(code - 128),
            "the driver crashed",
        ),
        Ok(code) => (
            format!("ended with {code}"),
            i64::from(*code),
            "the driver ended the program",
        ),
    };
    Problem {
        call: at,
        code,
        error,
        meaning: meaning.to_owned(),
        next: "look at `sudo dmesg | tail -n 50` on the machine; a driver in this state often needs a restart of the \
               machine"
            .to_owned(),
    }
}
