//! Which GPUs are passed into a lab, out of its devices and config: what its proof must show.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    host::passthrough::DRIVER,
    prove::{Api, Grade, Outcome, Report},
};

/// Devices by name, as the daemon has them.
type Devices = BTreeMap<String, BTreeMap<String, String>>;

/// Whether the host's NVIDIA libraries come into a lab as a folder, so that they have to be linked there.
pub fn mounts_driver(devices: &Devices) -> bool {
    let is_it = |device: &BTreeMap<String, String>| device.get("path").is_some_and(|path| path == DRIVER);
    devices.values().any(is_it)
}

/// A GPU that is passed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Asked {
    /// What it is for; none where anything that computes will do.
    api: Option<Want>,
    /// The lab may be without it, where the machine is.
    optional: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Want {
    Cuda,
    Hip,
}

impl Want {
    fn api(self) -> Api {
        match self {
            Self::Cuda => Api::Cuda,
            Self::Hip => Api::Hip,
        }
    }
}

/// The GPUs that are passed into a lab.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gpus {
    asked: Vec<Asked>,
    known: Known,
}

/// Devices of which each is one GPU, by interface and by how they are named: a GPU may be passed in by its address and
/// by its node, and what is named alike is one.
type Known = BTreeMap<(Option<Want>, Naming), BTreeSet<String>>;

/// How a device names the one GPU that it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Naming {
    /// `pci` of a device of the type gpu.
    Address,
    /// `id` of one: the card's number.
    Card,
    /// `/dev/nvidia0`.
    Node,
    /// `nvidia.com/gpu=0`.
    Cdi,
}

impl Gpus {
    /// Of what is passed in.
    pub fn of(devices: &Devices, config: &BTreeMap<String, String>) -> Self {
        let mut all: Vec<Asked> = devices.values().filter_map(asked).collect();
        if config.get("nvidia.runtime").is_some_and(|value| value == "true") {
            all.push(Asked {
                api: Some(Want::Cuda),
                optional: false,
            });
        }
        // The render node of a card with /dev/kfd beside it is for ROCm.
        if all.iter().any(|a| a.api == Some(Want::Hip)) {
            all.retain(|a| a.api.is_some());
        }
        all.sort_unstable();
        all.dedup();
        let mut known = Known::new();
        for (want, naming, name) in devices.values().filter_map(single) {
            known.entry((want, naming)).or_default().insert(name);
        }
        Self { asked: all, known }
    }

    /// Whether none is passed in.
    pub fn is_empty(&self) -> bool {
        self.asked.is_empty()
    }

    /// Whether something is passed in that a proof of this grade may have been of.
    pub fn covers(&self, grade: Grade) -> bool {
        let want = match grade {
            Grade::Cuda => Some(Want::Cuda),
            Grade::Hip => Some(Want::Hip),
            Grade::Vulkan => None,
            Grade::CpuOnly | Grade::Failed => return true,
        };
        let may = |asked: &Asked| asked.api.is_none() || want.is_none() || asked.api == want;
        self.asked.iter().any(may)
    }

    /// For `--gpu` of the prover: the one interface that is asked for, or what there is.
    pub fn flag(&self) -> &'static str {
        let mut apis = self.asked.iter().filter_map(|a| a.api);
        let all = self.asked.iter().all(|a| a.api.is_some() && !a.optional);
        match (apis.next(), apis.next()) {
            (Some(one), None) if all => one.api().name(),
            _ => "auto",
        }
    }

    /// Why a report does not prove all that is passed in; none where it does.
    pub fn lacking(&self, report: &Report) -> Option<String> {
        if report.grade == Grade::Failed {
            let why = report.problems().first().map(ToString::to_string);
            return Some(why.unwrap_or_else(|| "no kernel ran on the GPU".into()));
        }
        let ran = |api: Option<Want>| {
            report
                .interfaces
                .iter()
                .any(|i| i.outcome == Outcome::Ran && api.is_none_or(|want| want.api() == i.api))
        };
        let Some(missing) = self.asked.iter().find(|a| !a.optional && !ran(a.api)) else {
            return self.too_few(report);
        };
        let what = missing.api.map_or("any GPU", |want| match want {
            Want::Cuda => "an NVIDIA GPU through CUDA",
            Want::Hip => "an AMD GPU through ROCm",
        });
        let why = report.problems().first().map(|p| format!(": {p}"));
        Some(format!(
            "no kernel ran on {what}, though one is passed in{}",
            why.unwrap_or_default()
        ))
    }
}

impl Gpus {
    /// Says where fewer GPUs are seen than are passed in one by one; where devices pass in whatever there is, their
    /// number is not known.
    fn too_few(&self, report: &Report) -> Option<String> {
        let seen = |want: Option<Want>| -> usize {
            let ran = report.interfaces.iter().filter(|i| i.outcome == Outcome::Ran);
            let of = ran.filter(|i| want.is_none_or(|want| want.api() == i.api));
            of.map(|i| i.devices.len()).sum()
        };
        let short = |(&(want, _), names): (&(Option<Want>, Naming), &BTreeSet<String>)| {
            let seen = seen(want);
            (seen < names.len()).then(|| {
                format!(
                    "a kernel ran on {seen} of {} GPUs that are passed in; look whether the machine sees all of them \
                     with `halolab detect`",
                    names.len()
                )
            })
        };
        self.known.iter().find_map(short)
    }
}

/// The addresses of the GPUs that are passed in, where all of them are passed in by address alone.
pub fn addresses(devices: &Devices, config: &BTreeMap<String, String>) -> Option<BTreeSet<String>> {
    let key = |device: &BTreeMap<String, String>, name: &str| device.get(name).cloned().unwrap_or_default();
    let card = |device: &&BTreeMap<String, String>| {
        let node = key(device, "source") + &key(device, "path");
        asked(device).is_some() && node != "/dev/kfd" && !node.contains("/dev/nvidiactl")
    };
    if config.get("nvidia.runtime").is_some_and(|value| value == "true") {
        return None;
    }
    let address = |device: &BTreeMap<String, String>| {
        let address = key(device, "pci").to_ascii_lowercase();
        (key(device, "type") == "gpu" && !address.is_empty()).then_some(address)
    };
    devices.values().filter(card).map(address).collect()
}

/// The one GPU that a device is, where it is one and must be there. A MIG slice is none: CUDA shows one of them to a
/// program, however many are passed in.
fn single(device: &BTreeMap<String, String>) -> Option<(Option<Want>, Naming, String)> {
    let want = asked(device).filter(|a| !a.optional)?.api;
    let key = |name: &str| {
        device
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    };
    let number = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    if key("type") == Some("gpu") {
        if key("gputype").is_some_and(|kind| kind != "physical") {
            return None;
        }
        if let Some(pci) = key("pci") {
            return Some((want, Naming::Address, pci.to_ascii_lowercase()));
        }
        let id = key("id")?;
        if number(id) {
            return Some((want, Naming::Card, id.to_owned()));
        }
        let (_, index) = id.split_once("/gpu=").filter(|(_, index)| number(index))?;
        return Some((want, Naming::Cdi, index.to_owned()));
    }
    let node = key("source").or_else(|| key("path"))?;
    let index = node.strip_prefix("/dev/nvidia").filter(|index| number(index))?;
    Some((want, Naming::Node, index.to_owned()))
}

fn asked(device: &BTreeMap<String, String>) -> Option<Asked> {
    let key = |name: &str| device.get(name).map_or("", String::as_str);
    let path = |prefix: &str| key("source").starts_with(prefix) || key("path").starts_with(prefix);
    let api = match key("type") {
        "gpu" => match (key("vendorid"), key("id"), key("gputype")) {
            ("10de", _, _) | (_, _, "mig") => Some(Want::Cuda),
            (_, id, _) if id.starts_with("nvidia.com/") => Some(Want::Cuda),
            (_, id, _) if id.starts_with("amd.com/") => Some(Want::Hip),
            _ => None,
        },
        "unix-char" if path("/dev/nvidia") || path("/dev/dxg") => Some(Want::Cuda),
        "unix-char" if path("/dev/kfd") => Some(Want::Hip),
        "unix-char" if path("/dev/dri/render") => None,
        _ => return None,
    };
    Some(Asked {
        api,
        optional: key("required") == "false",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gpus(devices: &[&[(&str, &str)]]) -> Gpus {
        let device = |keys: &&[(&str, &str)]| {
            keys.iter()
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                .collect::<BTreeMap<_, _>>()
        };
        let all = (0..)
            .zip(devices)
            .map(|(n, d): (u32, _)| (n.to_string(), device(d)));
        Gpus::of(&all.collect(), &BTreeMap::new())
    }

    #[test]
    fn devices_say_what_is_to_be_proven() {
        let disk: &[(&str, &str)] = &[("type", "disk"), ("path", "/")];
        let npu: &[(&str, &str)] = &[("type", "unix-char"), ("path", "/dev/accel/accel0")];
        assert!(gpus(&[disk, npu]).is_empty());
        let amd: &[(&str, &str)] = &[("type", "gpu"), ("vendorid", "1002")];
        let kfd: &[(&str, &str)] = &[("type", "unix-char"), ("source", "/dev/kfd")];
        assert_eq!(gpus(&[amd]).flag(), "auto");
        assert_eq!(gpus(&[amd, kfd]).flag(), "hip");
        let cdi: &[(&str, &str)] = &[("type", "gpu"), ("id", "nvidia.com/gpu=all")];
        assert_eq!(gpus(&[cdi]).flag(), "cuda");
        assert_eq!(gpus(&[cdi, kfd]).flag(), "auto");
        let runtime = BTreeMap::from([("nvidia.runtime".to_owned(), "true".to_owned())]);
        assert_eq!(Gpus::of(&BTreeMap::new(), &runtime).flag(), "cuda");
    }

    #[test]
    fn a_lower_grade_is_no_proof_of_a_higher_one() {
        let report = |text: &str| -> Report { serde_json::from_str(text).unwrap() };
        let vulkan = report(
            r#"{"v":1,"grade":"vulkan","date":"","kernel":"","halolab":"","interfaces":[{"api":"vulkan",
            "outcome":"ran","driver":"","runtime":"","devices":[],"problem":null}]}"#,
        );
        let nothing =
            report(r#"{"v":1,"grade":"cpu-only","date":"","kernel":"","halolab":"","interfaces":[]}"#);
        let any: &[(&str, &str)] = &[("type", "gpu")];
        let nvidia: &[(&str, &str)] = &[("type", "unix-char"), ("path", "/dev/nvidia0")];
        let maybe: &[(&str, &str)] = &[
            ("type", "unix-char"),
            ("path", "/dev/nvidia0"),
            ("required", "false"),
        ];
        assert_eq!(gpus(&[any]).lacking(&vulkan), None);
        assert!(gpus(&[nvidia]).lacking(&vulkan).unwrap().contains("through CUDA"));
        assert!(gpus(&[any]).lacking(&nothing).is_some());
        assert_eq!(gpus(&[maybe]).lacking(&nothing), None);
    }

    #[test]
    fn two_that_are_passed_in_are_not_proven_by_one() {
        let report = |count: usize| -> Report {
            let device = r#"{"name":"H200","uuid":"","pci":"","arch":"sm_90","memory":1,"kernel_ms":1.0,"checked":1,
                "problem":null}"#;
            let devices = vec![device; count].join(",");
            let text = format!(
                r#"{{"v":1,"grade":"cuda","date":"","kernel":"","halolab":"","interfaces":[{{"api":"cuda",
                "outcome":"ran","driver":"","runtime":"","devices":[{devices}],"problem":null}}]}}"#
            );
            serde_json::from_str(&text).unwrap()
        };
        let node = |path: &'static str| [("type", "unix-char"), ("path", path)];
        let nodes = [node("/dev/nvidia0"), node("/dev/nvidia1"), node("/dev/nvidiactl")];
        let two: Vec<&[(&str, &str)]> = nodes.iter().map(|n| &n[..]).collect();
        let said = gpus(&two).lacking(&report(1)).unwrap();
        assert!(said.contains("1 of 2 GPUs"), "{said}");
        assert_eq!(gpus(&two).lacking(&report(2)), None);
        let first: &[(&str, &str)] = &[("type", "gpu"), ("vendorid", "10de"), ("pci", "0000:01:00.0")];
        let second: &[(&str, &str)] = &[("type", "gpu"), ("vendorid", "10de"), ("pci", "0000:02:00.0")];
        assert!(gpus(&[first, second]).lacking(&report(1)).is_some());
        // The same GPU by its address and by its node is one.
        assert_eq!(gpus(&[first, &nodes[0]]).lacking(&report(1)), None);
        let every: &[(&str, &str)] = &[("type", "gpu"), ("vendorid", "10de")];
        assert_eq!(gpus(&[every]).lacking(&report(1)), None, "how many is not known");
    }
}
