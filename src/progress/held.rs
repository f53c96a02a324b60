//! Events that wait for their time: the bytes of a log come before the line of the index that says when they were
//! written, and the last time that is known then may be from before a long silence.

use std::collections::VecDeque;

use super::{
    event::Event,
    times::{Millis, Times},
};

/// An index that says nothing for so long will not: it is written each second in which the log grows.
const PATIENCE: Millis = 10_000;
/// So many wait at most; no build says as much in a second, a hostile log may.
const MOST: usize = 20_000;

/// An event, and when its line was written.
pub type Timed = (Event, Option<Millis>);

/// Events in the order of the log.
#[derive(Debug, Default)]
pub struct Held {
    events: VecDeque<Event>,
    /// Since when the first one waits, and whether it was written just before.
    since: Option<(Millis, bool)>,
}

impl Held {
    /// These come next.
    pub fn add(&mut self, events: Vec<Event>) {
        self.events.extend(events);
    }

    /// The first one, where its time is known.
    pub fn timed(&mut self, times: &Times) -> Option<Timed> {
        let offset = self.first()?;
        if !times.covers(offset) && self.events.len() <= MOST {
            return None;
        }
        self.since = None;
        Some((self.events.pop_front()?, times.at(offset)))
    }

    /// The first one, where there is no sense in waiting any more; `now` is the time, `live` whether what came last was
    /// written just before it came. It gets the time at which it came then, else the last one that is known.
    pub fn late(&mut self, times: &Times, now: Millis, live: bool) -> Option<Timed> {
        self.first()?;
        let (since, live) = *self.since.get_or_insert((now, live));
        if now.saturating_sub(since) < PATIENCE {
            return None;
        }
        let event = self.events.pop_front()?;
        Some((event, times.last().max(live.then_some(since))))
    }

    /// The first one: no time comes any more.
    pub fn last(&mut self, times: &Times) -> Option<Timed> {
        let event = self.events.pop_front()?;
        let at = times.at(event.offset);
        Some((event, at))
    }

    /// The place of the first one.
    pub fn first(&self) -> Option<u64> {
        self.events.front().map(|event| event.offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::{Tool, What};

    fn events(offset: u64, count: usize) -> Vec<Event> {
        let event = Event {
            offset,
            length: 1,
            tool: Tool::Spack,
            what: What::Begin,
        };
        vec![event; count]
    }

    #[test]
    fn an_event_waits_for_its_time_and_not_for_ever() {
        let mut held = Held::default();
        held.add(events(100, 2));
        let before = Times::parse("1000 100\n");
        assert!(
            held.timed(&before).is_none(),
            "that is from before it was written"
        );
        assert!(held.late(&before, 5000, true).is_none());
        assert!(held.late(&before, 14_999, true).is_none());
        assert_eq!(
            held.late(&before, 15_000, true).unwrap().1,
            Some(5000),
            "when it came"
        );
        held.add(events(200, 2));
        let after = Times::parse("1000 100\n9000 101\n");
        assert_eq!(held.timed(&after).unwrap().1, Some(9000));
        assert_eq!((held.timed(&after), held.first()), (None, Some(200)));
        assert!(held.late(&after, 20_000, false).is_none());
        assert_eq!(
            held.late(&after, 40_000, true).unwrap().1,
            Some(9000),
            "nobody knows when an old one came"
        );
        assert_eq!(held.last(&after).unwrap().1, Some(9000));
        assert_eq!((held.last(&after), held.first()), (None, None));
    }

    #[test]
    fn a_log_without_times_is_not_kept_in_memory() {
        let mut held = Held::default();
        held.add(events(0, MOST + 10));
        while held.timed(&Times::default()).is_some() {}
        assert_eq!(held.events.len(), MOST);
    }
}
