//! The same bytes give the same events, however they are cut; broken bytes give no panic and stay bounded.

use halolab::progress::{Event, Reader, Times, Tree};
use proptest::prelude::*;

use crate::fixtures::{bytes, events, recording, tree};

const NAMES: &[&str] = &[
    "old-tty-env",
    "old-pipe-zoo-verbose",
    "old-tty-install-from-oci-prefix-too-long",
    "old-tty-bad-compile-verbose",
    "old-tty-slow-vkey",
    "new13-pipe",
    "new13-tty-interrupt",
    "new11-pipe",
];

fn in_pieces(log: &[u8], sizes: &[usize]) -> Vec<Event> {
    let mut reader = Reader::new();
    let (mut at, mut all) = (0, vec![]);
    for size in sizes.iter().cycle() {
        let end = (at + size).min(log.len());
        all.extend(reader.feed(&log[at..end], at as u64));
        at = end;
        if at == log.len() {
            break;
        }
    }
    all.extend(reader.finish());
    all
}

#[test]
fn byte_by_byte_is_the_same() {
    for name in NAMES {
        let (log, _) = recording(name);
        assert_eq!(in_pieces(&log, &[1]), events(&log), "{name}");
    }
}

#[test]
fn what_was_taken_already_is_passed_over() {
    let (log, _) = recording("old-tty-env");
    let mut reader = Reader::new();
    let mut all = reader.feed(&log[..9000], 0);
    all.extend(reader.feed(&log[4000..20_000], 4000));
    all.extend(reader.feed(&log[..100], 0));
    all.extend(reader.feed(&log[20_000..], 20_000));
    all.extend(reader.finish());
    assert_eq!(all, events(&log));
}

#[test]
fn after_a_gap_the_rest_of_the_line_is_not_read() {
    let (log, times) = recording("old-tty-env");
    let line = log.windows(10).position(|w| w == b"Installing").unwrap();
    let mut reader = Reader::new();
    let mut all = reader.feed(&log[..line - 40], 0);
    all.extend(reader.feed(&log[line + 15..], line as u64 + 15));
    let tree = tree(&all, &times);
    assert!(tree.packages().len() >= 36, "{}", tree.packages().len());
    assert!(tree.packages().iter().all(|p| p.label.len() < 60));
}

#[test]
fn a_line_without_end_costs_no_memory_and_hides_nothing_behind_it() {
    let mut reader = Reader::new();
    let piece = vec![b'x'; 1 << 20];
    let mut at = 0;
    for _ in 0..64 {
        assert!(reader.feed(&piece, at).is_empty());
        at += piece.len() as u64;
    }
    let end = b"\n[+] /usr (external gcc-12.2.0-krbhm5ylkgb66gosry6qafbz6zcqcacl)\n\x1b]0;never ended";
    assert!(!reader.feed(end, at).is_empty());
    at += end.len() as u64;
    for _ in 0..8 {
        reader.feed(&piece, at);
        at += piece.len() as u64;
    }
    let again = b"\n[+] /usr (external glibc-2.36-ksegdsiqxdjjptrm2dj57b5nhvl767gb)\n";
    assert!(
        !reader.feed(again, at).is_empty(),
        "an open title ends with its line"
    );
}

fn survives(log: &[u8]) {
    let events = events(log);
    assert!(events.len() <= log.len());
    let mut tree = Tree::new();
    for event in &events {
        assert!(event.offset + event.length <= log.len() as u64);
        tree.apply(event, Some(i64::try_from(event.offset).unwrap()));
    }
    let counts = tree.counts();
    assert!(usize::try_from(counts.failed + counts.active).unwrap() <= tree.packages().len());
    tree.notes();
}

#[test]
fn every_build_log_of_a_package_is_read_without_a_panic() {
    for name in [
        "diffutils",
        "jansson",
        "lab-maple",
        "lab-zoo.new",
        "lab-zoo.old",
        "libevent",
        "ncurses",
        "sed",
    ] {
        let log = bytes(&format!("spack/build-{name}.log.gz"));
        survives(&log);
        assert_eq!(in_pieces(&log, &[7, 64, 1, 4096]), events(&log), "{name}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_pieces_give_the_same_events(
        which in 0..NAMES.len(),
        sizes in prop::collection::vec(1_usize..900, 1..40),
    ) {
        let (log, _) = recording(NAMES[which]);
        prop_assert_eq!(in_pieces(&log, &sizes), events(&log));
    }

    #[test]
    fn broken_bytes_do_no_harm(
        which in 0..NAMES.len(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..60),
        from in any::<prop::sample::Index>(),
        to in any::<prop::sample::Index>(),
    ) {
        let (mut log, _) = recording(NAMES[which]);
        for (at, byte) in changes {
            let at = at.index(log.len());
            log[at] = byte;
        }
        let (a, b) = (from.index(log.len()), to.index(log.len()));
        survives(&log[a.min(b)..a.max(b)]);
    }

    #[test]
    fn lines_of_others_between_change_no_state(
        garbage in prop::collection::vec("[ -~]{0,60}", 1..20),
        every in 1_usize..6,
    ) {
        let (log, _) = recording("old-pipe-bad-dep");
        let text = String::from_utf8(log).unwrap();
        // What begins like Spack's own lines is not garbage but a lie.
        let garbage: Vec<_> = garbage
            .iter()
            .filter(|g| !g.starts_with("==> ") && !g.starts_with('[') && !g.starts_with(' '))
            .collect();
        let mut mixed = String::new();
        for (at, line) in text.lines().enumerate() {
            // The path of the log is the next line after its announcement.
            let announced = text.lines().nth(at.saturating_sub(1)).is_some_and(|l| l.starts_with("See build log"));
            if at % every == 0 && !garbage.is_empty() && !announced {
                mixed.push_str(garbage[at % garbage.len()]);
                mixed.push('\n');
            }
            mixed.push_str(line);
            mixed.push('\n');
        }
        let states = |text: &str| {
            let tree = tree(&events(text.as_bytes()), &Times::default());
            let spack = tree.packages().iter().filter(|p| p.tool == halolab::progress::Tool::Spack);
            spack.map(|p| (p.key.clone(), p.state)).collect::<Vec<_>>()
        };
        prop_assert_eq!(states(&mixed), states(&text));
    }

    #[test]
    fn any_bytes_at_all_do_no_harm(log in prop::collection::vec(any::<u8>(), 0..4000)) {
        survives(&log);
    }
}
