//! Which GPUs are passed into a lab, out of its devices and config: what its proof must show.

use std::collections::BTreeMap;

use crate::prove::{Api, Grade, Outcome, Report};

/// Devices by name, as the daemon has them.
type Devices = BTreeMap<String, BTreeMap<String, String>>;

/// Where a lab sees the folder of the host's NVIDIA libraries, which may hold a whole distribution.
pub const DRIVER: &str = "/opt/halolab/host-driver";

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
pub struct Gpus(Vec<Asked>);

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
        Self(all)
    }

    /// Whether none is passed in.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// For `--gpu` of the prover: the one interface that is asked for, or what there is.
    pub fn flag(&self) -> &'static str {
        let mut apis = self.0.iter().filter_map(|a| a.api);
        let all = self.0.iter().all(|a| a.api.is_some() && !a.optional);
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
        let missing = self.0.iter().find(|a| !a.optional && !ran(a.api))?;
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
}
