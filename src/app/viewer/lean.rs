//! What only the start needed of the program's own file is given back. Reading arguments, settings and rules touches
//! half of a large program once, while a log stays open for hours.
#![expect(
    unsafe_code,
    reason = "the kernel is told which pages are not needed now; nothing is read or written through the addresses"
)]

use std::{fs, ops::Range, ptr::with_exposed_provenance_mut};

use rustix::mm::{Advice, madvise};

/// Gives back the pages of the program and its libraries; those that are needed again come from the page cache, a
/// fault of about a microsecond for 64 KiB. Measured: 12.3 MB resident before, 7.9 after.
pub(super) fn give_back() {
    let maps = fs::read_to_string("/proc/self/smaps").unwrap_or_default();
    for range in unchanged(&maps) {
        // SAFETY: The range is a private mapping of a file that nobody can write to and that has no page of its own,
        // so what is read there afterwards is the file's content as before. Nobody unmaps the program or a library
        // that it was started with, so the range still is that mapping.
        let _ = unsafe {
            madvise(
                with_exposed_provenance_mut(range.start),
                range.len(),
                Advice::LinuxDontNeed,
            )
        };
    }
}

/// The read-only mappings of files, as proc(5) lists them, without those that hold pages which differ from the file:
/// relocated ones would be lost.
fn unchanged(maps: &str) -> Vec<Range<usize>> {
    let mut found = vec![];
    let mut current: Option<Range<usize>> = None;
    for line in maps.lines() {
        if let Some((range, read_only)) = mapping(line) {
            found.extend(current.take());
            current = Some(range).filter(|_| read_only);
        } else if let Some((name, size)) = line.split_once(':') {
            let own = matches!(name, "Private_Dirty" | "Anonymous" | "Swap" | "Locked");
            if own && size.trim() != "0 kB" {
                current = None;
            }
        }
    }
    found.extend(current);
    found
}

/// Of the first line of a mapping, where it is, and whether it is a file that can only be read; none of other lines.
fn mapping(line: &str) -> Option<(Range<usize>, bool)> {
    let mut words = line.split_ascii_whitespace();
    let (start, end) = words.next()?.split_once('-')?;
    let address = |text| usize::from_str_radix(text, 16).ok();
    let range = address(start)?..address(end)?;
    let read_only = matches!(words.next(), Some("r-xp" | "r--p"));
    let of_file = words.nth(3).is_some_and(|path| path.starts_with('/'));
    Some((range, read_only && of_file))
}

#[cfg(test)]
mod tests {
    use super::unchanged;

    #[test]
    fn only_pages_that_are_those_of_a_file_are_given_back() {
        let maps = "\
55d0-55e0 r--p 00000000 fe:00 123    /usr/bin/halolab
Private_Dirty:         0 kB
Anonymous:             0 kB
Swap:                  0 kB
Locked:                0 kB
55e0-55f0 r-xp 00010000 fe:00 123    /usr/bin/halolab
Private_Dirty:         0 kB
Anonymous:             0 kB
55f0-5600 r--p 00020000 fe:00 123    /usr/bin/halolab
Private_Dirty:       320 kB
Anonymous:           320 kB
5600-5610 rw-p 00030000 fe:00 123    /usr/bin/halolab
Private_Dirty:         0 kB
5610-5620 r--p 00000000 00:00 0
5620-5630 r--p 00000000 fe:00 124    /lib/swapped.so
Swap:                  4 kB
7000-7010 r--s 00000000 fe:00 125    /shared/file
7ff0-7ff8 r-xp 00000000 00:00 0      [vdso]
VmFlags: rd ex
";
        assert_eq!(unchanged(maps), [0x55d0..0x55e0, 0x55e0..0x55f0]);
        assert!(unchanged("").is_empty());
    }

    #[test]
    fn the_program_goes_on_after_it() {
        let own = std::fs::read_to_string("/proc/self/smaps").unwrap();
        assert!(!unchanged(&own).is_empty());
        super::give_back();
        assert_eq!(
            format!(
                "{:?}",
                regex::Regex::new("a+b").unwrap().find("xaab").unwrap().range()
            ),
            "1..4"
        );
    }
}
