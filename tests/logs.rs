//! Logs of any kind are read as they were written: any bytes, any growth, any place.

#![expect(
    clippy::unwrap_used,
    clippy::format_collect,
    reason = "a test fails by panicking"
)]

use std::{
    fs::File,
    io::Write as _,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use halolab::log::{
    Ask, Document, Motion, Page, Query, Spot, Wake,
    blocks::{BLOCK, Blocks},
    document::SharedRules,
    lines::Lines,
    page::{Clock, Filter, Landing, Leap},
    rules::{Level, Rules},
};
use proptest::prelude::*;

/// How long a thread may take on a loaded machine before a test counts as hanging.
const PATIENCE: Duration = Duration::from_mins(2);

struct Bench {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

impl Bench {
    fn new(bytes: &[u8]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        std::fs::write(&path, bytes).unwrap();
        Self {
            _folder: folder,
            path,
        }
    }

    fn open(&self) -> Document {
        open(&self.path)
    }

    fn add(&self, bytes: &[u8]) {
        let mut file = File::options().append(true).open(&self.path).unwrap();
        file.write_all(bytes).unwrap();
    }
}

fn open(path: &Path) -> Document {
    let wake: Wake = Arc::new(|| {});
    let mut log = Document::open(path, &SharedRules::default(), &wake).unwrap();
    log.count();
    log
}

fn ask(rows: usize) -> Ask {
    Ask {
        rows,
        columns: 80,
        forward: true,
        ..Ask::default()
    }
}

/// The page once all that is counted and searched for it is.
fn settled(log: &mut Document, ask: &Ask) -> Page {
    let end = Instant::now() + PATIENCE;
    loop {
        log.look();
        let page = log.turn(ask);
        let open = matches!(
            page.landing,
            Landing::Pending | Landing::Perhaps(_) | Landing::Uncounted
        );
        let hits = page.hits.is_none_or(|h| h.done) && page.filtered.is_none_or(|h| h.done);
        let read = page.note.as_deref() != Some("reading the archive");
        // What ended between the look and the page is on the next one.
        if page.lines.is_some() && hits && read && !open && !log.look() {
            return log.turn(ask);
        }
        assert!(Instant::now() < end, "never settled: {page:?}");
        thread::yield_now();
    }
}

fn texts(page: &Page) -> Vec<&str> {
    page.rows.iter().map(|r| r.text.as_str()).collect()
}

/// Lines as everybody would cut them.
fn naive(bytes: &[u8]) -> Vec<&[u8]> {
    let mut lines: Vec<&[u8]> = bytes.split_inclusive(|b| *b == b'\n').collect();
    if lines.last().is_some_and(|l| l.is_empty()) {
        lines.pop();
    }
    lines
}

fn starts(bytes: &[u8]) -> Vec<u64> {
    let mut at = 0;
    let mut starts = vec![];
    for line in naive(bytes) {
        starts.push(at);
        at += line.len() as u64;
    }
    starts
}

fn blocks(bytes: &[u8]) -> Blocks {
    let bench = Bench::new(bytes);
    Blocks::new(Arc::new(File::open(&bench.path).unwrap()), bytes.len() as u64)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn lines_are_where_their_breaks_are(
        lengths in proptest::collection::vec(0_usize..50_000, 0..14),
        ended in any::<bool>(),
    ) {
        let mut bytes = vec![];
        for length in &lengths {
            bytes.extend(std::iter::repeat_n(b'x', *length));
            bytes.push(b'\n');
        }
        if !ended {
            bytes.pop();
        }
        let starts = starts(&bytes);
        let mut blocks = blocks(&bytes);
        let mut lines = Lines::new(&mut blocks, false);
        let mut found = vec![];
        let mut at = (!bytes.is_empty()).then_some(0);
        while let Some(start) = at {
            found.push(start);
            at = lines.next(start);
        }
        prop_assert_eq!(&found, &starts);
        // And back again.
        let mut back = vec![];
        let mut at = lines.last();
        for _ in &starts {
            back.push(at);
            at = lines.back(at, 1).0;
        }
        back.reverse();
        prop_assert_eq!(&back, &starts);
        for (index, start) in starts.iter().enumerate() {
            let middle = lines.end_of(*start) - 1;
            prop_assert_eq!(lines.start_of(middle), *start);
            prop_assert_eq!(lines.back(*start, 1_000).1, index);
        }
    }

    #[test]
    fn line_numbers_are_those_of_a_plain_count(
        lengths in proptest::collection::vec(0_usize..120_000, 1..12),
    ) {
        let mut bytes = vec![];
        for length in &lengths {
            bytes.extend(std::iter::repeat_n(b'x', *length));
            bytes.push(b'\n');
        }
        // Lines without an end are cut, and are no lines of their own: only their numbers are asked for here.
        let bench = Bench::new(&bytes);
        let mut log = bench.open();
        for (index, start) in starts(&bytes).into_iter().enumerate() {
            let wanted = Ask { motion: Motion::Line(index as u64 + 1), ..ask(1) };
            let page = settled(&mut log, &wanted);
            prop_assert_eq!(page.landing, Landing::Found(start));
            prop_assert_eq!(page.line, Some(index as u64 + 1));
            prop_assert_eq!(page.lines, Some(lengths.len() as u64));
        }
    }

    #[test]
    fn a_page_is_the_same_however_the_log_grew(
        parts in proptest::collection::vec("[a-c\n\r\t]{0,40}|\\x1b\\[3[0-7]m|\u{fe0f}|é|界", 1..20),
        wrap in any::<bool>(),
        states in any::<bool>(),
    ) {
        let bench = Bench::new(b"");
        let mut grown = bench.open();
        let asked = Ask { wrap, states, columns: 10, ..ask(12) };
        let mut whole = vec![];
        for part in &parts {
            bench.add(part.as_bytes());
            whole.extend_from_slice(part.as_bytes());
            grown.look();
            grown.turn(&asked);
        }
        let at_once = Bench::new(&whole);
        let mut other = at_once.open();
        for motion in [Motion::Top, Motion::End, Motion::Percent(50.0)] {
            let asked = Ask { motion, ..asked.clone() };
            prop_assert_eq!(settled(&mut grown, &asked), settled(&mut other, &asked));
        }
    }

    #[test]
    fn down_and_up_again_is_the_same_place(
        lengths in proptest::collection::vec(0_usize..60, 30..60),
        down in 1_i64..12,
        steps in 1_usize..4,
        wrap in any::<bool>(),
    ) {
        let text: String = lengths.iter().map(|n| "w".repeat(*n) + "\n").collect();
        let bench = Bench::new(text.as_bytes());
        let mut log = bench.open();
        let mut asked = Ask { wrap, columns: 20, ..ask(5) };
        let mut places = vec![asked.spot];
        for _ in 0..steps {
            asked.motion = Motion::Rows(down);
            let page = log.turn(&asked);
            // The last page is full, so the way there may be shorter.
            if page.at_end {
                return Ok(());
            }
            asked.spot = page.spot;
            places.push(page.spot);
        }
        for place in places.iter().rev().skip(1) {
            asked.motion = Motion::Rows(-down);
            asked.spot = log.turn(&asked).spot;
            prop_assert_eq!(asked.spot, *place);
        }
    }

    #[test]
    fn a_search_finds_what_a_plain_search_finds(
        words in proptest::collection::vec("(ab|aB|b\\x1b\\[1ma|xx){0,6}", 1..200),
        pad in 0_usize..3000,
        pattern in any::<bool>(),
    ) {
        let pad = "-".repeat(pad);
        let text: String = words.iter().map(|w| format!("{w}{pad}\n")).collect();
        let bench = Bench::new(text.as_bytes());
        let mut log = bench.open();
        let query = Query { text: if pattern { "a[b]ba".into() } else { "abba".into() }, pattern: Some(pattern), ..Query::default() };
        let seen = |w: &String| w.replace("\x1b[1m", "").to_lowercase().contains("abba");
        let starts = starts(text.as_bytes());
        let wanted: Vec<u64> = words.iter().zip(&starts).filter(|(w, _)| seen(w)).map(|(_, s)| *s).collect();
        let mut found = vec![];
        let mut from = 0;
        loop {
            let leap = Leap { from, forward: true, shown: None, wrapped: false };
            let asked = Ask { search: Some(query.clone()), motion: Motion::Hit(leap), ..ask(4) };
            let page = settled(&mut log, &asked);
            prop_assert_eq!(page.hits.map(|h| h.total), Some(wanted.len() as u64));
            let Landing::Found(at) = page.landing else { break };
            found.push(at);
            prop_assert_eq!(page.number, Some((found.len() as u64, at)));
            from = at + 1;
        }
        prop_assert_eq!(&found, &wanted);
        let leap = Leap { from: text.len() as u64, forward: false, shown: None, wrapped: false };
        let asked = Ask { search: Some(query), motion: Motion::Hit(leap), ..ask(4) };
        let last = settled(&mut log, &asked).landing;
        prop_assert_eq!(last, wanted.last().map_or(Landing::Nowhere, |at| Landing::Found(*at)));
    }

    #[test]
    fn a_filter_shows_what_grep_shows(
        hits in proptest::collection::vec(any::<bool>(), 1..80),
        context in 0_usize..4,
    ) {
        let text: String = hits.iter().enumerate().map(|(i, h)| format!("{i} {}\n", if *h { "needle" } else { "hay" })).collect();
        let near = |i: usize| (i.saturating_sub(context)..=i + context).any(|j| hits.get(j) == Some(&true));
        let wanted: Vec<String> = text.lines().enumerate().filter(|(i, _)| near(*i)).map(|(_, l)| l.to_owned()).collect();
        let bench = Bench::new(text.as_bytes());
        let mut log = bench.open();
        let filter = Filter { query: Query::new("needle"), context };
        let page = settled(&mut log, &Ask { filter: Some(filter.clone()), ..ask(100) });
        prop_assert_eq!(texts(&page), wanted.clone());
        // From the end, too; and saved.
        let page = settled(&mut log, &Ask { filter: Some(filter.clone()), motion: Motion::End, ..ask(3) });
        let tail: Vec<String> = wanted.iter().skip(wanted.len().saturating_sub(3)).cloned().collect();
        prop_assert_eq!(texts(&page), tail);
        let mut out = vec![];
        log.saving(Some((&filter.query, context))).write(&mut out).unwrap();
        let lines: String = wanted.iter().map(|l| format!("{l}\n")).collect();
        prop_assert_eq!(String::from_utf8(out).unwrap(), lines);
    }
}

#[test]
fn a_line_of_100_mb_is_read_in_parts_and_searched() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("long.log");
    let file = File::create(&path).unwrap();
    file.write_all_at(b"first\n", 0).unwrap();
    file.set_len(100 << 20).unwrap();
    let needle = 70 << 20;
    file.write_all_at(b"needle", needle - 3).unwrap();
    file.write_all_at(b"\nlast line\n", 100 << 20).unwrap();
    let mut log = open(&path);
    let top = log.turn(&ask(4));
    assert_eq!(texts(&top)[0], "first");
    let end = log.turn(&Ask {
        motion: Motion::End,
        ..ask(4)
    });
    assert_eq!(texts(&end).last().copied(), Some("last line"));
    let leap = Leap {
        from: 0,
        forward: true,
        shown: None,
        wrapped: false,
    };
    let asked = Ask {
        search: Some(Query::new("needle")),
        motion: Motion::Hit(leap),
        ..ask(4)
    };
    let Landing::Found(at) = settled(&mut log, &asked).landing else {
        panic!("the needle is not found")
    };
    assert!(at <= needle && needle - at <= BLOCK, "{at}");
    assert_eq!(settled(&mut log, &ask(4)).lines, Some(3));
}

#[test]
fn a_progress_bar_is_one_line_and_all_its_states_are_when_asked_for() {
    let bars: String = (0..100_000)
        .map(|n| format!("\r downloading {n:6} of 100000"))
        .collect();
    let bench = Bench::new(format!("begin\n{bars}\r\nend\r\n").as_bytes());
    let mut log = bench.open();
    let page = log.turn(&ask(9));
    assert_eq!(texts(&page), ["begin", " downloading  99999 of 100000", "end"]);
    let page = log.turn(&Ask {
        states: true,
        ..ask(4)
    });
    assert_eq!(texts(&page)[..3], ["begin", "", " downloading      0 of 100000"]);
}

#[test]
fn colours_go_on_from_line_to_line_and_end_where_they_are_reset() {
    use ratatui::style::Color;
    let bench = Bench::new(b"\x1b[31mred\nstill red\n\x1b[0mplain\n");
    let mut log = bench.open();
    let page = log.turn(&Ask {
        spot: Spot::at(9),
        ..ask(2)
    });
    assert_eq!(page.rows[0].pieces[0].style.fg, Some(Color::Red));
    assert_eq!(page.rows[1].pieces[0].style.fg, None);
}

#[test]
fn a_log_that_is_cut_replaced_or_gone_is_said_and_shown_anew() {
    let bench = Bench::new(b"one\ntwo\n");
    let mut log = bench.open();
    assert_eq!(texts(&settled(&mut log, &ask(9))), ["one", "two"]);
    std::fs::write(&bench.path, "new\n").unwrap();
    let page = settled(&mut log, &ask(9));
    assert_eq!((texts(&page), page.lines), (vec!["new"], Some(1)));
    assert!(page.note.unwrap().contains("was cut"));
    // Cut and written again beyond its old size between two looks.
    std::fs::write(&bench.path, "other bytes that are more\n").unwrap();
    assert_eq!(texts(&settled(&mut log, &ask(9))), ["other bytes that are more"]);
    let aside = bench.path.with_extension("1");
    std::fs::rename(&bench.path, &aside).unwrap();
    assert!(
        settled(&mut log, &ask(9))
            .note
            .unwrap()
            .contains("no file has this name")
    );
    std::fs::write(&bench.path, "fresh\n").unwrap();
    let page = settled(&mut log, &ask(9));
    assert_eq!(texts(&page), ["fresh"]);
    assert!(page.note.unwrap().contains("replaced"));
}

#[test]
fn archives_are_read_and_a_broken_one_shows_what_came_before() {
    let text: String = (0..20_000)
        .map(|n| format!("line {n} of the archive\n"))
        .collect();
    let mut gz = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
    gz.write_all(text.as_bytes()).unwrap();
    let gz = gz.finish().unwrap();
    let zst = zstd::encode_all(text.as_bytes(), 1).unwrap();
    for bytes in [&gz, &zst] {
        let bench = Bench::new(bytes);
        let mut log = bench.open();
        let page = settled(
            &mut log,
            &Ask {
                motion: Motion::End,
                ..ask(3)
            },
        );
        assert_eq!(texts(&page).last().copied(), Some("line 19999 of the archive"));
        assert_eq!((page.lines, page.note), (Some(20_000), None));
        let left = Ask {
            left_at: Some(0),
            ..ask(3)
        };
        assert_eq!(
            settled(&mut log, &left).new_lines,
            0,
            "all of it was there before"
        );
        // Two joined are two.
        let bench = Bench::new(&[bytes.as_slice(), bytes.as_slice()].concat());
        assert_eq!(settled(&mut bench.open(), &ask(3)).lines, Some(40_000));
        let bench = Bench::new(&bytes[..bytes.len() * 2 / 3]);
        let page = settled(&mut bench.open(), &ask(3));
        assert!(
            page.note.as_deref().expect("a note").contains("broken"),
            "{:?}",
            page.note
        );
        assert_eq!(texts(&page)[0], "line 0 of the archive");
    }
}

#[test]
fn times_come_from_the_table_the_lines_or_their_arrival() {
    let bench = Bench::new(b"one\ntwo\nthree\n");
    let table = bench.path.with_extension("log.times");
    // At that time the log had so many bytes: what it was for an hour without a word does not count for the next line.
    std::fs::write(&table, "1000 0\n2000 4\n61500 8\n3600000 8\n3601000 14\n").unwrap();
    let mut log = bench.open();
    let page = log.turn(&Ask {
        clock: Clock::Relative,
        ..ask(9)
    });
    let times: Vec<_> = page.rows.iter().filter_map(|r| r.time.as_deref()).collect();
    assert_eq!(times, ["+0:00.000", "+0:59.500", "+59:59.000"]);
    let to = |at| Ask {
        motion: Motion::Time(at),
        ..ask(1)
    };
    assert_eq!(log.turn(&to(61_500)).landing, Landing::Found(4));

    let lines = "2026-11-22T10:00:00Z a\n2026-11-22T10:00:05Z b\n no time\n[2026-11-22 10:00:09Z] c\n";
    let bench = Bench::new(lines.as_bytes());
    let mut log = bench.open();
    let page = log.turn(&Ask {
        clock: Clock::Relative,
        ..ask(9)
    });
    assert_eq!(page.rows[1].time.as_deref(), Some("+0:05.000"));
    assert_eq!(page.rows[3].time.as_deref(), Some("+0:09.000"));
    let moment: jiff::Timestamp = "2026-11-22T10:00:03Z".parse().unwrap();
    assert_eq!(log.turn(&to(moment.as_millisecond())).landing, Landing::Found(23));

    let bench = Bench::new(b"");
    let mut log = bench.open();
    assert_eq!(log.turn(&to(5)).landing, Landing::Timeless);
    bench.add(b"arrived\n");
    log.look();
    let page = log.turn(&Ask {
        clock: Clock::Absolute,
        ..ask(1)
    });
    assert!(page.rows[0].time.is_some());
}

/// A time of the day is meant on the day of the log, and what is not in the log is said.
#[test]
fn a_time_of_the_day_is_the_logs_own() {
    use halolab::log::clock::{Typed, typed};
    let at = |text: &str| text.parse::<jiff::civil::DateTime>().unwrap();
    let start = at("2024-02-28T20:00:00");
    // Two lines a minute over a night, one of them without a time.
    let mut text = String::new();
    let mut places = std::collections::BTreeMap::new();
    for minute in 0..600_i64 {
        let time = start + jiff::Span::new().minutes(minute);
        places.insert(time.strftime("%d %H:%M").to_string(), text.len() as u64);
        text.push_str(&time.strftime("%Y-%m-%d %H:%M:%S INFO it works\n").to_string());
        text.push_str("  and goes on\n");
    }
    let tail = "no time in this line\n".repeat(200);
    let bench = Bench::new(format!("{text}{tail}").as_bytes());
    let mut log = bench.open();
    let mut go = |typed_text: &str, from: u64| {
        let motion = match typed(typed_text).unwrap() {
            Typed::Clock(clock) => Motion::Clock(clock, from),
            Typed::At(at) => Motion::Time(at),
            Typed::Ago(ago) => Motion::Ago(ago),
        };
        log.turn(&Ask { motion, ..ask(1) }).landing
    };
    let place = |name: &str| Landing::Found(places[name]);
    assert_eq!(go("22:30", 0), place("28 22:30"));
    assert_eq!(go("3:00", 0), place("29 03:00"), "the next day of the log");
    assert_eq!(
        go("3:00", places["29 03:00"]),
        place("29 03:00"),
        "where it is already"
    );
    assert_eq!(
        go("22:30", places["29 03:00"]),
        place("28 22:30"),
        "from the beginning"
    );
    assert_eq!(
        go("22:30", text.len() as u64 + 99),
        place("28 22:30"),
        "out of lines without times"
    );
    assert_eq!(go("2024-02-29 4:00", 0), place("29 04:00"));
    assert_eq!(
        go("-9m", 0),
        place("29 05:50"),
        "before the last line, however old it is"
    );
    assert_eq!(go("-3d", 0), Landing::Found(0));
    let zoned = |at: jiff::civil::DateTime| at.to_zoned(jiff::tz::TimeZone::system()).unwrap();
    let first = zoned(start).timestamp().as_millisecond();
    let last = zoned(at("2024-02-29T05:59:00")).timestamp().as_millisecond();
    assert_eq!(go("12:30", 0), Landing::Outside(first, last));
    assert_eq!(go("2026-01-01 12:30", 0), Landing::Outside(first, last));
    let span = halolab::log::clock::span(first, last);
    assert_eq!(span, "2024-02-28 20:00:00 to 2024-02-29 05:59:00");
}

#[test]
fn errors_are_told_from_lines_that_only_look_like_some() {
    let (rules, errors) = Rules::load(&[]);
    assert!(errors.is_empty());
    let level = |line: &str| rules.level(line.as_bytes());
    for line in [
        "zoo.c:12:5: error: expected ';'",
        "error[E0425]: cannot find value `x` in this scope",
        "E: Unable to locate package foo",
        "==> Error: ProcessError: Command exited with status 1",
        "make: *** [Makefile:3: all] Error 2",
        "collect2: ld returned 1 exit status",
        "Traceback (most recent call last):",
        "thread 'main' panicked at src/main.rs:1:1:",
        "foo.o: undefined reference to `bar'",
        "FAILED: CMakeFiles/x.dir/x.o",
        "Segmentation fault (core dumped)",
        "[ crit]: x",
    ] {
        assert_eq!(level(line), Some(Level::Error), "{line}");
    }
    for line in [
        "zoo.c:12:5: warning: unused variable 'x'",
        "CMake Warning at CMakeLists.txt:3",
        "W: Skipping acquire",
        "WARNING: deprecated",
    ] {
        assert_eq!(level(line), Some(Level::Warning), "{line}");
    }
    for line in [
        "checking for error: no",
        "0 errors, 0 warnings",
        "gcc -Werror -c error_handling.c -o error.o",
        "    -- Performing Test HAVE_FLAG_WERROR - Failed to stderr",
        "test parses_errors ... ok",
        "zoo.c:40:9: note: in expansion of macro 'FOO'",
        "Get:1 http://deb.debian.org libgpg-error0",
        "all is well",
    ] {
        assert_ne!(level(line), Some(Level::Error), "{line}");
    }
}

/// The quick look for words must let through all that the table of severities knows.
#[test]
fn the_viewer_and_the_progress_of_jobs_agree_on_errors() {
    let (rules, _) = Rules::load(&[]);
    let mut seen = 0;
    for entry in std::fs::read_dir("tests/fixtures/progress")
        .into_iter()
        .flatten()
        .flatten()
    {
        let Ok(bytes) = std::fs::read(entry.path()) else {
            continue;
        };
        for line in bytes.split(|b| *b == b'\n' || *b == b'\r') {
            if line.contains(&0x1b) || line.len() > 4096 {
                continue;
            }
            let other = halolab::log::severity(line);
            assert_eq!(rules.level(line), other, "{}", String::from_utf8_lossy(line));
            seen += usize::from(other.is_some());
        }
    }
    assert!(seen > 0, "no real log has an error");
}

#[test]
fn rules_of_the_user_add_to_the_built_in_ones_and_a_broken_file_is_said() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("mine.toml"),
        "schema = 1\nwords = ['KABOOM']\n[error]\npatterns = ['^KABOOM']\n",
    )
    .unwrap();
    std::fs::write(
        folder.path().join("wrong.toml"),
        "schema = 1\n[error]\npatterns = ['a',\n  '(']\n",
    )
    .unwrap();
    std::fs::write(folder.path().join("x.toml"), "schema = 1\nbad = [\n").unwrap();
    let (rules, errors) = Rules::load(&[folder.path().to_owned()]);
    assert_eq!(rules.level(b"KABOOM here"), Some(Level::Error));
    assert_eq!(rules.level(b"x: error: y"), Some(Level::Error));
    let said: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(
        said[0].contains("/wrong.toml:4:3: no pattern: unclosed group"),
        "{}",
        said[0]
    );
    assert!(said[1].contains("/x.toml:2:"), "{}", said[1]);
}

#[test]
fn a_save_never_writes_over_a_file_and_takes_sequences_out() {
    let bench = Bench::new(b"\x1b[31mred\x1b[0m\n\x1b]52;c;eA==\x07two\nthree\n");
    let log = bench.open();
    let target = bench.path.with_extension("saved");
    assert_eq!(log.saving(None).write_to(&target, false).unwrap(), 14);
    assert_eq!(std::fs::read_to_string(&target).unwrap(), "red\ntwo\nthree\n");
    let refused = log.saving(None).write_to(&target, false).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::AlreadyExists);
    let mut raw = log.saving(None);
    raw.raw = true;
    raw.limit(0, 0);
    raw.write_to(&target, true).unwrap();
    // Over the log itself nothing is written: neither it nor the extract would be left.
    let before = std::fs::read(&bench.path).unwrap();
    log.saving(None).write_to(&bench.path, true).unwrap_err();
    assert_eq!(std::fs::read(&bench.path).unwrap(), before);
    assert_eq!(std::fs::read(&target).unwrap(), b"\x1b[31mred\x1b[0m\n");
}

/// Lines are cut at whole blocks, which may be in the middle of a character, of a colour or of blanks: what is saved is what
/// was there, to the last byte.
#[test]
fn long_lines_are_shown_and_saved_to_their_last_byte() {
    let block = usize::try_from(BLOCK).unwrap();
    let long = |unit: &str, bytes: usize| unit.repeat(bytes / unit.len());
    for (unit, bytes) in [
        ("0123456789", block + 40_000),
        ("0123456789", 2 * block - 3),
        ("blanks     ", 5 * block),
        ("äöü€", 3 * block + 11),
        ("日本", 2 * block + 5),
    ] {
        let text = format!("x\n{}\nend\n", long(unit, bytes).trim_end());
        let bench = Bench::new(text.as_bytes());
        let mut saved = vec![];
        bench.open().saving(None).write(&mut saved).unwrap();
        assert!(
            saved == text.as_bytes(),
            "{unit}: {} of {} bytes",
            saved.len(),
            text.len()
        );
    }
    // A colour that a cut goes through is none of its text.
    let plain = long("0123456789", 3 * block);
    let coloured: String = plain
        .as_bytes()
        .chunks(7)
        .map(|c| format!("\x1b[31m{}\x1b[0m", str::from_utf8(c).unwrap()))
        .collect();
    let bench = Bench::new(format!("x\n{coloured}\n").as_bytes());
    let mut saved = vec![];
    bench.open().saving(None).write(&mut saved).unwrap();
    assert!(
        saved == format!("x\n{plain}\n").as_bytes(),
        "{} bytes",
        saved.len()
    );

    let text = format!("x\n{}last\nend\n", long("0123456789", block + 40_000));
    let bench = Bench::new(text.as_bytes());
    let wrapped = Ask {
        wrap: true,
        motion: Motion::End,
        ..ask(3)
    };
    let page = settled(&mut bench.open(), &wrapped);
    assert!(texts(&page)[1].ends_with("last"), "{page:?}");
    let aside = Ask {
        left: block + 39_000,
        ..ask(3)
    };
    let page = settled(&mut bench.open(), &aside);
    assert!(texts(&page)[1].starts_with("67890"), "{page:?}");
    let text = format!("x\nworking\r{}last\nend\n", long("0123456789", block + 40_000));
    let bench = Bench::new(text.as_bytes());
    let page = settled(&mut bench.open(), &ask(3));
    assert!(texts(&page)[1].starts_with("0123456789"), "{page:?}");
}

#[test]
fn a_save_that_is_given_up_leaves_nothing_and_a_device_is_no_file() {
    let bench = Bench::new(&b"line\n".repeat(100_000));
    let saving = bench.open().saving(None);
    saving.given_up.store(true, std::sync::atomic::Ordering::Relaxed);
    let target = bench.path.with_extension("saved");
    saving.write_to(&target, false).unwrap_err();
    let left = std::fs::read_dir(bench.path.parent().unwrap()).unwrap().count();
    assert_eq!(left, 1, "only the log itself");
    bench
        .open()
        .saving(None)
        .write_to(Path::new("/dev/null"), true)
        .unwrap_err();
    // A log that is cut meanwhile is not taken for whole.
    let saving = bench.open().saving(None);
    File::options()
        .write(true)
        .open(&bench.path)
        .unwrap()
        .set_len(1000)
        .unwrap();
    let error = saving.write_to(&target, false).unwrap_err();
    assert!(error.to_string().contains("was cut"), "{error}");
    assert!(!target.exists());
}

#[test]
fn the_times_of_spacks_own_lines_are_read() {
    let parse = halolab::log::times::parse;
    let same = parse("2026-11-21 23:28:48.126332 x").unwrap();
    assert_eq!(
        parse("==> [2026-11-21-23:28:48.126332] '/usr/bin/gcc' '-v'"),
        Some(same)
    );
    assert_eq!(parse("==> Installing zlib-1.3.1 [3/42]"), None);
    assert_eq!(parse("2026-11-21-nothing"), None);
}
