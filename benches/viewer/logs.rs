//! Logs to look at: a long build of a known seed, a live one, and files that harm.

use std::{
    fmt::Write as _,
    fs::{self, File, OpenOptions},
    io::{BufWriter, Read as _, Write as _},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

/// What a search looks for at 90 % of a file, and a word that stands beside it.
pub(crate) const NEEDLE: (&str, &str) = ("NEEDLE90", "xyzzy-7731");
/// The same, with a colour code inside each phrase.
pub(crate) const COLOURED: (&str, &str) = ("COLOURED NEEDLE", "plugh-1137");

/// A generator of pseudo-random numbers (Marsaglia's xorshift64): the same log for everybody.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

/// A line of a build as compilers and Spack write it.
fn line(dice: &mut Dice, number: u64) -> String {
    let package = dice.roll(9000);
    match dice.roll(20) {
        0 => format!(
            "==> [2026-11-21-12:{:02}:{:02}] 'make' '-j16' 'package-{package}'",
            number / 60 % 60,
            number % 60
        ),
        1 => format!(
            "\x1b[1;35mwarning:\x1b[0m unused variable \x1b[1m'value_{package}'\x1b[0m [-Wunused-variable]"
        ),
        2 => format!(
            "\x1b[36mchecking\x1b[0m for function_{package}... {}",
            if dice.roll(2) == 0 { "yes" } else { "no" }
        ),
        3..=12 => format!(
            "[{:3}%] \x1b[32mBuilding CXX object\x1b[0m src/library_{}/CMakeFiles/target_{package}.dir/source/file_{}.cpp.o",
            number % 101,
            dice.roll(300),
            dice.roll(100_000)
        ),
        _ => format!(
            "/opt/lab/lib/compiler/g++ -DNDEBUG -O3 -std=c++20 -I/opt/lab/view/include -I/opt/lab/stage/package-{package}/include -fPIC -MD -MF file_{}.d -o file_{}.o -c ../source/file_{}.cpp",
            dice.roll(100_000),
            dice.roll(100_000),
            dice.roll(100_000)
        ),
    }
}

/// A build log of a size, made once.
pub(crate) fn build(folder: &Path, bytes: u64) -> PathBuf {
    let path = folder.join(format!("build-{bytes}.log"));
    if path.exists() {
        return path;
    }
    let temporary = path.with_extension("part");
    let mut out = BufWriter::with_capacity(1 << 20, File::create(&temporary).unwrap());
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    // A block of lines again and again, numbered: made faster than each line anew, and as hard to search.
    let block: Vec<String> = (0..4096).map(|number| line(&mut dice, number)).collect();
    let (mut written, mut number, mut marked) = (0, 0_u64, false);
    let mut put = |text: String, written: &mut u64| {
        *written += text.len() as u64;
        out.write_all(text.as_bytes()).unwrap();
    };
    put("HEAD-OF-LOG of a build\n".into(), &mut written);
    while written + 64 < bytes {
        if !marked && written > bytes / 10 * 9 {
            marked = true;
            put(format!("{} is here: {}\n", NEEDLE.0, NEEDLE.1), &mut written);
            put(
                format!("\x1b[31mCOLOURED\x1b[0m \x1b[1mNEEDLE\x1b[0m: {}\n", COLOURED.1),
                &mut written,
            );
        }
        let text = &block[usize::try_from(number % 4096).unwrap()];
        put(format!("{text} {number}\n"), &mut written);
        number += 1;
    }
    put("END-OF-LOG\n".into(), &mut written);
    out.flush().unwrap();
    drop(out);
    fs::rename(temporary, &path).unwrap();
    path
}

/// Appends numbered lines at a rate for a time; each write's last number, and when it was made.
pub(crate) fn live(path: &Path, rate: u64, lasts: Duration) -> Vec<(u64, Instant)> {
    let mut file = OpenOptions::new().append(true).open(path).unwrap();
    let mut dice = Dice(7);
    let block: Vec<String> = (0..4096).map(|number| line(&mut dice, number)).collect();
    let began = Instant::now();
    let (mut number, mut writes) = (0_u64, vec![]);
    while began.elapsed() < lasts {
        let due = u64::try_from(began.elapsed().as_micros()).unwrap() * rate / 1_000_000;
        if due > number {
            let mut text = String::new();
            while number < due {
                number += 1;
                let words = &block[usize::try_from(number % 4096).unwrap()];
                writeln!(text, "L={number:010} {words}").unwrap();
            }
            file.write_all(text.as_bytes()).unwrap();
            writes.push((number, Instant::now()));
        }
        thread::sleep(Duration::from_millis(1));
    }
    writes
}

/// The number of line breaks.
pub(crate) fn lines(path: &Path) -> u64 {
    let mut file = File::open(path).unwrap();
    let (mut buffer, mut lines) = (vec![0; 1 << 20], 0);
    loop {
        let read = file.read(&mut buffer).unwrap();
        if read == 0 {
            return lines;
        }
        lines += memchr::memchr_iter(b'\n', &buffer[..read]).count() as u64;
    }
}

/// 12,345,678.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let parts: Vec<&str> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .map(|part| std::str::from_utf8(part).unwrap())
        .collect();
    parts.join(",")
}

/// Ten files that hang or drive a viewer, as users of other viewers met them.
pub(crate) fn hostile(folder: &Path) -> Vec<PathBuf> {
    let bars: String = (0..400_000)
        .map(|n| format!("\r{:3}% {n:>60}", n % 101))
        .collect();
    let storm: String = (0..50_000).map(|n| format!("\x1b[38;5;{}mx", n % 256)).collect();
    let marks: String = std::iter::repeat_n("e\u{301}\u{301}\u{301}\u{301}", 20_000).collect();
    let escapes =
        "\x1b]52;c;aGk=\x07\x1b]0;PWNED\x07\x1bc\x1b[6n\x1b[?1003h\x1bP+q\x1b\\\u{9b}31m\x1b[?1049l\x0e\n"
            .repeat(2000);
    let mut bad = vec![];
    for n in 0..200_000_u32 {
        bad.extend_from_slice(&[
            0xff,
            0xc0,
            u8::try_from(n % 256).unwrap(),
            if n % 80 == 79 { b'\n' } else { b'a' },
        ]);
    }
    let files: [(&str, Vec<u8>); 10] = [
        ("bars", bars.into_bytes()),
        ("one-line", vec![b'x'; 100 << 20]),
        ("storm", storm.into_bytes()),
        ("marks", marks.into_bytes()),
        ("escapes", escapes.into_bytes()),
        ("utf8", bad),
        ("zeros", vec![0; 4 << 20]),
        ("newlines", vec![b'\n'; 20 << 20]),
        ("wide", "漢字\t🙂👩‍👩‍👧‍👦 ".repeat(200_000).into_bytes()),
        (
            "unfinished",
            [
                b"ok\n".repeat(50),
                b"\x1b]0;never ended ".to_vec(),
                b"y".repeat(1 << 20),
            ]
            .concat(),
        ),
    ];
    files
        .into_iter()
        .map(|(name, bytes)| {
            let path = folder.join(format!("hostile-{name}.log"));
            fs::write(&path, bytes).unwrap();
            path
        })
        .collect()
}
