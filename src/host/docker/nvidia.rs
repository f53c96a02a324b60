//! NVIDIA's GPUs: by CDI name, by the engine's `nvidia` driver, or by plain nodes and the folder of the libraries.

use crate::host::{detect::Gpu, passthrough::DRIVER};

use super::{DeviceRequest, Kind, Mount, Way, cdi, decide::Work};

/// What a program of CUDA needs of the driver, and `nvidia-smi` with it.
const CAPABILITIES: &[&str] = &["gpu", "compute", "utility"];

/// Nodes that are not of one card.
const COMMON: &[&str] = &["/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvidia-uvm-tools"];

const GENERATE: &str = "sudo nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml";

/// A device that the engine can be asked for by name.
struct Named<'a> {
    qualified: String,
    name: &'a str,
    nodes: &'a [String],
}

/// Why a way is closed, and what opens it.
type Closed = (String, Option<String>);

impl Work<'_> {
    /// The first way that is open, and what closes those before it.
    pub(super) fn nvidia_way(&mut self, gpus: &[&Gpu]) -> Option<(Way, Vec<String>)> {
        match self.cdi_names(gpus) {
            Ok(names) => return Some((Way::Cdi, names)),
            Err((why, fix)) => self.refuse(super::CDI, why, fix),
        }
        match self.uuids(gpus) {
            Ok(ids) => return Some((Way::Nvidia, ids)),
            Err((why, fix)) => self.refuse("the `nvidia` device driver", why, fix),
        }
        match self.plain(gpus) {
            Ok(nodes) => Some((Way::Nodes, nodes)),
            Err((why, fix)) => {
                self.refuse("plain nodes", why, fix);
                None
            }
        }
    }

    /// Lets cards in by a way that is open.
    pub(super) fn by_way(&mut self, gpus: &[&Gpu], way: Way, names: Vec<String>) {
        let podman = self.around.engine.kind == Kind::Podman;
        match way {
            Way::Cdi => {
                self.request("cdi", names, &[]);
                self.say("by CDI names: the specification brings nodes and libraries that fit the driver");
                if podman {
                    self.say("Podman's own command takes them always; over its Docker API, only a newer Podman hears of them");
                }
            }
            Way::Nvidia => {
                self.request("nvidia", names, CAPABILITIES);
                self.say(
                    "by UUID, not by a count: a count takes whichever cards come first, and those change",
                );
            }
            Way::Nodes => {
                if !self.let_in("NVIDIA's driver", &names) {
                    return;
                }
                let source = self.around.libraries.clone().unwrap_or_default();
                self.out.host_config.mounts.push(Mount {
                    kind: "bind".to_owned(),
                    source,
                    target: DRIVER.to_owned(),
                    read_only: true,
                });
                self.say(&format!(
                    "by plain nodes; the driver's libraries lie in {DRIVER}, read-only, and what is linked out of it must be \
                     linked again at each start of the container, because an update of the driver renames it; halolab does \
                     that"
                ));
            }
        }
        for gpu in gpus {
            self.passed(gpu, way);
        }
        if self.around.engine.selinux && way != Way::Nvidia {
            self.out.host_config.security_opt = vec!["label=disable".to_owned()];
            self.say(
                "SELinux would keep the container from NVIDIA's nodes: its labels are off for this container",
            );
        }
    }

    fn request(&mut self, driver: &str, device_ids: Vec<String>, capabilities: &[&str]) {
        let capabilities: Vec<String> = capabilities.iter().map(|name| (*name).to_owned()).collect();
        self.out.host_config.device_requests.push(DeviceRequest {
            driver: driver.to_owned(),
            device_ids,
            capabilities: if capabilities.is_empty() {
                vec![]
            } else {
                vec![capabilities]
            },
        });
    }

    /// The CDI names of the cards.
    pub(super) fn cdi_names(&self, gpus: &[&Gpu]) -> Result<Vec<String>, Closed> {
        let here = self.cdi_here()?;
        self.by_card(gpus, &here).ok_or_else(|| {
            let why = "the CDI specification has no name for each of these GPUs".to_owned();
            (why, Some(GENERATE.to_owned()))
        })
    }

    /// What of NVIDIA the engine can be asked for by name; where that is not possible, why.
    fn cdi_here(&self) -> Result<Vec<Named<'_>>, Closed> {
        let engine = &self.around.engine;
        let name = engine.name();
        match engine.cdi {
            Some(true) => {}
            Some(false) if engine.kind == Kind::Podman => {
                return Err((
                    format!("{name} takes no CDI names; 4.1 is the first that does"),
                    None,
                ));
            }
            Some(false) => {
                let fix = "Docker 28.2 or later has it by itself; 25.0 to 28.1 with {\"features\": {\"cdi\": true}} in \
                           /etc/docker/daemon.json, then sudo systemctl restart docker";
                return Err((
                    format!("CDI is not in {name}, or switched off"),
                    Some(fix.to_owned()),
                ));
            }
            None if !engine.installed => {
                let fix =
                    format!("Install Docker 28.2 or later and nvidia-container-toolkit, then {GENERATE}");
                return Err((format!("there is no {name} here"), Some(fix)));
            }
            None => {
                let why = format!("nobody says which version of {name} this is, and whether it has CDI");
                return Err((
                    why,
                    Some("sudo halolab detect --docker, which may ask it".to_owned()),
                ));
            }
        }
        let here = self.nvidia_named();
        if here.is_empty() {
            let written = self.around.specifications.iter().any(|s| s.kind == cdi::NVIDIA);
            let fix = if self.around.has_toolkit {
                GENERATE.to_owned()
            } else if written {
                // It watches its folders, and does not see what is moved there from another one.
                format!(
                    "sudo systemctl restart {}: it reads specifications anew",
                    engine.kind.program()
                )
            } else {
                format!("Install nvidia-container-toolkit, then {GENERATE}")
            };
            let why = match &engine.discovered {
                Some(_) => format!("{name} found no CDI specification of NVIDIA's GPUs"),
                None => "there is no CDI specification of NVIDIA's GPUs".to_owned(),
            };
            return Err((why, Some(fix)));
        }
        self.is_current()?;
        Ok(here)
    }

    /// Instances of cut cards (MIG), each by its own identifier. There is no third way: a card's nodes would open all of it.
    pub(super) fn slices(&mut self, slices: &[String]) {
        if slices.is_empty() || self.is_broken() {
            return;
        }
        let named = self.cdi_here().and_then(|here| {
            let name = |slice: &String| {
                let found = here.iter().find(|named| named.name.eq_ignore_ascii_case(slice));
                found.map(|named| named.qualified.clone()).ok_or_else(|| {
                    let why = format!("the CDI specification has no name for {slice}");
                    (why, Some(GENERATE.to_owned()))
                })
            };
            slices.iter().map(name).collect::<Result<Vec<_>, Closed>>()
        });
        let way = match named {
            Ok(names) => {
                self.by_way(&[], Way::Cdi, names);
                Way::Cdi
            }
            Err((why, fix)) => {
                self.refuse(super::CDI, why, fix);
                if let Err((why, fix)) = self.registered() {
                    self.refuse("the `nvidia` device driver", why, fix);
                    return;
                }
                self.by_way(&[], Way::Nvidia, slices.to_vec());
                Way::Nvidia
            }
        };
        for slice in slices {
            self.out.gpus.push(super::Passed {
                name: "an instance of a GPU (MIG)".to_owned(),
                pci: None,
                uuid: Some(slice.clone()),
                way,
            });
        }
    }

    /// What of NVIDIA the engine can be asked for.
    fn nvidia_named(&self) -> Vec<Named<'_>> {
        let engine = &self.around.engine;
        let known = |name: &String| engine.discovered.as_ref().is_none_or(|all| all.contains(name));
        let ours = self
            .around
            .specifications
            .iter()
            .filter(|s| s.kind == cdi::NVIDIA);
        let mut found: Vec<Named<'_>> = ours
            .flat_map(|specification| {
                specification.devices.iter().map(|device| Named {
                    qualified: specification.qualified(&device.name),
                    name: &device.name,
                    nodes: &device.nodes,
                })
            })
            .filter(|named| known(&named.qualified))
            .collect();
        for qualified in engine.discovered.iter().flatten() {
            let name = qualified
                .strip_prefix(cdi::NVIDIA)
                .and_then(|rest| rest.strip_prefix('='));
            let Some(name) = name else { continue };
            if !found.iter().any(|named| named.qualified == *qualified) {
                found.push(Named {
                    qualified: qualified.clone(),
                    name,
                    nodes: &[],
                });
            }
        }
        found
    }

    /// A specification of another driver names files that are gone: the container would not start.
    fn is_current(&self) -> Result<(), Closed> {
        let driver = self
            .machine
            .nvidia
            .as_ref()
            .and_then(|driver| driver.version.as_deref());
        let mut ours = self
            .around
            .specifications
            .iter()
            .filter(|s| s.kind == cdi::NVIDIA);
        let stale = ours.find(|specification| match (specification.driver.as_deref(), driver) {
            (Some(written), Some(runs)) => written != runs,
            _ => false,
        });
        // Under Windows the libraries are those of another version than the driver.
        match stale.filter(|_| !self.machine.host.is_wsl()) {
            Some(stale) => Err((
                format!(
                    "{} was written for driver {}, and {} runs: it names files that are gone",
                    stale.path,
                    stale.driver.as_deref().unwrap_or_default(),
                    driver.unwrap_or_default()
                ),
                Some(GENERATE.to_owned()),
            )),
            None => Ok(()),
        }
    }

    /// A name for each card: its UUID, else the name that brings its node alone; else all of them in one.
    fn by_card(&self, gpus: &[&Gpu], here: &[Named<'_>]) -> Option<Vec<String>> {
        let one = |gpu: &&Gpu| {
            let by_uuid = here.iter().find(|named| Some(named.name) == gpu.uuid.as_deref());
            let node = gpu.nvidia_minor.map(|minor| format!("/dev/nvidia{minor}"));
            let own = |named: &&Named<'_>| {
                let mut cards = named.nodes.iter().filter(|path| is_card(path));
                named.name != "all"
                    && cards.next() == node.as_ref()
                    && node.is_some()
                    && cards.next().is_none()
            };
            let by_node = || here.iter().find(own);
            // A card that is cut into instances has names for those only.
            let found = by_uuid.or_else(|| by_node().filter(|_| gpu.mig != Some(true)));
            found.map(|named| named.qualified.clone())
        };
        let each: Option<Vec<String>> = gpus.iter().map(one).collect();
        let every = self
            .machine
            .gpus
            .iter()
            .filter(|gpu| gpu.vendor == "nvidia" && gpu.is_driven())
            .count();
        let all = || {
            here.iter()
                .find(|named| named.name == "all")
                .map(|named| vec![named.qualified.clone()])
        };
        each.filter(|names| !names.is_empty())
            .or_else(|| all().filter(|_| gpus.len() == every))
    }

    /// UUIDs for the engine's own driver.
    fn uuids(&self, gpus: &[&Gpu]) -> Result<Vec<String>, Closed> {
        self.registered()?;
        let known = gpus
            .iter()
            .map(|gpu| gpu.uuid.clone())
            .collect::<Option<Vec<_>>>();
        known.ok_or_else(|| {
            (
                "NVIDIA's driver does not tell the UUID of each GPU".to_owned(),
                None,
            )
        })
    }

    /// Whether the engine can be asked by its own driver.
    fn registered(&self) -> Result<(), Closed> {
        let engine = &self.around.engine;
        if engine.kind == Kind::Podman {
            return Err(("Podman has none; it takes CDI names".to_owned(), None));
        }
        let registered = engine.runtimes.iter().any(|name| name == "nvidia");
        if !registered && !self.around.has_hook {
            let configure =
                "sudo nvidia-ctk runtime configure --runtime=docker && sudo systemctl restart docker";
            let fix = if self.around.has_toolkit {
                configure.to_owned()
            } else {
                format!("Install nvidia-container-toolkit, then {configure}")
            };
            return Err((
                format!(
                    "no runtime `nvidia` is registered with {}, and nvidia-container-runtime-hook is not here",
                    engine.name()
                ),
                Some(fix),
            ));
        }
        Ok(())
    }

    /// Nodes of the cards, where the driver's libraries are here too.
    fn plain(&self, gpus: &[&Gpu]) -> Result<Vec<String>, Closed> {
        let mut paths: Vec<String> = vec![];
        for gpu in gpus {
            let Some(minor) = gpu.nvidia_minor else {
                return Err((format!("nobody says which node is that of {}", gpu.name), None));
            };
            paths.push(format!("/dev/nvidia{minor}"));
        }
        let optional = |path: &&&str| !path.ends_with("-tools") || self.around.nodes.contains_key(**path);
        paths.extend(
            COMMON
                .iter()
                .filter(|path| optional(path))
                .map(|path| (*path).to_owned()),
        );
        if let Some(path) = paths.iter().find(|path| !self.around.nodes.contains_key(*path)) {
            let fix = "sudo nvidia-modprobe -u -c0 makes the nodes".to_owned();
            return Err((format!("{path} is not there"), Some(fix)));
        }
        if self.around.libraries.is_none() {
            let why = "libcuda.so.1 is on this machine nowhere that is known".to_owned();
            return Err((why, Some("Install the driver's user-space libraries".to_owned())));
        }
        Ok(paths)
    }
}

/// `/dev/nvidia0`, and not `/dev/nvidiactl`.
fn is_card(path: &str) -> bool {
    let number = path.strip_prefix("/dev/nvidia").unwrap_or_default();
    !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
}
