//! What moved on this machine since a lab, or a snapshot of it, was proven. Pure: a stored verdict beside the facts of
//! now. Only what a proof of its grade stands on counts, and only what was known then.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use crate::{
    backend::Instance,
    host::{Fact, Facts, Finding, Severity},
    prove::Grade,
};

use super::{
    Lab, World,
    gpus::{self, Gpus},
    verdict::{self, Verdict},
};

/// What a proof stands on. An empty text is unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Ground {
    /// The kernel's release.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kernel: String,
    /// AMD's MES firmware that is running.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub firmware: String,
    /// NVIDIA's driver.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub nvidia: String,
    /// The newest CUDA that it runs.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub cuda: String,
    /// AMD's driver, where it did not come with the kernel.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub amdgpu: String,
    /// `ROCm` that is installed on the machine itself.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub rocm: String,
    /// The driver that the CDI specification was written for.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub cdi: String,
    /// Addresses of the GPUs, with spaces between.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub gpus: String,
}

impl Ground {
    /// Of the facts of a machine.
    pub fn of(facts: &Facts) -> Self {
        let text = |name: &str| match facts.get(name) {
            Some(Fact::Text(text)) => crate::log::sanitize(text),
            _ => String::new(),
        };
        Self {
            kernel: text("kernel"),
            firmware: text("mes_firmware"),
            nvidia: text("nvidia_driver"),
            cuda: text("nvidia_cuda"),
            amdgpu: text("amdgpu_driver"),
            rocm: text("rocm"),
            cdi: text("nvidia_cdi_driver"),
            gpus: text("gpu_addresses"),
        }
    }

    /// Nothing is known, as on another machine.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What was taken from the lab, not from the machine.
const PASSED_IN: &str = "GPU that is passed in";

/// One thing that is not what it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moved {
    /// `kernel`, `NVIDIA driver`, ...
    pub what: String,
    /// Version at the time of the proof.
    pub was: String,
    /// Version of now; `none` where it is gone.
    pub now: String,
}

impl Moved {
    /// A GPU was taken from the lab: a proof has to say what it computes on now.
    pub fn is_taken(&self) -> bool {
        self.what == PASSED_IN
    }
}

impl fmt::Display for Moved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} → {}", self.what, self.was, self.now)
    }
}

/// What moved since a proof.
pub fn moved(proof: &Verdict, now: &Ground) -> Vec<Moved> {
    if now.is_empty() {
        return vec![];
    }
    let was = proof.ground();
    let (nvidia, amd) = match proof.grade {
        Some(Grade::Cuda) => (true, false),
        Some(Grade::Hip) => (false, true),
        Some(Grade::CpuOnly) => (false, false),
        Some(Grade::Vulkan | Grade::Failed) | None => (true, true),
    };
    let all = [
        (true, "kernel", &was.kernel, &now.kernel),
        (amd, "MES firmware", &was.firmware, &now.firmware),
        (amd, "amdgpu driver", &was.amdgpu, &now.amdgpu),
        (amd, "ROCm on this machine", &was.rocm, &now.rocm),
        (nvidia, "NVIDIA driver", &was.nvidia, &now.nvidia),
        (nvidia, "CUDA of the driver", &was.cuda, &now.cuda),
        (nvidia, "CDI specification", &was.cdi, &now.cdi),
    ];
    // Firmware and ROCm may be hidden from who looks now; a driver is hidden from nobody.
    let gone = |what: &str| what.ends_with("driver") && what != "CUDA of the driver";
    let differs = |(counts, what, was, now): &(bool, &str, &String, &String)| {
        *counts && !was.is_empty() && was != now && (!now.is_empty() || gone(what))
    };
    let moved = all.into_iter().filter(differs);
    let versions = moved.map(|(_, what, was, now)| Moved {
        what: what.to_owned(),
        was: was.clone(),
        now: if now.is_empty() {
            "none".to_owned()
        } else {
            now.clone()
        },
    });
    versions.chain(missing(proof, &was, now)).collect()
}

/// The GPUs that a kernel ran on, that were in this machine then, and are not now.
fn missing(proof: &Verdict, was: &Ground, now: &Ground) -> Vec<Moved> {
    let then = places(&was.gpus);
    let here = places(&now.gpus);
    // A proof of before the addresses were kept tells nothing, nor does a GPU that has none.
    let told = |gpu: &&verdict::Gpu| !was.gpus.is_empty() && !gpu.pci.is_empty();
    let gone = proof.gpus.iter().filter(told).filter(|gpu| {
        let at = place(&gpu.pci);
        then.contains(&at) && !here.contains(&at)
    });
    gone.map(|gpu| Moved {
        what: "GPU".to_owned(),
        was: format!("{} at {}", gpu.name, gpu.pci),
        now: "none".to_owned(),
    })
    .collect()
}

/// The GPUs that a kernel ran on and that are not passed into the lab any more.
fn taken(proof: &Verdict, instance: &Instance) -> Vec<Moved> {
    let (devices, config) = (&instance.expanded_devices, &instance.expanded_config);
    let passed = Gpus::of(devices, config);
    let covered = proof.grade.is_none_or(|grade| passed.covers(grade));
    let by_address = gpus::addresses(devices, config).filter(|all| !all.is_empty());
    let given = by_address.map(|all| all.iter().map(|address| place(address)).collect::<Vec<_>>());
    let still = |pci: &str| {
        let given = given.as_ref().is_none_or(|all| all.contains(&place(pci)));
        covered && (pci.is_empty() || given)
    };
    let gone = proof.gpus.iter().filter(|gpu| !still(&gpu.pci));
    gone.map(|gpu| Moved {
        what: PASSED_IN.to_owned(),
        was: gpu.name.clone(),
        now: "none".to_owned(),
    })
    .collect()
}

fn places(addresses: &str) -> Vec<String> {
    addresses.split(' ').map(place).collect()
}

/// Domain, bus and device of an address: the function may be a partition, and NVIDIA's domains have eight digits.
fn place(address: &str) -> String {
    let text = address.to_ascii_lowercase();
    let device = text.split('.').next().unwrap_or_default();
    let parts: Vec<&str> = device.split(':').collect();
    match parts.as_slice() {
        [domain, bus, device] => {
            let number = u64::from_str_radix(domain, 16).unwrap_or_default();
            format!("{number:x}:{bus}:{device}")
        }
        [bus, device] => format!("0:{bus}:{device}"),
        _ => text,
    }
}

/// A list of what moved, as `kernel 6.18.4 → 6.19.1, NVIDIA driver …`.
pub fn text(moved: &[Moved]) -> String {
    moved
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

impl World {
    /// The ground of now; empty for an engine on another machine, and where the facts are not known yet.
    pub fn ground(&self) -> Ground {
        let here = self.server.as_ref().is_some_and(crate::backend::Server::is_here);
        if here {
            Ground::of(&self.facts)
        } else {
            Ground::default()
        }
    }

    /// What moved since a lab was proven.
    pub fn moved(&self, lab: &Lab) -> Vec<Moved> {
        let stored = lab.instance.as_ref().and_then(|instance| instance.tag("verdict"));
        let proof = stored.and_then(Verdict::read);
        let (Some(proof), Some(instance)) = (proof, &lab.instance) else {
            return vec![];
        };
        let mut all = moved(&proof, &self.ground());
        all.extend(taken(&proof, instance));
        all
    }

    /// Findings of the labs whose proof does not stand on this machine as it is now, and of a CDI specification that
    /// was written for another driver.
    pub fn drift(&self, labs: &[Lab]) -> Vec<Finding> {
        let found = labs.iter().filter_map(|lab| {
            let moved = self.moved(lab);
            (!moved.is_empty()).then(|| finding(&lab.name, &moved))
        });
        self.stale_specification(labs).into_iter().chain(found).collect()
    }

    fn stale_specification(&self, labs: &[Lab]) -> Option<Finding> {
        let Ground { nvidia, cdi, .. } = self.ground();
        let used = |lab: &&Lab| {
            let devices = lab.instance.as_ref().map(|i| &i.expanded_devices);
            devices.is_some_and(by_specification)
        };
        let lab = labs.iter().find(used)?;
        (!nvidia.is_empty() && !cdi.is_empty() && nvidia != cdi).then(|| {
            Finding::new(
                "drift.cdi",
                Severity::Warn,
                format!("the CDI specification is for driver {cdi}, and driver {nvidia} runs"),
                format!("{} gets its GPU by it, and would get files that are gone.", lab.name),
            )
            .fix("sudo nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml, then restart the lab and prove it again")
        })
    }
}

fn by_specification(devices: &BTreeMap<String, BTreeMap<String, String>>) -> bool {
    let is_it =
        |device: &BTreeMap<String, String>| device.get("id").is_some_and(|id| id.starts_with("nvidia.com/"));
    devices.values().any(is_it)
}

fn finding(lab: &str, moved: &[Moved]) -> Finding {
    let details = serde_json::json!(moved);
    Finding::new(
        format!("drift.{lab}"),
        Severity::Warn,
        format!("{lab}: {} since it was proven", text(moved)),
        "What worked then need not work with what runs now.",
    )
    .fix(format!("halolab prove {lab}"))
    .with("moved", details)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::Server;

    fn ground(pairs: &[(&str, &str)]) -> Ground {
        let facts = pairs.iter().map(|(k, v)| ((*k).to_owned(), Fact::from(*v)));
        Ground::of(&facts.collect())
    }

    fn proof(grade: Grade, host: Ground) -> Verdict {
        Verdict {
            host,
            ..Verdict::without_gpu(Some(grade), String::new(), "run")
        }
    }

    const THEN: &[(&str, &str)] = &[
        ("kernel", "6.18.4"),
        ("mes_firmware", "0x83"),
        ("nvidia_driver", "580.95.05"),
        ("nvidia_cuda", "13.0"),
        ("rocm", "7.14.0"),
    ];

    #[test]
    fn what_a_grade_stands_on_counts_and_nothing_else() {
        let now = ground(&[
            ("kernel", "6.19.1"),
            ("mes_firmware", "0x86"),
            ("nvidia_driver", "590.48.01"),
            ("nvidia_cuda", "13.1"),
            ("rocm", "7.15.0"),
        ]);
        let said = |grade| text(&moved(&proof(grade, ground(THEN)), &now));
        assert_eq!(said(Grade::CpuOnly), "kernel 6.18.4 → 6.19.1");
        assert_eq!(
            said(Grade::Hip),
            "kernel 6.18.4 → 6.19.1, MES firmware 0x83 → 0x86, ROCm on this machine 7.14.0 → 7.15.0"
        );
        assert_eq!(
            said(Grade::Cuda),
            "kernel 6.18.4 → 6.19.1, NVIDIA driver 580.95.05 → 590.48.01, CUDA of the driver 13.0 → 13.1"
        );
    }

    #[test]
    fn the_same_and_the_unknown_have_not_moved() {
        let same = proof(Grade::Cuda, ground(THEN));
        assert_eq!(moved(&same, &ground(THEN)), []);
        assert_eq!(moved(&same, &Ground::default()), [], "another machine");
        let hidden = ground(&[("kernel", "6.18.4"), ("nvidia_driver", "580.95.05")]);
        assert_eq!(moved(&proof(Grade::Hip, ground(THEN)), &hidden), []);
        let unknown = proof(Grade::Cuda, Ground::default());
        assert_eq!(moved(&unknown, &ground(THEN)), []);
        let gone = moved(&same, &ground(&[("kernel", "6.18.4")]));
        assert_eq!(text(&gone), "NVIDIA driver 580.95.05 → none");
    }

    #[test]
    fn a_verdict_of_before_tells_its_kernel_and_driver() {
        let stored = r#"{"v":1,"ok":true,"grade":"cuda","date":"","kernel":"6.18.4","driver":"570.195.03"}"#;
        let old = Verdict::read(stored).unwrap();
        assert_eq!(
            text(&moved(&old, &ground(THEN))),
            "NVIDIA driver 570.195.03 → 580.95.05"
        );
        let again = Verdict::read(&old.stored()).unwrap();
        assert_eq!(again, old);
        assert!(!old.stored().contains("host"), "what is unknown is not stored");
    }

    fn lab(verdict: &Verdict, devices: &[(&str, &str)]) -> (World, Lab) {
        let device = devices.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        let instance = Instance {
            name: "ai-lab".into(),
            config: [("stage", "ai-lab".to_owned()), ("verdict", verdict.stored())]
                .map(|(k, v)| (super::super::tag(k), v))
                .into(),
            expanded_devices: [("gpu".to_owned(), device.collect())].into(),
            ..Instance::default()
        };
        let world = World {
            server: Some(Server {
                address: "/socket".into(),
                ..Server::default()
            }),
            instances: vec![instance],
            ..World::default()
        };
        let lab = world.find(&crate::stage::Catalog::default(), "ai-lab").unwrap();
        (world, lab)
    }

    #[test]
    fn a_gpu_that_was_taken_away_has_moved() {
        let cards = |text: &str| ground(&[("kernel", "6.18.4"), ("gpu_addresses", text)]);
        let gpu = |name: &str, pci: &str| verdict::Gpu {
            name: name.into(),
            pci: pci.into(),
            ..Default::default()
        };
        let mut proof = proof(Grade::Cuda, cards("0000:65:00.0 0000:c5:00.0"));
        proof.gpus = vec![
            gpu("H200", "00000000:65:00.0"),
            gpu("other machine", "0000:99:00.0"),
        ];
        assert_eq!(moved(&proof, &cards("0000:65:00.0")), []);
        // One more card, at another place, takes nothing away.
        assert_eq!(moved(&proof, &cards("0000:66:00.0 0000:65:00.0")), []);
        let gone = moved(&proof, &cards("0000:c5:00.0"));
        assert_eq!(text(&gone), "GPU H200 at 00000000:65:00.0 → none");

        proof.gpus = vec![gpu("A", "0000:65:00.0"), gpu("B", "0000:66:00.0")];
        let said = |devices: &[(&str, &str)]| {
            let (world, lab) = lab(&proof, devices);
            text(&world.moved(&lab))
        };
        assert_eq!(said(&[("type", "gpu"), ("id", "nvidia.com/gpu=all")]), "");
        assert_eq!(said(&[("type", "gpu")]), "");
        assert_eq!(
            said(&[("type", "gpu"), ("vendorid", "10de"), ("pci", "0000:65:00.0")]),
            "GPU that is passed in B → none"
        );
        let none = "GPU that is passed in A → none, GPU that is passed in B → none";
        assert_eq!(said(&[("type", "disk")]), none);
        assert_eq!(
            said(&[("type", "unix-char"), ("path", "/dev/kfd")]),
            none,
            "AMD's is none of CUDA's"
        );
        let (world, lab) = lab(&proof, &[("type", "disk")]);
        let found = world.drift(&[lab]);
        assert_eq!(found[0].fix.as_deref(), Some("halolab prove ai-lab"));
    }

    #[test]
    fn a_lab_that_stands_on_other_ground_is_a_finding_with_its_way_out() {
        let (mut world, lab) = lab(&proof(Grade::Cuda, ground(THEN)), &[("id", "nvidia.com/gpu=all")]);
        let facts = |driver: &str| -> Facts {
            [
                ("kernel", "6.18.4"),
                ("nvidia_driver", driver),
                ("nvidia_cdi_driver", "580.95.05"),
            ]
            .map(|(k, v)| (k.to_owned(), v.into()))
            .into()
        };
        let labs = [lab];
        world.facts = facts("580.95.05");
        assert_eq!(world.drift(&labs), []);
        world.facts = facts("590.48.01");
        let found = world.drift(&labs);
        let ids: Vec<&str> = found.iter().map(|f| f.id.as_str()).collect();
        assert_eq!(ids, ["drift.cdi", "drift.ai-lab"]);
        let fixes: Vec<&str> = found.iter().filter_map(|f| f.fix.as_deref()).collect();
        assert!(fixes[0].contains("nvidia-ctk cdi generate"));
        assert_eq!(fixes[1], "halolab prove ai-lab");
        world.server.as_mut().unwrap().address = "https://elsewhere:8443".into();
        assert_eq!(world.drift(&labs), [], "an engine on another machine");
    }
}
