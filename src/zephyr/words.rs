//! What a build comes to, in lines for people.

use crate::{
    progress::Estimate,
    spack::{Row, Standing},
    stage::size::human,
};

use super::Comes;

/// Packages that are said to take longest.
const LONGEST: usize = 3;

impl Comes {
    /// A line for each thing that matters: how many, how long, how much disk, for which GPUs, what is odd.
    pub fn lines(&self) -> Vec<String> {
        let held = &self.review.held;
        let mut lines = vec![format!(
            "Packages  {} to build, {} from a build cache, {} in the store already, {} of the image",
            held.to_build, held.cached, held.installed, held.external
        )];
        if self.is_done() {
            lines.push("          nothing has to be built: all of it is there".to_owned());
        } else {
            lines.push(format!("Time      {}", self.time()));
            lines.push(format!("Disk      {}", self.space()));
        }
        if !self.cuda_arch.is_empty() {
            lines.push(format!("For       {}", self.cuda_arch));
        }
        lines.extend(
            self.dropped
                .iter()
                .map(|dropped| format!("MISSING   {}", dropped.text)),
        );
        if self.is_short() {
            lines.push("WARNING   that does not fit on the disk".to_owned());
        }
        lines.extend(self.notes.iter().map(|note| format!("note      {note}")));
        lines
    }

    /// The packages, by where they come from: names with versions, in paragraphs.
    pub fn packages(&self) -> Vec<String> {
        let of = |standing: Standing| {
            let rows = self
                .review
                .rows
                .iter()
                .filter(move |row| row.standing == standing);
            rows.map(|row| format!("{}@{}", row.name, row.version))
                .collect::<Vec<_>>()
        };
        let kinds = [
            (Standing::ToBuild, "To build"),
            (Standing::Cached, "From a build cache"),
            (Standing::External, "Of the image"),
        ];
        let said = kinds.into_iter().map(|(standing, title)| (title, of(standing)));
        said.filter(|(_, names)| !names.is_empty())
            .map(|(title, names)| format!("{title}: {}", names.join(" ")))
            .collect()
    }

    fn time(&self) -> String {
        let of = match self.review.unknown {
            0 => String::new(),
            unknown => format!("; {unknown} of them were never built on this machine"),
        };
        let Some(left) = self.review.left else {
            return if self.review.held.to_build == 0 {
                "as long as fetching takes".to_owned()
            } else {
                format!("not known{of}")
            };
        };
        let mut slow: Vec<&Row> = self
            .review
            .rows
            .iter()
            .filter(|row| row.standing == Standing::ToBuild)
            .collect();
        slow.sort_by(|a, b| b.seconds.unwrap_or(0.0).total_cmp(&a.seconds.unwrap_or(0.0)));
        let slow: Vec<String> = slow
            .iter()
            .take(LONGEST)
            .filter_map(|row| Some(format!("{} {}", row.name, span(whole(row.seconds?)))))
            .collect();
        format!(
            "{} by former builds here{of}; longest: {}",
            range(left),
            slow.join(", ")
        )
    }

    fn space(&self) -> String {
        let disk = &self.disk;
        let free = disk
            .free
            .map_or_else(String::new, |free| format!("; {} are free", human(free)));
        let all = self.review.held.to_build + self.review.held.cached;
        match disk.unknown {
            0 => format!(
                "about {}, as these packages took here before{free}",
                human(disk.needed)
            ),
            unknown if unknown == all => format!("not known: none of them was ever installed here{free}"),
            unknown => format!(
                "{} and what {unknown} packages take that were never installed here{free}",
                human(disk.needed)
            ),
        }
    }

    /// Whether what is known of it is already more than there is.
    pub fn is_short(&self) -> bool {
        self.disk.free.is_some_and(|free| self.disk.needed > free)
    }
}

fn range(left: Estimate) -> String {
    match left.high {
        Some(high) if span(high) != span(left.low) => format!("{} to {}", span(left.low), span(high)),
        Some(high) => format!("about {}", span(high)),
        None => format!("at least {}", span(left.low)),
    }
}

/// Seconds in words that are exact enough for something that takes hours.
fn span(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", (seconds + 30) / 60),
        _ => {
            let minutes = (seconds + 30) / 60;
            format!("{} h {:02} min", minutes / 60, minutes % 60)
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "seconds of a build, never negative"
)]
fn whole(seconds: f64) -> u64 {
    seconds.clamp(0.0, 1e12).round() as u64
}
