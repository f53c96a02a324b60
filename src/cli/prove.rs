//! `halolab prove`: runs a kernel on every GPU, and says what came of it. Without the name of a lab it touches
//! no settings and no daemon: it runs inside labs too.

use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::prove::{self, Api, Grade, Place, Task, Wanted};

use super::{
    Code, Global, Setup, Stop,
    plan::{self, Consent},
    table::{json, out},
};

/// Arguments of `prove`.
#[derive(Debug, Args)]
pub struct ProveArgs {
    /// A lab, which is proven from the inside and gets a new verdict; this machine without.
    #[arg(conflicts_with_all = ["gpu", "inside", "worker"])]
    lab: Option<String>,
    #[command(flatten)]
    consent: Consent,
    /// What to run the kernel through; auto: CUDA, HIP, and Vulkan where neither is here.
    #[arg(long, value_enum, default_value = "auto")]
    gpu: Gpu,
    /// Seconds that each of them has.
    #[arg(long, value_name = "SECONDS", hide = true, default_value_t = prove::DEADLINE.as_secs())]
    deadline: u64,
    /// We are inside a lab: the PCI bus is not ours.
    #[arg(long, hide = true)]
    inside: bool,
    /// Take processors as GPUs; for tests.
    #[arg(long, hide = true)]
    admit_cpu: bool,
    /// Be the child process of a proof.
    #[arg(long, hide = true, value_enum)]
    worker: Option<Api>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Gpu {
    /// What there is.
    Auto,
    /// NVIDIA, through the CUDA driver.
    Cuda,
    /// AMD, through HIP (`ROCm`).
    Hip,
    /// Any, through Vulkan: a lower grade.
    Vulkan,
}

pub(super) async fn prove(global: Global, args: ProveArgs) -> Result<Code, Stop> {
    if let Some(lab) = args.lab {
        return plan::prove(&Setup::load(global)?, lab, args.consent).await;
    }
    let place = if args.inside { Place::Lab } else { Place::Machine };
    if let Some(api) = args.worker {
        prove::work(Task {
            api,
            place,
            admit_cpu: args.admit_cpu,
        });
        return Ok(Code::OK);
    }
    let report = prove::prove(&Wanted {
        api: match args.gpu {
            Gpu::Auto => None,
            Gpu::Cuda => Some(Api::Cuda),
            Gpu::Hip => Some(Api::Hip),
            Gpu::Vulkan => Some(Api::Vulkan),
        },
        place,
        deadline: Duration::from_secs(args.deadline),
        admit_cpu: args.admit_cpu,
    })
    .await;
    if global.json {
        json(&report)?;
    } else {
        out(&crate::log::sanitize_text(&report.text()));
    }
    Ok(if report.grade == Grade::Failed {
        Code::FAILED
    } else {
        Code::OK
    })
}
