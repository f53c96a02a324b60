//! What there was of a lab before it is made anew, and which way leads back to it where that failed.

use std::collections::BTreeSet;

use super::World;
use crate::backend::Status;

/// What there is of a lab.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stand {
    /// Of its instance; none where there is none.
    pub uuid: Option<String>,
    /// The instance runs.
    pub running: bool,
    /// Whole earlier versions that are kept beside it.
    pub kept: BTreeSet<String>,
}

/// How what was before comes back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Return {
    /// Nothing was swapped: it is there.
    There,
    /// Nothing was swapped, and it has to be started again.
    Start,
    /// The swap kept it by this name: it takes its place again.
    Bring(String),
    /// Nothing was kept.
    Lost,
}

impl Stand {
    /// Of a lab, as the engine shows it.
    pub fn of(world: &World, lab: &str) -> Self {
        let instance = world.instance(lab);
        let kept = world.kept(lab).into_iter().filter(super::Kept::is_version);
        Self {
            uuid: instance.map(|instance| instance.uuid.clone()),
            running: instance.is_some_and(|instance| instance.status == Status::Running),
            kept: kept.map(|kept| kept.name).collect(),
        }
    }

    /// The way from what there is now back to this.
    pub fn way_back(&self, now: &Self) -> Return {
        if now.uuid.is_some() && now.uuid == self.uuid {
            return if self.running && !now.running {
                Return::Start
            } else {
                Return::There
            };
        }
        let fresh = now.kept.difference(&self.kept).next();
        fresh.map_or(Return::Lost, |kept| Return::Bring(kept.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stand(uuid: &str, running: bool, kept: &[&str]) -> Stand {
        Stand {
            uuid: (!uuid.is_empty()).then(|| uuid.to_owned()),
            running,
            kept: kept.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    #[test]
    fn what_the_swap_kept_comes_back_and_nothing_older() {
        let before = stand("a", true, &["x-prev"]);
        let way = |now: &Stand| before.way_back(now);
        assert_eq!(way(&stand("a", true, &["x-prev"])), Return::There);
        assert_eq!(way(&stand("a", false, &["x-prev"])), Return::Start);
        let swapped = stand("b", true, &["x-prev", "x-prev-2"]);
        assert_eq!(way(&swapped), Return::Bring("x-prev-2".into()));
        assert_eq!(
            way(&stand("", false, &["x-prev", "x-prev-2"])),
            Return::Bring("x-prev-2".into())
        );
        assert_eq!(way(&stand("b", true, &["x-prev"])), Return::Lost);
        // What did not run before is not started.
        assert_eq!(
            stand("a", false, &[]).way_back(&stand("a", false, &[])),
            Return::There
        );
    }
}
