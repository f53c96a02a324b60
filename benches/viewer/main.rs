//! `halolab view` beside the viewers that people know, in one run, as medians and ratios.
//!
//! `cargo bench --bench viewer [-- --size MB --rounds N --only TEST --peers less,tail]`: peers that are not installed
//! are left out (`less`, `most`, `lnav`, `sp`, `tail`). Each round runs every program once, in rotating order, on a
//! pseudo-terminal of 200x60 with an emulator behind it: "on the screen" means there, not in the stream. The files lie
//! in `target/tmp/viewer` and are made once (1 GB takes some seconds).
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    clippy::format_collect,
    reason = "a measuring program: it stops where it cannot measure, prints its table, and starts its peers"
)]

mod logs;
mod screen;
mod tests;

use std::{collections::BTreeMap, path::PathBuf, process::Command};

/// A viewer and its keys.
pub(crate) struct Viewer {
    pub(crate) name: &'static str,
    /// `{}` is the file.
    open: &'static str,
    follow: &'static str,
    /// Keys that start following where the command line cannot.
    pub(crate) follow_keys: &'static str,
    pub(crate) end: &'static str,
    pub(crate) top: &'static str,
    pub(crate) page: &'static str,
    /// Without search keys it is only followed.
    pub(crate) search: bool,
}

const LESS: Viewer = Viewer {
    name: "less",
    open: "less -Rf {}",
    follow: "less -Rf +F {}",
    follow_keys: "",
    end: "G",
    top: "g",
    page: " ",
    search: true,
};

const VIEWERS: [Viewer; 6] = [
    Viewer {
        name: "halolab",
        open: concat!(env!("CARGO_BIN_EXE_halolab"), " view {}"),
        follow: concat!(env!("CARGO_BIN_EXE_halolab"), " view -f {}"),
        ..LESS
    },
    LESS,
    Viewer {
        name: "most",
        open: "most {}",
        follow: "most {}",
        follow_keys: "F",
        end: "\x1b>",
        top: "\x1b<",
        ..LESS
    },
    Viewer {
        name: "lnav",
        open: "lnav {}",
        follow: "lnav {}",
        follow_keys: "G",
        ..LESS
    },
    Viewer {
        name: "sp",
        open: "sp {}",
        follow: "sp {}",
        follow_keys: "G",
        ..LESS
    },
    Viewer {
        name: "tail",
        open: "",
        follow: "tail -n 100 -f {}",
        search: false,
        ..LESS
    },
];

impl Viewer {
    pub(crate) fn argv(&self, path: &std::path::Path, follow: bool) -> Vec<String> {
        let words = if follow { self.follow } else { self.open };
        let path = path.display().to_string();
        words.split(' ').map(|word| word.replace("{}", &path)).collect()
    }

    fn is_here(&self) -> bool {
        let program = self.follow.split(' ').next().unwrap();
        Command::new("sh")
            .args(["-c", "command -v \"$0\" >/dev/null", program])
            .status()
            .unwrap()
            .success()
    }
}

/// Figures by test and name of the figure, then by viewer.
#[derive(Default)]
pub(crate) struct Figures(BTreeMap<(String, String), Runs>);

/// What each run gave, by viewer; none where it never got there.
type Runs = BTreeMap<&'static str, Vec<Option<f64>>>;

impl Figures {
    pub(crate) fn put(&mut self, test: &str, figure: &str, viewer: &Viewer, value: Option<f64>) {
        let of = self.0.entry((test.to_owned(), figure.to_owned())).or_default();
        of.entry(viewer.name).or_default().push(value);
    }

    fn print(&self, names: &[&'static str]) {
        println!("| test | figure | {} | of best peer |", names.join(" | "));
        println!("|---|---|{}---|", "---|".repeat(names.len()));
        for ((test, figure), by) in &self.0 {
            let median = |name: &str| by.get(name).and_then(|values| middle(values));
            let cells = names.iter().map(|name| match by.get(name) {
                None => String::new(),
                Some(values) => middle(values).map_or_else(|| "never".into(), number),
            });
            let cells: Vec<String> = cells.collect();
            let ours = median("halolab");
            let peers = names.iter().filter(|name| **name != "halolab");
            let best = peers.filter_map(|name| median(name)).reduce(f64::min);
            let ratio = match (ours, best) {
                (Some(ours), Some(best)) if best > 0.0 => format!("{:.2}", ours / best),
                _ => String::new(),
            };
            println!("| {test} | {figure} | {} | {ratio} |", cells.join(" | "));
        }
    }
}

/// The median; a run that never got there counts as endless.
fn middle(values: &[Option<f64>]) -> Option<f64> {
    let mut sorted: Vec<f64> = values.iter().map(|v| v.unwrap_or(f64::INFINITY)).collect();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().filter(|v| v.is_finite())
}

fn number(value: f64) -> String {
    if value < 10.0 {
        format!("{value:.2}")
    } else {
        format!("{value:.0}")
    }
}

fn option(name: &str) -> Option<String> {
    let mut words = std::env::args().skip_while(|word| word != name);
    words.nth(1)
}

fn main() {
    let megabytes: u64 = option("--size").map_or(1000, |text| text.parse().unwrap());
    let rounds: usize = option("--rounds").map_or(5, |text| text.parse().unwrap());
    let only = option("--only");
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("viewer");
    std::fs::create_dir_all(&folder).unwrap();
    let peers = option("--peers");
    let wanted =
        |name: &str| name == "halolab" || peers.as_ref().is_none_or(|all| all.split(',').any(|n| n == name));
    let viewers: Vec<&Viewer> = VIEWERS.iter().filter(|v| wanted(v.name) && v.is_here()).collect();
    let mut figures = Figures::default();
    for (name, test) in tests::ALL {
        if only.as_ref().is_none_or(|only| only == name) {
            test(
                &tests::Ground {
                    folder: &folder,
                    megabytes,
                    rounds,
                    viewers: &viewers,
                },
                &mut figures,
            );
        }
    }
    let names: Vec<&'static str> = viewers.iter().map(|v| v.name).collect();
    println!("\nms unless a figure says otherwise; medians of {rounds} rounds; {megabytes} MB; 200x60\n");
    figures.print(&names);
}
