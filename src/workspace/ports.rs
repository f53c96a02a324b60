//! Ports: a block of them a user, by the user's slot; what of it stands in the way of something else. Pure.

use std::{collections::BTreeMap, fmt, net::IpAddr, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{Ledger, Settings};

/// What a workspace offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Service {
    /// A shell from afar; `X2Go` goes through it, too.
    Ssh,
    /// The desktop for a VNC viewer.
    Vnc,
    /// The desktop in a browser.
    Novnc,
    /// The editor in a browser.
    Code,
    /// Notebooks.
    Jupyter,
    /// Curves of trainings; the image puts a door with a password before it.
    Tensorboard,
    /// The desktop for clients of Windows.
    Rdp,
}

impl Service {
    /// All of them, in the order of the map.
    pub const ALL: [Self; 7] = [
        Self::Ssh,
        Self::Vnc,
        Self::Novnc,
        Self::Code,
        Self::Jupyter,
        Self::Tensorboard,
        Self::Rdp,
    ];

    /// As written in `workspaces.toml`, and in the container's `WS_SERVICES`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ssh => "ssh",
            Self::Vnc => "vnc",
            Self::Novnc => "novnc",
            Self::Code => "code",
            Self::Jupyter => "jupyter",
            Self::Tensorboard => "tensorboard",
            Self::Rdp => "rdp",
        }
    }

    /// By that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|service| service.name() == name)
    }

    /// Its place in the block.
    pub fn offset(self) -> u16 {
        match self {
            Self::Vnc => 0,
            Self::Novnc => 1,
            Self::Code => 2,
            Self::Jupyter => 3,
            Self::Tensorboard => 4,
            Self::Rdp => 5,
            Self::Ssh => 22,
        }
    }

    /// Where it listens inside the container.
    pub fn inside(self) -> u16 {
        match self {
            Self::Ssh => 22,
            Self::Vnc => 5900,
            Self::Novnc => 6080,
            Self::Code => 8080,
            Self::Jupyter => 8888,
            Self::Tensorboard => 6006,
            Self::Rdp => 3389,
        }
    }
}

/// The smallest block that has all offsets.
pub const SMALLEST_BLOCK: u16 = 23;

/// Ports from one to another, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Range {
    /// The first.
    pub first: u16,
    /// The last.
    pub last: u16,
}

impl Range {
    /// Whether a port is one of them.
    pub fn has(&self, port: u16) -> bool {
        (self.first..=self.last).contains(&port)
    }
}

impl FromStr for Range {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "must be a port as `22000`, or two as `30000-32767`".to_owned();
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let port = |text: &str| text.trim().parse::<u16>().ok().filter(|port| *port > 0);
        let (first, last) = (port(first).ok_or_else(wrong)?, port(last).ok_or_else(wrong)?);
        if last < first {
            return Err("its end is before its beginning".to_owned());
        }
        Ok(Self { first, last })
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            return write!(f, "{}", self.first);
        }
        write!(f, "{}-{}", self.first, self.last)
    }
}

/// Ports that other programs of such machines are known to take.
const KNOWN: [(Range, &str); 3] = [
    (
        Range {
            first: 15000,
            last: 15001,
        },
        "Envoy and Istio",
    ),
    (
        Range {
            first: 22000,
            last: 22000,
        },
        "Syncthing",
    ),
    (
        Range {
            first: 30000,
            last: 32767,
        },
        "node ports of Kubernetes",
    ),
];

/// A socket that listens on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listening {
    /// Its address.
    pub address: IpAddr,
    /// Its port.
    pub port: u16,
}

impl Listening {
    /// Whether a port of ours at `address` cannot be opened beside it. An address of IPv6 that is open to all takes those
    /// of IPv4 along, unless it was told not to.
    fn blocks(&self, address: IpAddr, port: u16) -> bool {
        self.port == port
            && (self.address == address || self.address.is_unspecified() || address.is_unspecified())
    }
}

/// What of the machine ports depend on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Machine {
    /// Who listens.
    pub listening: Vec<Listening>,
    /// From which ports the kernel takes those of outgoing connections (`ip_local_port_range`).
    pub outgoing: Option<Range>,
}

/// Why a port may not be had.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Cause {
    /// The block ends behind the last port there is.
    NoSuchPort,
    /// Another user has it.
    User {
        /// Who.
        user: String,
    },
    /// Somebody listens there.
    Listening {
        /// Where.
        address: IpAddr,
    },
    /// It is kept for something else.
    Reserved {
        /// These ports.
        range: Range,
        /// For what.
        what: String,
    },
    /// An outgoing connection may take it first.
    Outgoing {
        /// These ports.
        range: Range,
    },
}

/// A port that may not be had.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Collision {
    /// Whose.
    pub user: String,
    /// What for.
    pub service: Service,
    /// The port; more than 65535 where there is no such port.
    pub port: u32,
    /// Why.
    pub cause: Cause,
}

impl Collision {
    /// Whether the workspace cannot start with it.
    pub fn is_blocking(&self) -> bool {
        !matches!(self.cause, Cause::Outgoing { .. } | Cause::Reserved { .. })
    }

    /// As a sentence.
    pub fn text(&self) -> String {
        let (user, service, port) = (&self.user, self.service.name(), self.port);
        let why = match &self.cause {
            Cause::NoSuchPort => "there is no such port: lower `base-port` or `block`".to_owned(),
            Cause::User { user } => format!("{user} has it, too"),
            Cause::Listening { address } => format!("something listens on {address} there already"),
            Cause::Reserved { range, what } => format!("{range} is kept for {what}"),
            Cause::Outgoing { range } => format!(
                "an outgoing connection may take it first (ip_local_port_range {range}): keep it free with \
                 net.ipv4.ip_local_reserved_ports"
            ),
        };
        format!("{user}: port {port} for {service}: {why}")
    }
}

/// Ports of a slot, by service; a number behind the last port is none.
pub fn of_slot(settings: &Settings, slot: u32) -> BTreeMap<Service, u32> {
    let base = u64::from(settings.base_port) + u64::from(slot) * u64::from(settings.block);
    let base = u32::try_from(base).unwrap_or(u32::MAX / 2);
    let port = |service: Service| (service, base + u32::from(service.offset()));
    Service::ALL.into_iter().map(port).collect()
}

/// A user's port for a service.
pub fn port(settings: &Settings, slot: u32, service: Service) -> Option<u16> {
    let port = of_slot(settings, slot).get(&service).copied()?;
    u16::try_from(port).ok()
}

/// Whether a new user may be given this slot: nothing of it stands in anybody's way.
pub fn fits(settings: &Settings, machine: &Machine, slot: u32) -> bool {
    let bind = settings.bind;
    let mut ports = of_slot(settings, slot).into_iter();
    ports.all(|(_, port)| alone(settings, machine, bind, port).is_none())
}

/// What of the machine, and of what is reserved, one port stands in the way of.
fn alone(settings: &Settings, machine: &Machine, bind: IpAddr, port: u32) -> Option<Cause> {
    let Ok(port) = u16::try_from(port) else {
        return Some(Cause::NoSuchPort);
    };
    if let Some(found) = machine.listening.iter().find(|found| found.blocks(bind, port)) {
        return Some(Cause::Listening {
            address: found.address,
        });
    }
    let own = settings.reserved_ranges().into_iter();
    let own = own.map(|range| (range, "something else (`reserved` in workspaces.toml)"));
    let mut reserved = own.chain(KNOWN);
    if let Some((range, what)) = reserved.find(|(range, _)| range.has(port)) {
        return Some(Cause::Reserved {
            range,
            what: what.to_owned(),
        });
    }
    let outgoing = machine.outgoing.filter(|range| range.has(port))?;
    Some(Cause::Outgoing { range: outgoing })
}

/// All that stands in the way of the users' ports. The sockets of who is `running` are their own.
pub fn collisions(
    settings: &Settings,
    ledger: &Ledger,
    machine: &Machine,
    running: &dyn Fn(&str) -> bool,
) -> Vec<Collision> {
    let mut found = vec![];
    let mut taken: BTreeMap<u32, String> = BTreeMap::new();
    let nobody = Machine {
        listening: vec![],
        ..machine.clone()
    };
    for (name, user) in &settings.users {
        let Some(slot) = ledger.slot(name) else { continue };
        let machine = if running(name) { &nobody } else { machine };
        for (service, port) in of_slot(settings, slot) {
            let mut add = |cause| {
                found.push(Collision {
                    user: name.clone(),
                    service,
                    port,
                    cause,
                });
            };
            if let Some(other) = taken.insert(port, name.clone()) {
                add(Cause::User { user: other });
            }
            if !user.services.contains(&service) {
                continue;
            }
            if let Some(cause) = alone(settings, machine, settings.bind_of(user), port) {
                add(cause);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn settings(base: u16, block: u16, users: usize) -> (Settings, Ledger) {
        let mut settings = Settings {
            base_port: base,
            block,
            ..Settings::default()
        };
        let mut ledger = Ledger::default();
        for number in 0..users {
            let name = format!("user{number}");
            settings
                .users
                .insert(name.clone(), crate::workspace::User::default());
            ledger.assign(&name, "now", &|_| true, &|_| true).unwrap();
        }
        (settings, ledger)
    }

    #[test]
    fn the_first_users_have_the_ports_of_the_seed() {
        let (settings, ledger) = settings(10000, 100, 2);
        let of = |user: &str, service| port(&settings, ledger.slot(user).unwrap(), service).unwrap();
        let all = |user: &str| Service::ALL.map(|service| of(user, service));
        assert_eq!(all("user0"), [10022, 10000, 10001, 10002, 10003, 10004, 10005]);
        assert_eq!(all("user1"), [10122, 10100, 10101, 10102, 10103, 10104, 10105]);
    }

    #[test]
    fn what_listens_and_what_is_reserved_is_found() {
        let (mut settings, ledger) = settings(10000, 100, 3);
        settings.reserved = vec!["10100-10101".into()];
        let machine = Machine {
            listening: vec![
                Listening {
                    address: "0.0.0.0".parse().unwrap(),
                    port: 10022,
                },
                Listening {
                    address: "192.168.1.1".parse().unwrap(),
                    port: 10002,
                },
                Listening {
                    address: "::".parse().unwrap(),
                    port: 10203,
                },
            ],
            outgoing: Some(Range {
                first: 10205,
                last: 60999,
            }),
        };
        let mut user = crate::workspace::User::default();
        user.services.push(Service::Rdp);
        settings.users.insert("user2".into(), user);
        let found = collisions(&settings, &ledger, &machine, &|_| false);
        let short: Vec<_> = found.iter().map(|c| (c.port, c.is_blocking())).collect();
        assert_eq!(
            short,
            [
                (10022, true),
                (10100, false),
                (10101, false),
                (10222, false),
                (10203, true),
                (10205, false)
            ],
            "{found:#?}"
        );
        assert!(
            found[0]
                .text()
                .contains("port 10022 for ssh: something listens on 0.0.0.0")
        );
        let own = collisions(&settings, &ledger, &machine, &|user| user == "user0");
        assert!(
            own.iter().all(|c| c.port != 10022),
            "a running workspace listens itself"
        );
    }

    #[test]
    fn a_new_user_gets_a_block_that_stands_in_nobodys_way() {
        let (settings, mut ledger) = settings(14900, 100, 1);
        let machine = Machine::default();
        let slot = ledger.assign("new", "now", &|_| true, &|slot| fits(&settings, &machine, slot));
        assert_eq!(slot.unwrap(), 2, "15000 and 15001 are Envoy's");
    }

    #[test]
    fn ranges_are_read_and_wrong_ones_refused() {
        assert_eq!("22".parse(), Ok(Range { first: 22, last: 22 }));
        assert_eq!(
            "1-65535".parse(),
            Ok(Range {
                first: 1,
                last: 65535
            })
        );
        for bad in ["", "0", "5-4", "1-70000", "a", "1-2-3", "-5"] {
            assert!(bad.parse::<Range>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_two_users_share_a_port(base in 1024u16..20000, block in SMALLEST_BLOCK..300, users in 1usize..60) {
            let (settings, ledger) = settings(base, block, users);
            let found = collisions(&settings, &ledger, &Machine::default(), &|_| false);
            prop_assert!(found.iter().all(|c| !matches!(c.cause, Cause::User { .. })), "{found:?}");
        }
    }
}
