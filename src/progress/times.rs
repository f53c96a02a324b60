//! When which byte of a log was written: the index beside it, so that a build that is read afterwards has the
//! durations that it had.

/// Milliseconds since 1970.
pub type Millis = i64;

/// Lines of `EPOCH_MS BYTE_OFFSET`: at that time the log had that many bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Times {
    entries: Vec<(u64, Millis)>,
}

impl Times {
    /// Reads an index. A line that is none (the last one may be torn) is passed over; so is one whose bytes go back.
    pub fn parse(text: &str) -> Self {
        let mut times = Self::default();
        times.read(text);
        times
    }

    /// Reads more of an index; returns how many bytes of it were whole lines.
    pub fn read(&mut self, text: &str) -> usize {
        let end = text.rfind('\n').map_or(0, |end| end + 1);
        for line in text.get(..end).unwrap_or_default().lines() {
            let mut words = line.split_ascii_whitespace();
            let pair = (
                words.next().and_then(|word| word.parse().ok()),
                words.next().and_then(|word| word.parse().ok()),
            );
            if let (Some(time), Some(bytes)) = pair {
                self.add(time, bytes);
            }
        }
        end
    }

    /// Forgets what says nothing of the bytes from an offset on: a log that is read once is not asked about again.
    pub fn forget(&mut self, offset: u64) {
        let past = self.entries.partition_point(|(bytes, _)| *bytes <= offset);
        let last = self.entries.len().saturating_sub(1);
        self.entries.drain(..past.min(last));
    }

    /// At this time the log had so many bytes. A clock that was put back stands still until it is as late again.
    pub fn add(&mut self, time: Millis, bytes: u64) {
        match self.entries.last() {
            Some((before, _)) if *before > bytes => {}
            last => {
                let time = last.map_or(time, |(_, at)| time.max(*at));
                self.entries.push((bytes, time));
            }
        }
    }

    /// Whether it is known when the byte at an offset was there.
    pub fn covers(&self, offset: u64) -> bool {
        self.entries.last().is_some_and(|(bytes, _)| *bytes > offset)
    }

    /// When the byte at an offset was there: the first time at which the log was longer. After the last entry that
    /// one's time, because nothing later is known.
    pub fn at(&self, offset: u64) -> Option<Millis> {
        let next = self.entries.partition_point(|(bytes, _)| *bytes <= offset);
        self.entries
            .get(next)
            .or_else(|| self.entries.last())
            .map(|(_, time)| *time)
    }

    /// The last time of the index.
    pub fn last(&self) -> Option<Millis> {
        self.entries.last().map(|(_, time)| *time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_was_there_when_the_log_was_longer() {
        let times = Times::parse("1000 0\n2000 10\nnonsense\n5000 30\n4000 40\n6000 5");
        assert_eq!(times.at(0), Some(2000));
        assert_eq!(times.at(9), Some(2000));
        assert_eq!(times.at(10), Some(5000), "it waited for the next bytes");
        assert_eq!(times.at(99), Some(5000));
        assert!(times.covers(39) && !times.covers(40));
        assert_eq!(times.at(30), Some(5000), "the clock was put back");
        assert_eq!(Times::parse("1000").at(0), None);
    }
}
