//! Who holds which GPU until when. The engine lets any number of containers have one GPU; who may is only written down.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Settings;

/// A user's hold on a GPU.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Hold {
    /// Who.
    pub user: String,
    /// Until which day; none is without an end.
    pub until: Option<String>,
    /// Whether others may have it, too.
    pub shared: bool,
    /// The day is over.
    pub over: bool,
}

/// The holds, by GPU as users name them (`all` is every one), and where two are in each other's way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Holds {
    /// By GPU.
    pub gpus: BTreeMap<String, Vec<Hold>>,
    /// Sentences.
    pub conflicts: Vec<String>,
}

/// Who holds what; `today` is as `2026-11-23`.
pub fn holds(settings: &Settings, today: &str) -> Holds {
    let mut found = Holds::default();
    for (name, user) in settings.users.iter().filter(|(_, user)| !user.disabled) {
        for gpu in &user.gpus {
            // Days as people write them here sort by time.
            let over = user.gpus_until.as_deref().is_some_and(|until| until < today);
            found.gpus.entry(gpu.clone()).or_default().push(Hold {
                user: name.clone(),
                until: user.gpus_until.clone(),
                shared: user.gpus_shared,
                over,
            });
        }
    }
    let all: Vec<(&String, &Hold)> = found
        .gpus
        .iter()
        .flat_map(|(gpu, holds)| holds.iter().map(move |hold| (gpu, hold)))
        .collect();
    let mut conflicts = vec![];
    for (at, (gpu, one)) in all.iter().enumerate() {
        for (other_gpu, other) in all.iter().skip(at + 1) {
            if one.user != other.user
                && !one.over
                && !other.over
                && same(gpu, other_gpu)
                && !(one.shared && other.shared)
            {
                conflicts.push(conflict(gpu, one, other_gpu, other));
            }
        }
    }
    found.conflicts = conflicts;
    found
}

/// Whether two words may mean one GPU. A slice of MIG is its own.
fn same(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other) || one == "all" || other == "all"
}

fn conflict(gpu: &str, one: &Hold, other_gpu: &str, other: &Hold) -> String {
    let gpu = if gpu == "all" { other_gpu } else { gpu };
    let until = |hold: &Hold| match &hold.until {
        Some(day) => format!("{} until {day}", hold.user),
        None => hold.user.clone(),
    };
    format!(
        "{gpu} is held by {} and by {}, and not both say that they share it (`gpus-shared`)",
        until(one),
        until(other)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::User;

    #[test]
    fn two_holds_on_one_gpu_are_a_conflict_unless_both_share_or_one_is_over() {
        let user = |gpus: &[&str], until: Option<&str>, shared| User {
            gpus: gpus.iter().map(|gpu| (*gpu).to_owned()).collect(),
            gpus_until: until.map(Into::into),
            gpus_shared: shared,
            ..User::default()
        };
        let conflicts = |a: User, b: User| {
            let users = [("a".to_owned(), a), ("b".to_owned(), b)].into();
            let settings = Settings {
                users,
                ..Settings::default()
            };
            holds(&settings, "2026-11-23").conflicts.len()
        };
        assert_eq!(
            conflicts(user(&["GPU-1"], None, false), user(&["GPU-2"], None, false)),
            0
        );
        assert_eq!(
            conflicts(user(&["GPU-1"], None, false), user(&["gpu-1"], None, true)),
            1
        );
        assert_eq!(
            conflicts(user(&["GPU-1"], None, true), user(&["GPU-1"], None, true)),
            0
        );
        assert_eq!(
            conflicts(user(&["all"], None, false), user(&["MIG-7"], None, false)),
            1
        );
        let over = user(&["GPU-1"], Some("2026-11-22"), false);
        assert_eq!(conflicts(over, user(&["GPU-1"], None, false)), 0);
        let today = user(&["GPU-1"], Some("2026-11-23"), false);
        assert_eq!(conflicts(today, user(&["GPU-1"], None, false)), 1);
    }
}
