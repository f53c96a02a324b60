//! What is measured.

use std::{
    fs::{self, OpenOptions},
    io::Write as _,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use super::{
    Figures, Viewer,
    logs::{self, COLOURED, NEEDLE},
    screen::Screen,
};

/// Whose figures these are.
const OURS: &str = "halolab";
/// How long is waited for anything.
const PATIENCE: Duration = Duration::from_secs(30);
/// Silence after which a screen counts as settled.
const SILENCE: Duration = Duration::from_millis(200);

/// Where and with whom.
pub(crate) struct Ground<'a> {
    pub(crate) folder: &'a Path,
    pub(crate) megabytes: u64,
    pub(crate) rounds: usize,
    pub(crate) viewers: &'a [&'a Viewer],
}

type Test = fn(&Ground<'_>, &mut Figures);

pub(crate) const ALL: [(&str, Test); 9] = [
    ("first", first),
    ("session", session),
    ("keys", keys),
    ("scroll", scroll),
    ("follow", follow),
    ("flood", flood),
    ("hostile", hostile),
    ("turned", turned),
    ("idle", idle),
];

impl Ground<'_> {
    /// Every viewer once a round; who begins rotates.
    fn each(&self, readers: bool, mut run: impl FnMut(&Viewer)) {
        for round in 0..self.rounds {
            for place in 0..self.viewers.len() {
                let viewer = self.viewers[(place + round) % self.viewers.len()];
                if viewer.search || !readers {
                    run(viewer);
                }
            }
        }
    }

    fn log(&self) -> PathBuf {
        let path = logs::build(self.folder, self.megabytes * 1_000_000);
        // Into the page cache, as a log that was just written is.
        std::io::copy(&mut fs::File::open(&path).unwrap(), &mut std::io::sink()).unwrap();
        path
    }

    fn live(&self) -> PathBuf {
        let path = self.folder.join("live.log");
        fs::copy(logs::build(self.folder, 100_000), &path).unwrap();
        path
    }
}

fn millis(from: Instant, to: Option<Instant>) -> Option<f64> {
    to.map(|to| to.saturating_duration_since(from).as_secs_f64() * 1e3)
}

/// The first screen alone: it is short, and so needs more trials than a session can give it.
fn first(ground: &Ground<'_>, figures: &mut Figures) {
    let path = ground.log();
    for _ in 0..10 {
        ground.each(true, |viewer| {
            let screen = Screen::start(&viewer.argv(&path, false));
            let shown = millis(screen.began, screen.filled(40, PATIENCE));
            figures.put("first screen", "40 rows", viewer, shown);
        });
    }
}

/// First screen, end, top, a word at 90 %, one with colour codes in it, a pattern; then the memory.
fn session(ground: &Ground<'_>, figures: &mut Figures) {
    let path = ground.log();
    let lines = logs::thousands(logs::lines(&path));
    ground.each(true, |viewer| {
        let mut put = |figure: &str, value| figures.put("session", figure, viewer, value);
        let mut screen = Screen::start(&viewer.argv(&path, false));
        put(
            "1 first screen",
            millis(screen.began, screen.filled(40, PATIENCE)),
        );
        if viewer.name == OURS {
            let lines = format!(" of {lines}");
            let counted = screen.named(&lines, PATIENCE);
            put("1 exact number of lines", millis(screen.began, counted));
        }
        screen.quiet(SILENCE, PATIENCE);
        for (figure, keys, text) in [
            ("2 to the end", viewer.end.to_owned(), "END-OF-LOG"),
            ("3 back to the top", viewer.top.to_owned(), "HEAD-OF-LOG"),
            ("4 word at 90 %", format!("/{}\r", NEEDLE.0), NEEDLE.1),
        ] {
            let sent = screen.send(&keys);
            put(figure, millis(sent, screen.wait(text, PATIENCE)));
            screen.quiet(SILENCE, PATIENCE);
        }
        screen.send(viewer.top);
        screen.wait("HEAD-OF-LOG", PATIENCE);
        screen.quiet(SILENCE, PATIENCE);
        let sent = screen.send(&format!("/{}\r", COLOURED.0));
        put(
            "5 phrase with colours",
            millis(sent, screen.wait(COLOURED.1, PATIENCE)),
        );
        screen.quiet(SILENCE, PATIENCE);
        // What a viewer keeps while somebody reads, not what its last search needed.
        thread::sleep(Duration::from_millis(1500));
        let usage = screen.usage();
        put("6 memory after it, MB", Some(usage.rss));
        put("7 processor time, s", Some(usage.cpu));
    });
}

/// A key, while 100,000 lines come each second and are searched. Only ours: peers that follow hear one key, or none.
fn keys(ground: &Ground<'_>, figures: &mut Figures) {
    ground.each(true, |viewer| {
        if viewer.name != OURS {
            return;
        }
        let path = ground.live();
        let mut screen = Screen::start(&viewer.argv(&path, true));
        screen.filled(40, PATIENCE);
        screen.send("/error|fail[a-z]+\r");
        screen.send("G");
        let writer = thread::spawn(move || logs::live(&path, 100_000, Duration::from_secs(5)));
        thread::sleep(Duration::from_millis(500));
        let mut took = vec![];
        while !writer.is_finished() {
            let sent = screen.send(":");
            took.extend(millis(sent, screen.named("go to:", PATIENCE)));
            screen.send("\x1b");
            thread::sleep(Duration::from_millis(63));
        }
        took.sort_by(f64::total_cmp);
        let at = |share: usize| took.get(took.len() * share / 100).copied();
        figures.put("keys at 100000 lines/s", "median", viewer, at(50));
        figures.put("keys at 100000 lines/s", "99 %", viewer, at(99));
    });
}

/// Forty pages down, one after the other.
fn scroll(ground: &Ground<'_>, figures: &mut Figures) {
    let path = ground.log();
    ground.each(true, |viewer| {
        let mut screen = Screen::start(&viewer.argv(&path, false));
        screen.filled(40, PATIENCE);
        screen.quiet(SILENCE, PATIENCE);
        let mut took: Vec<f64> = (0..40)
            .map(|_| {
                let sent = screen.send(viewer.page);
                let last = screen.settled(sent, Duration::from_millis(60), Duration::from_secs(2));
                millis(sent, Some(last)).unwrap_or_default()
            })
            .collect();
        took.sort_by(f64::total_cmp);
        figures.put("scroll", "page down, median", viewer, took.get(20).copied());
        figures.put("scroll", "page down, 38th of 40", viewer, took.get(37).copied());
    });
}

/// Lines come in: how long after its write a line, or a newer one, is on the screen.
fn follow(ground: &Ground<'_>, figures: &mut Figures) {
    for rate in [10_000, 100_000] {
        ground.each(false, |viewer| {
            let path = ground.live();
            let mut screen = Screen::start(&viewer.argv(&path, true));
            screen.filled(40, PATIENCE);
            screen.quiet(SILENCE, Duration::from_secs(3));
            screen.send(viewer.follow_keys);
            screen.quiet(SILENCE, Duration::from_secs(3));
            screen.track();
            let before = screen.usage();
            let lasts = Duration::from_secs(5);
            let writes = logs::live(&path, rate, lasts);
            let after = screen.usage();
            thread::sleep(Duration::from_secs(2));
            let seen = screen.numbers();
            // A line that was never shown, nor a newer one, is late without end.
            let lag = |(number, at): &(u64, Instant)| {
                let shown = seen.iter().find(|(highest, _)| highest >= number);
                shown
                    .and_then(|(_, when)| millis(*at, Some(*when)))
                    .unwrap_or(f64::INFINITY)
            };
            let mut lags: Vec<f64> = writes.iter().map(lag).collect();
            lags.sort_by(f64::total_cmp);
            let highest = seen.last().map_or(0, |(number, _)| *number);
            let last = writes.last().map_or(0, |(number, _)| *number);
            let test = format!("follow {rate} lines/s");
            let mut put = |figure: &str, value| figures.put(&test, figure, viewer, value);
            put("lag, median", lags.get(lags.len() / 2).copied());
            put("lag, 99 %", lags.get(lags.len() * 99 / 100).copied());
            put(
                "lines behind after 2 s",
                Some(last.saturating_sub(highest) as f64),
            );
            put(
                "processor, %",
                Some((after.cpu - before.cpu) / lasts.as_secs_f64() * 100.0),
            );
            put("memory grown, MB", Some((after.rss - before.rss).max(0.0)));
        });
    }
}

/// Half a gigabyte at once, and a key meanwhile.
fn flood(ground: &Ground<'_>, figures: &mut Figures) {
    let source = fs::read(logs::build(ground.folder, 500_000_000)).unwrap();
    ground.each(false, |viewer| {
        let path = ground.live();
        let mut screen = Screen::start(&viewer.argv(&path, true));
        screen.filled(40, PATIENCE);
        screen.send(viewer.follow_keys);
        screen.quiet(SILENCE, Duration::from_secs(3));
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        for part in source.chunks(1 << 20) {
            file.write_all(part).unwrap();
        }
        file.write_all(b"THE-VERY-LAST-LINE\n").unwrap();
        let written = Instant::now();
        let shown = screen.wait("THE-VERY-LAST-LINE", Duration::from_secs(10));
        figures.put(
            "flood",
            "last of 500 MB on the screen",
            viewer,
            millis(written, shown),
        );
        figures.put("flood", "memory, MB", viewer, Some(screen.usage().rss));
    });
}

/// Files that harm: the worst of them counts.
fn hostile(ground: &Ground<'_>, figures: &mut Figures) {
    const BAD: [&[u8]; 8] = [
        b"\x1b]52;",
        b"\x1b]0;PWN",
        b"\x1bc",
        b"\x1b[6n",
        b"\x1b[?1003h\x1bP",
        b"\x1bP+q",
        b"\x0e",
        b"\xc2\x9b31m",
    ];
    for path in logs::hostile(ground.folder) {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        ground.each(true, |viewer| {
            let mut screen = Screen::start(&viewer.argv(&path, false));
            let patience = Duration::from_secs(10);
            let shown = match name.as_str() {
                // Nothing in them can be seen: the name on the last row tells that they are shown.
                "hostile-zeros" | "hostile-newlines" => screen.named(&name, patience),
                _ => screen.filled(3, patience),
            };
            figures.put(&name, "first screen", viewer, millis(screen.began, shown));
            screen.quiet(SILENCE, PATIENCE);
            for (figure, keys) in [("page", viewer.page), ("end", viewer.end), ("top", viewer.top)] {
                let sent = screen.send(keys);
                let last = screen.settled(sent, SILENCE, Duration::from_secs(5));
                figures.put(&name, figure, viewer, millis(sent, Some(last)));
            }
            let raw = screen.raw();
            let through = BAD
                .iter()
                .filter(|bad| raw.windows(bad.len()).any(|part| part == **bad));
            figures.put(
                &name,
                "sequences let through",
                viewer,
                Some(through.count() as f64),
            );
            let usage = screen.usage();
            figures.put(&name, "memory, MB", viewer, Some(usage.rss));
            figures.put(&name, "most memory, MB", viewer, Some(usage.peak));
        });
    }
}

/// A log that is cut while it is open (`copytruncate`), and one that is replaced.
fn turned(ground: &Ground<'_>, figures: &mut Figures) {
    for (test, replaced) in [("cut", false), ("replaced", true)] {
        ground.each(true, |viewer| {
            let path = ground.live();
            let mut screen = Screen::start(&viewer.argv(&path, true));
            screen.filled(40, PATIENCE);
            screen.send(viewer.follow_keys);
            screen.quiet(SILENCE, Duration::from_secs(3));
            if replaced {
                fs::rename(&path, path.with_extension("old")).unwrap();
                fs::write(&path, "").unwrap();
            } else {
                fs::write(&path, "").unwrap();
            }
            thread::sleep(Duration::from_millis(300));
            let text: String = (0..5000).map(|n| format!("a new line {n:06}\n")).collect();
            OpenOptions::new()
                .append(true)
                .open(&path)
                .unwrap()
                .write_all(text.as_bytes())
                .unwrap();
            let written = Instant::now();
            let shown = screen.wait("a new line 004999", Duration::from_secs(5));
            figures.put(test, "new end on the screen", viewer, millis(written, shown));
        });
    }
}

/// Nothing happens.
fn idle(ground: &Ground<'_>, figures: &mut Figures) {
    let path = ground.log();
    ground.each(true, |viewer| {
        let screen = Screen::start(&viewer.argv(&path, true));
        screen.filled(40, PATIENCE);
        screen.quiet(Duration::from_secs(2), PATIENCE);
        let (before, bytes) = (screen.usage(), screen.bytes());
        thread::sleep(Duration::from_secs(5));
        let after = screen.usage();
        figures.put(
            "idle 5 s",
            "processor, %",
            viewer,
            Some((after.cpu - before.cpu) * 20.0),
        );
        figures.put(
            "idle 5 s",
            "bytes written",
            viewer,
            Some((screen.bytes() - bytes) as f64),
        );
    });
}
