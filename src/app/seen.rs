//! What the engine was seen to hold, and what may be done with it once the engine is away: it is shown as what it
//! was, and nothing is changed on the strength of it.

use jiff::Timestamp;

use crate::labs::Presence;

use super::{
    model::{Engine, Model, Screen},
    msg::{Effect, Missing, Tone},
};

/// How old what is shown is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// When the engine answered last, in seconds since 1970; none before it did.
    pub last: Option<u64>,
    /// Since when it does not answer; none while it does.
    pub away: Option<u64>,
    /// Why Docker did not answer either, when nothing could be looked at.
    pub docker: Option<String>,
}

impl Model {
    /// Whether what is shown of the engine is from before it went away.
    pub fn is_stale(&self) -> bool {
        self.seen.away.is_some()
    }

    /// Since when the engine is away and when it was seen last, in words; none while it answers.
    pub(crate) fn away_words(&self) -> Option<String> {
        let (away, last) = (self.seen.away?, self.seen.last?);
        Some(format!(
            "engine not reachable since {}, last seen {}",
            hour(away),
            hour(last)
        ))
    }

    /// When the engine was seen last, as `12:03`.
    pub(crate) fn last_seen(&self) -> String {
        self.seen.last.map(hour).unwrap_or_default()
    }

    /// Says why not, where what is shown may not be so any more.
    pub(in crate::app) fn refuse_stale(&mut self) -> bool {
        let Some(away) = self.away_words() else {
            return false;
        };
        self.say(
            Tone::Warning,
            format!("nothing is changed now: {away}, and what is shown is from then; wait, or r looks again"),
        );
        true
    }

    pub(in crate::app) fn take_world(&mut self, mut world: crate::labs::World) -> Vec<Effect> {
        // What this program does itself is not left.
        let own = self.run.as_ref().filter(|run| run.is_running());
        let own = own.and_then(|run| run.id.clone());
        world.unended.retain(|u| Some(&u.run) != own.as_ref());
        let at = self.labs.current().map(|lab| lab.name.clone());
        let back = self.is_stale();
        let ended = std::mem::take(&mut self.others.ended);
        self.engine = match (&world.server, &self.engine) {
            (Some(_), _) => Engine::Ready,
            (None, _) if !world.away.is_empty() => Engine::Absent(world.away.clone()),
            (None, Engine::Absent(text)) => Engine::Absent(text.clone()),
            (None, _) => Engine::Absent("no LXD or Incus was found".into()),
        };
        self.seen.away = None;
        self.seen.docker = None;
        if world.server.is_some() {
            self.seen.last = Some(self.now);
        }
        self.labs.rows = world.labs(&self.setup.catalog);
        self.world = Some(world);
        let again = |name| self.labs.rows.iter().position(|lab| lab.name == name);
        self.labs.cursor = at.and_then(again).unwrap_or(0);
        let rows = &self.labs.rows;
        self.labs.marked.retain(|name| {
            let mut missing = rows.iter().filter(|lab| lab.presence == Presence::Missing);
            missing.any(|lab| lab.name == *name)
        });
        match (back, ended) {
            (true, _) => return self.is_back("the engine is reachable again"),
            (false, true) => {
                return self.is_back("the other halolab has ended; this plan is made from what is there now");
            }
            (false, false) => {}
        }
        self.offer_unfinished();
        let mut effects = self.read_jobs();
        effects.extend(self.plan_pending());
        effects
    }

    /// After a time away: a plan is made anew, because it was made from what was there before.
    fn is_back(&mut self, why: &str) -> Vec<Effect> {
        self.say(Tone::Good, why);
        match self.screen() {
            Screen::Review => self.plan_again(),
            Screen::Snapshots => return vec![Effect::Snapshots(self.picker.lab.clone())],
            _ => {}
        }
        vec![]
    }

    pub(in crate::app) fn take_missing(&mut self, missing: Missing) -> Vec<Effect> {
        self.seen.docker = missing.docker;
        self.engine = if missing.absent {
            Engine::Absent(missing.text)
        } else {
            if self.seen.last.is_some() {
                self.seen.away.get_or_insert(self.now);
            }
            Engine::Failed(missing.text)
        };
        vec![]
    }
}

/// A time of day, in UTC as all times here: `12:03 UTC`.
fn hour(seconds: u64) -> String {
    let time = i64::try_from(seconds)
        .ok()
        .and_then(|s| Timestamp::from_second(s).ok());
    time.map_or_else(String::new, |t| t.strftime("%H:%M UTC").to_string())
}
