//! The decision: which GPUs, which way, with which words.

use crate::host::{
    detect::{Gpu, Machine},
    findings::{self, Primary},
    fitting,
    matrix::Matrix,
};

use super::{Choice, Image, Passed, Passing, Refused, Surroundings, Unknown, Way};

/// A decision in the making.
pub(super) struct Work<'a> {
    pub(super) machine: &'a Machine,
    pub(super) around: &'a Surroundings,
    pub(super) matrix: &'a Matrix,
    pub(super) out: Passing,
}

/// Decides how a container gets the GPUs that are wanted; `cuda` is that of the image, where it brings one.
///
/// # Errors
/// A GPU is wanted that is not here.
pub fn pass(
    machine: &Machine,
    around: &Surroundings,
    matrix: &Matrix,
    choice: &Choice,
    cuda: Option<&str>,
) -> Result<Passing, Unknown> {
    let mut work = Work {
        machine,
        around,
        matrix,
        out: Passing {
            engine: around.engine.clone(),
            ..Passing::default()
        },
    };
    let gpus = work.chosen(choice, cuda)?;
    work.engine();
    if machine.host.is_wsl() && *choice != Choice::None {
        work.windows(cuda);
    } else {
        let (nvidia, others): (Vec<&Gpu>, Vec<&Gpu>) =
            gpus.into_iter().partition(|gpu| gpu.vendor == "nvidia");
        let slices = choice.slices();
        if let Some(cuda) = cuda.filter(|_| nvidia.is_empty() && slices.is_empty()) {
            work.out.image = Some(Image {
                cuda: cuda.to_owned(),
                why: Some("no GPU of NVIDIA is chosen, and CUDA computes on no other".to_owned()),
                nearest: None,
            });
        }
        if !nvidia.is_empty() {
            work.nvidia(&nvidia, cuda);
        }
        work.slices(&slices);
        work.by_nodes(&others);
    }
    let mut out = work.out;
    out.arguments = out.host_config.arguments();
    out.compose = out.host_config.compose();
    Ok(out)
}

impl<'a> Work<'a> {
    /// The GPUs to let in, all of them with a driver that computes.
    fn chosen(&mut self, choice: &Choice, cuda: Option<&str>) -> Result<Vec<&'a Gpu>, Unknown> {
        let named = choice.gpus(self.machine)?;
        let (driven, idle): (Vec<&Gpu>, Vec<&Gpu>) = named.into_iter().partition(|gpu| gpu.is_driven());
        for gpu in idle {
            let why = match gpu.driver.as_deref() {
                Some(driver) if gpu.is_reserved() => format!("{driver} holds it for a virtual machine"),
                Some(driver) => format!("its driver is {driver}, which does not compute"),
                None => "no kernel driver took it".to_owned(),
            };
            self.refuse(gpu.name.clone(), why, Some("halolab doctor".to_owned()));
        }
        if *choice == Choice::None {
            self.say("no GPU is wanted");
        }
        if *choice != Choice::Usual {
            return Ok(driven);
        }
        Ok(self.usual(driven, cuda))
    }

    /// What labs compute with here.
    fn usual(&mut self, driven: Vec<&'a Gpu>, cuda: Option<&str>) -> Vec<&'a Gpu> {
        let has = |vendor: &str| driven.iter().any(|gpu| gpu.vendor == vendor);
        let vendor = match findings::judge(self.machine, self.matrix).primary {
            Primary::Rocm => "amd",
            Primary::Cuda => "nvidia",
            Primary::Ask if cuda.is_some() && has("nvidia") => {
                self.say("the image is for CUDA: NVIDIA's GPU is taken, not AMD's");
                "nvidia"
            }
            Primary::Ask => {
                let id = |gpu: &&Gpu| gpu.pci.clone().unwrap_or_else(|| gpu.vendor.clone());
                self.out.ask = driven.iter().map(id).collect();
                self.say("this machine has GPUs of AMD and of NVIDIA: only you know which one is meant");
                return vec![];
            }
            Primary::None if has("intel") => "intel",
            Primary::Unsupported => return vec![],
            Primary::None => {
                self.say("this machine has no GPU that containers could compute on");
                return vec![];
            }
        };
        driven.into_iter().filter(|gpu| gpu.vendor == vendor).collect()
    }

    fn engine(&mut self) {
        let engine = &self.around.engine;
        if !engine.installed {
            self.say("there is no Docker or Podman here; this is what one would be told");
        } else if !engine.answered
            && let Some(why) = engine.silent.clone()
        {
            let name = engine.name();
            self.say(&format!(
                "{name} was not asked or did not answer ({why}); files say what it can. `sudo halolab detect --docker` asks it"
            ));
        }
    }

    /// Whether NVIDIA's driver was changed below the kernel's module.
    pub(super) fn is_broken(&self) -> bool {
        let driver = self.machine.nvidia.as_ref();
        driver.is_some_and(|driver| driver.mismatch || driver.library.is_some())
    }

    /// NVIDIA's cards, unless the image does not run on them.
    fn nvidia(&mut self, gpus: &[&Gpu], cuda: Option<&str>) {
        if self.is_broken() {
            let why = "the driver was updated and the old kernel module still runs: nothing of NVIDIA works until a restart";
            self.refuse(
                "NVIDIA's GPU",
                why.to_owned(),
                Some("Restart this machine".to_owned()),
            );
            return;
        }
        let open = self.nvidia_way(gpus);
        if let Some(cuda) = cuda {
            let gated = matches!(open, Some((Way::Nvidia, _)));
            let why = fitting::image(self.machine, self.matrix, gpus, cuda, gated);
            let nearest = why
                .is_some()
                .then(|| fitting::nearest(self.machine, self.matrix, gpus, cuda, gated))
                .flatten();
            self.out.image = Some(Image {
                cuda: cuda.to_owned(),
                why: why.clone(),
                nearest: nearest.clone(),
            });
            if let Some(why) = why {
                let fix = nearest.map(|cuda| format!("An image of CUDA {cuda} runs here"));
                self.refuse("the GPU", why, fix);
                return;
            }
        }
        if let Some((way, names)) = open {
            self.by_way(gpus, way, names);
        }
    }

    /// Linux under Windows: the driver is that of Windows, and only a specification knows its files.
    fn windows(&mut self, cuda: Option<&str>) {
        match self.cdi_names(&[]) {
            Ok(names) => {
                self.by_way(&[], Way::Cdi, names);
                self.out.gpus.push(Passed {
                    name: "the GPU of Windows".to_owned(),
                    pci: None,
                    uuid: None,
                    way: Way::Cdi,
                });
                self.say(
                    "whether an image's CUDA fits is up to the driver of Windows, which is not looked at",
                );
            }
            Err((why, _)) => {
                let fix = "Install nvidia-container-toolkit in this Linux, then sudo nvidia-ctk cdi generate --mode=wsl \
                           --output=/etc/cdi/nvidia.yaml";
                let why = format!("Linux runs under Windows (WSL2): its GPU gets in by CDI only, and {why}");
                self.refuse("the GPU of Windows", why, Some(fix.to_owned()));
            }
        }
        self.out.image = cuda.map(|cuda| Image {
            cuda: cuda.to_owned(),
            why: None,
            nearest: None,
        });
    }

    /// Why something is done so; once.
    pub(super) fn say(&mut self, why: &str) {
        if !self.out.why.iter().any(|said| said == why) {
            self.out.why.push(why.to_owned());
        }
    }

    pub(super) fn refuse(&mut self, what: impl Into<String>, why: String, fix: Option<String>) {
        self.out.refused.push(Refused {
            what: what.into(),
            why,
            fix,
        });
    }

    pub(super) fn passed(&mut self, gpu: &Gpu, way: Way) {
        self.out.gpus.push(Passed {
            name: gpu.name.clone(),
            pci: gpu.pci.clone(),
            uuid: gpu.uuid.clone(),
            way,
        });
    }
}
