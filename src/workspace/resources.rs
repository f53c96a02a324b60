//! Memory, swap and processors, as the engine really takes them, and what all users together come to.
//!
//! A reservation is a wish: the kernel takes memory back from whoever is above theirs first, when it gets short. Nothing is
//! set aside. The engine's own `MemorySwap` is memory and swap together; here `swap` is what comes on top.

use serde::Serialize;

use super::{Settings, User};
use crate::{host::Root, stage::size};

/// The engine refuses less.
const LEAST_MEMORY: u64 = 6 << 20;

/// Bytes of a size that was checked when it was read.
pub fn bytes(text: Option<&String>) -> Option<u64> {
    text.and_then(|text| size::parse(text).ok())
}

/// What is wrong with a user's limits, by key.
pub(super) fn problems(user: &User) -> Vec<(&'static str, String)> {
    let mut found = vec![];
    let sizes = [
        ("memory", user.memory.as_ref()),
        ("memory-reservation", user.memory_reservation.as_ref()),
        ("swap", user.swap.as_ref()),
        ("shm", Some(&user.shm)),
    ];
    for (key, text) in sizes {
        if let Some(Err(error)) = text.map(|text| size::parse(text)) {
            found.push((key, error.to_string()));
        }
    }
    if !found.is_empty() {
        return found;
    }
    let (memory, reserved) = (
        bytes(user.memory.as_ref()),
        bytes(user.memory_reservation.as_ref()),
    );
    for (key, size) in [("memory", memory), ("memory-reservation", reserved)] {
        if size.is_some_and(|size| size < LEAST_MEMORY) {
            found.push((key, "must be at least 6MiB: the engine takes no less".into()));
        }
    }
    if let (Some(memory), Some(reserved)) = (memory, reserved)
        && reserved > memory
        && memory >= LEAST_MEMORY
    {
        found.push((
            "memory-reservation",
            "is more than `memory`, the most that they get".into(),
        ));
    }
    if user.swap.is_some() && memory.is_none() {
        found.push((
            "swap",
            "swap without `memory` has no meaning for the engine: give both".into(),
        ));
    }
    if user.cpus.is_some_and(|cpus| !(0.01..=4096.0).contains(&cpus)) {
        found.push(("cpus", "must be between 0.01 and 4096".into()));
    }
    if bytes(Some(&user.shm)) == Some(0) {
        found.push((
            "shm",
            "must be more than nothing: browsers and PyTorch need it".into(),
        ));
    }
    found
}

/// What the machine has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Capacity {
    /// Bytes of memory; 0 where it is not known.
    pub memory: u64,
    /// Bytes of swap.
    pub swap: u64,
    /// Processors; 0 where it is not known.
    pub cpus: u32,
}

impl Capacity {
    /// Looks at the machine below a root.
    pub fn look(root: &Root) -> Self {
        let info = root.read("/proc/meminfo").unwrap_or_default();
        let field = |name: &str| {
            let line = info.lines().find_map(|line| line.strip_prefix(name))?;
            let number: u64 = line
                .trim_start_matches(':')
                .split_whitespace()
                .next()?
                .parse()
                .ok()?;
            number.checked_mul(1024)
        };
        let online = root.read("/sys/devices/system/cpu/online").unwrap_or_default();
        Self {
            memory: field("MemTotal").unwrap_or(0),
            swap: field("SwapTotal").unwrap_or(0),
            cpus: online.split(',').filter_map(count).sum(),
        }
    }
}

/// How many `0-3` are.
fn count(range: &str) -> Option<u32> {
    let (first, last) = range.split_once('-').unwrap_or((range, range));
    let (first, last): (u32, u32) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
    last.checked_sub(first)?.checked_add(1)
}

/// What all users who are not disabled may take together.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Sums {
    /// The machine.
    pub machine: Capacity,
    /// Bytes that are reserved for them.
    pub reserved: u64,
    /// Bytes that they may take at most, of those who have a limit.
    pub most: u64,
    /// Who has no limit.
    pub unlimited: Vec<String>,
    /// Bytes of swap.
    pub swap: u64,
    /// Processors of those who have a limit.
    pub cpus: f64,
    /// What does not fit, in sentences: a reservation that nobody can keep, swap that is not there.
    pub wrong: Vec<String>,
    /// What fits only as long as not everybody takes all at once.
    pub over: Vec<String>,
}

/// Adds it up.
pub fn sums(settings: &Settings, machine: Capacity) -> Sums {
    let mut sums = Sums {
        machine,
        ..Sums::default()
    };
    for (name, user) in settings.users.iter().filter(|(_, user)| !user.disabled) {
        sums.reserved = sums
            .reserved
            .saturating_add(bytes(user.memory_reservation.as_ref()).unwrap_or(0));
        sums.swap = sums.swap.saturating_add(bytes(user.swap.as_ref()).unwrap_or(0));
        sums.cpus += user.cpus.unwrap_or(0.0);
        match bytes(user.memory.as_ref()) {
            Some(most) => sums.most = sums.most.saturating_add(most),
            None => sums.unlimited.push(name.clone()),
        }
        if machine.cpus > 0 && user.cpus.is_some_and(|cpus| cpus > f64::from(machine.cpus)) {
            let text = format!(
                "{name} may have {} processors, and this machine has {}: the engine refuses that",
                user.cpus.unwrap_or(0.0),
                machine.cpus
            );
            sums.wrong.push(text);
        }
        if machine.swap == 0 && machine.memory > 0 && bytes(user.swap.as_ref()).unwrap_or(0) > 0 {
            sums.wrong
                .push(format!("{name} may have swap, and this machine has none"));
        }
    }
    if machine.memory > 0 {
        sums.judge(bytes(Some(&settings.keep_memory)).unwrap_or(0));
    }
    sums
}

impl Sums {
    fn judge(&mut self, kept: u64) {
        let room = self.machine.memory.saturating_sub(kept);
        let human = size::human;
        if self.reserved > room {
            self.wrong.push(format!(
                "{} of memory are reserved, and the machine has {} for workspaces ({} stay its own): nobody can count on \
                 theirs",
                human(self.reserved),
                human(room),
                human(kept)
            ));
        }
        if self.most > room {
            self.over.push(format!(
                "together they may take {} of memory, and the machine has {}: when they do, the kernel ends processes",
                human(self.most),
                human(room)
            ));
        }
        if !self.unlimited.is_empty() {
            self.over.push(format!(
                "without a limit, so that one of them can take all memory: {}",
                self.unlimited.join(", ")
            ));
        }
        if self.machine.cpus > 0 && self.cpus > f64::from(self.machine.cpus) {
            self.over.push(format!(
                "together they may take {} processors of {}: when they do, each gets its share",
                self.cpus, self.machine.cpus
            ));
        }
        if self.swap > self.machine.swap && self.machine.swap > 0 {
            self.over.push(format!(
                "together they may take {} of swap of {}",
                human(self.swap),
                human(self.machine.swap)
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_everybody_may_take_is_held_against_the_machine() {
        let mut settings = Settings::default();
        let user = |memory: &str, reserved: &str, cpus| User {
            memory: Some(memory.into()),
            memory_reservation: Some(reserved.into()),
            cpus: Some(cpus),
            ..User::default()
        };
        settings.users.insert("a".into(), user("8GiB", "2GiB", 2.0));
        settings.users.insert("b".into(), user("6GiB", "4GiB", 1.0));
        let machine = Capacity {
            memory: 16 << 30,
            swap: 0,
            cpus: 4,
        };
        let fits = sums(&settings, machine);
        assert_eq!((fits.reserved, fits.most), (6 << 30, 14 << 30));
        assert!(fits.wrong.is_empty() && fits.over.is_empty(), "{fits:?}");
        let mut third = user("4GiB", "10GiB", 8.0);
        third.swap = Some("1GiB".into());
        settings.users.insert("c".into(), third);
        settings.users.insert("d".into(), User::default());
        let over = sums(&settings, machine);
        assert_eq!(over.wrong.len(), 3, "{:?}", over.wrong);
        assert_eq!(over.over.len(), 3, "{:?}", over.over);
        settings.users.get_mut("c").unwrap().disabled = true;
        settings.users.get_mut("d").unwrap().disabled = true;
        assert_eq!(sums(&settings, machine), fits, "who is disabled takes nothing");
    }

    #[test]
    fn the_machine_is_read_below_a_root() {
        let folder = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str| {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        put("proc/meminfo", "MemTotal:       16384 kB\nSwapTotal: 8 kB\n");
        put("sys/devices/system/cpu/online", "0-3,8,10-11\n");
        let found = Capacity::look(&Root::new(folder.path()));
        assert_eq!(
            found,
            Capacity {
                memory: 16 << 20,
                swap: 8192,
                cpus: 7
            }
        );
    }
}
