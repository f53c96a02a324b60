//! No broken, huge or hostile file of a host makes us panic, wait, or write to a terminal what is not text.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "common/tree.rs"]
mod tree;

use std::{
    cell::RefCell,
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use proptest::{
    collection::vec,
    prelude::*,
    sample::Index,
    test_runner::{Config, TestRunner},
};
use rustix::fs::{CWD, FileType, Mode};

/// What happens to one file.
#[derive(Clone, Debug)]
enum Harm {
    Truncate(Index),
    Empty,
    Flip(Index, u8),
    Insert(Index, Vec<u8>),
    Digits(String),
    Repeat(u16),
    Remove,
    Folder,
    Pipe,
    Loop,
    Outside,
    Huge,
    Forbidden,
    Text(String),
}

fn harm() -> impl Strategy<Value = Harm> {
    prop_oneof![
        any::<Index>().prop_map(Harm::Truncate),
        Just(Harm::Empty),
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Harm::Flip(at, byte)),
        (any::<Index>(), vec(any::<u8>(), 1..40)).prop_map(|(at, bytes)| Harm::Insert(at, bytes)),
        "-?[0-9]{1,30}|0x[0-9a-f]{1,40}|[0-9.]{1,40}".prop_map(Harm::Digits),
        (1_u16..2000).prop_map(Harm::Repeat),
        Just(Harm::Remove),
        Just(Harm::Folder),
        Just(Harm::Pipe),
        Just(Harm::Loop),
        Just(Harm::Outside),
        Just(Harm::Huge),
        Just(Harm::Forbidden),
        "\\PC{0,80}|(\\.\\./){0,60}[a-z/.]{0,20}|[\x00-\x20\x7f-\u{a0}\u{202e}=:,.\t\n-]{0,80}"
            .prop_map(Harm::Text),
    ]
}

/// Replaces runs of digits, which is where sizes and counts are.
fn with_digits(text: &str, digits: &str) -> String {
    let words = text.split_inclusive(|c: char| c.is_whitespace());
    words
        .map(|word| {
            let bare = word.trim_end();
            let numeric = !bare.is_empty()
                && bare
                    .trim_start_matches("0x")
                    .bytes()
                    .all(|b| b.is_ascii_hexdigit() || b == b'.');
            if numeric {
                word.replace(bare, digits)
            } else {
                word.to_owned()
            }
        })
        .collect()
}

fn apply(path: &Path, harm: &Harm) {
    let bytes = fs::read(path).unwrap_or_default();
    let write = |bytes: &[u8]| {
        fs::remove_file(path).unwrap();
        fs::write(path, bytes).unwrap();
    };
    let replace = |make: &dyn Fn()| {
        fs::remove_file(path).unwrap();
        make();
    };
    match harm {
        Harm::Truncate(at) => write(&bytes[..at.index(bytes.len() + 1)]),
        Harm::Empty => write(b""),
        Harm::Flip(at, byte) if !bytes.is_empty() => {
            let mut bytes = bytes.clone();
            let at = at.index(bytes.len());
            bytes[at] ^= byte;
            write(&bytes);
        }
        Harm::Flip(..) => {}
        Harm::Insert(at, more) => {
            let mut bytes = bytes.clone();
            let at = at.index(bytes.len() + 1);
            bytes.splice(at..at, more.iter().copied());
            write(&bytes);
        }
        Harm::Digits(digits) => write(with_digits(&String::from_utf8_lossy(&bytes), digits).as_bytes()),
        Harm::Repeat(times) => write(&bytes.repeat(usize::from(*times))),
        Harm::Remove => replace(&|| {}),
        Harm::Folder => replace(&|| fs::create_dir(path).unwrap()),
        Harm::Pipe => replace(&|| rustix::fs::mknodat(CWD, path, FileType::Fifo, Mode::RUSR, 0).unwrap()),
        Harm::Loop => replace(&|| symlink(path.file_name().unwrap(), path).unwrap()),
        Harm::Outside => replace(&|| symlink("/proc/kmsg", path).unwrap()),
        Harm::Huge => replace(&|| fs::File::create(path).unwrap().set_len(1 << 40).unwrap()),
        Harm::Forbidden => {
            write(&bytes);
            fs::set_permissions(path, fs::Permissions::from_mode(0o000)).unwrap();
        }
        Harm::Text(text) => write(text.as_bytes()),
    }
}

/// A copy of a host, which is mended before each use.
struct Copy {
    from: PathBuf,
    folder: tempfile::TempDir,
    files: Vec<PathBuf>,
    harmed: RefCell<Vec<PathBuf>>,
}

impl Copy {
    fn new(from: PathBuf) -> Self {
        let folder = tempfile::tempdir().unwrap();
        tree::copy(&from, folder.path());
        let files = tree::files(folder.path());
        Self {
            from,
            folder,
            files,
            harmed: RefCell::default(),
        }
    }

    fn mend(&self) {
        for path in self.harmed.take() {
            if fs::symlink_metadata(&path).is_ok_and(|data| data.is_dir()) {
                fs::remove_dir_all(&path).unwrap();
            } else {
                let _ = fs::remove_file(&path);
            }
            let from = self.from.join(path.strip_prefix(self.folder.path()).unwrap());
            match fs::read_link(&from) {
                Ok(target) => symlink(target, &path).unwrap(),
                Err(_) => drop(fs::copy(&from, &path).unwrap()),
            }
        }
    }
}

/// Longer than this is a hang, also on a machine with other work.
const PATIENCE: Duration = Duration::from_mins(1);

#[test]
fn no_harm_to_a_tree_does_harm_to_us() {
    let copies: Vec<Copy> = tree::hosts().into_iter().map(Copy::new).collect();
    let strategy = (any::<Index>(), vec((any::<Index>(), harm()), 1..6));
    let mut runner = TestRunner::new(Config {
        failure_persistence: None,
        ..Config::default()
    });
    runner
        .run(&strategy, |(host, harms)| {
            let copy = host.get(&copies);
            copy.mend();
            for (file, harm) in &harms {
                let path = file.get(&copy.files);
                // A second harm would read the pipe, or the huge file, of the first.
                if !copy.harmed.borrow().contains(path) {
                    copy.harmed.borrow_mut().push(path.clone());
                    apply(path, harm);
                }
            }
            let started = Instant::now();
            let value = tree::detect(copy.folder.path());
            prop_assert!(started.elapsed() < PATIENCE, "{:?}", started.elapsed());
            prop_assert_eq!(value["schema"].as_u64(), Some(1));
            prop_assert!(value["primary"].is_string());
            prop_assert!(value.to_string().len() < 8 << 20);
            Ok(())
        })
        .unwrap();
    copies.iter().for_each(Copy::mend);
    for copy in &copies {
        assert_eq!(
            tree::detect(copy.folder.path()),
            tree::detect(&copy.from),
            "the copies were mended"
        );
    }
}

#[test]
fn huge_trees_are_read_in_bounded_time() {
    let root = tempfile::tempdir().unwrap();
    let write = |path: &str, bytes: &[u8]| {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    };
    for number in 0..600 {
        let slot = format!(
            "root/sys/bus/pci/devices/{:04x}:{:02x}:00.0",
            number / 256,
            number % 256
        );
        write(&format!("{slot}/class"), b"0x030000");
        write(&format!("{slot}/vendor"), b"0x1002");
        write(&format!("{slot}/device"), b"0x1586");
        write(
            &format!("root/sys/class/kfd/kfd/topology/nodes/{number}/properties"),
            b"simd_count 18446744073709551615\nsimd_per_cu 1\ngfx_target_version 18446744073709551615\nlocation_id 0\n",
        );
    }
    let nodes: Vec<String> = (0..50_000)
        .map(|n| format!("/dev/dri/renderD{n}\tc\t226\t{n}\t0666\t0\t0\n"))
        .collect();
    write("dev.index", nodes.concat().as_bytes());
    write("root/proc/cpuinfo", &b"flags : x\n".repeat(1 << 20));
    write("root/etc/group", &b"render:x:1:a,b,c\n".repeat(100_000));
    write(
        "root/var/lib/dpkg/status",
        &b"Package: linux-firmware\nVersion: 1\n".repeat(200_000),
    );
    for name in [
        "proc/sys/kernel/osrelease",
        "sys/class/dmi/id/product_name",
        "run/systemd/container",
    ] {
        write(&format!("root/{name}"), &vec![0; 1 << 21]);
    }
    write("root/proc/cmdline", &b"ttm.pages_limit=1 ".repeat(100_000));
    let started = Instant::now();
    let value = tree::detect(root.path());
    assert!(
        started.elapsed() < Duration::from_secs(30),
        "{:?}",
        started.elapsed()
    );
    assert_eq!(value["gpus"].as_array().unwrap().len(), 512);
    assert!(value.to_string().len() < 1 << 20, "{}", value.to_string().len());
}

/// What a terminal would act on, or hide.
fn is_harmful(c: char) -> bool {
    (c.is_control() && c != '\n')
        || ('\u{200b}'..='\u{200f}').contains(&c)
        || ('\u{202a}'..='\u{202e}').contains(&c)
}

/// Writes hostile words into what is text for people, not into numbers that decide whether the rest is read.
fn poison(root: &Path, hostile: &str) {
    let named = [
        "os-release",
        "cpuinfo",
        "cmdline",
        "group",
        "product_name",
        "sys_vendor",
        "information",
    ];
    let words = [
        "Fedora",
        "Ubuntu",
        "AMD RYZEN",
        "Ryzen 9",
        "NVIDIA GeForce",
        "render",
        "quiet",
    ];
    for path in tree::files(root) {
        let is_file = fs::symlink_metadata(&path).unwrap().is_file();
        if is_file && named.iter().any(|name| path.ends_with(name)) {
            let text = fs::read_to_string(&path).unwrap();
            let changed = words
                .iter()
                .fold(text, |text, word| text.replace(word, &format!("{word}{hostile}")));
            fs::write(&path, format!("{changed}{hostile}")).unwrap();
        }
    }
    let user = serde_json::json!({"uid": 1, "env": {"HSA_OVERRIDE_GFX_VERSION": hostile}});
    fs::write(root.join("user.json"), user.to_string()).unwrap();
}

/// What the program prints for a machine.
#[expect(clippy::disallowed_methods, reason = "the program itself is tried")]
fn print(arguments: &[&str], root: &Path, home: &Path) -> String {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_halolab"))
        .args(arguments)
        .arg("--root")
        .arg(root)
        .env("HALOLAB_HOME", home)
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn hostile_words_of_a_host_do_not_reach_the_terminal() {
    let hostile = "\u{1b}]0;owned\u{7}\u{9b}31m\u{202e}evil\u{8}\r";
    let folder = tempfile::tempdir().unwrap();
    for host in [
        "strix-halo-128-untuned-badfw",
        "nvidia-rtx4090-525",
        "strix-halo-inside-lxc",
    ] {
        let root = folder.path().join(host);
        tree::copy(&Path::new("tests/fixtures/hosts").join(host), &root);
        poison(&root, hostile);
        for arguments in [
            &["detect"][..],
            &["detect", "--json"],
            &["doctor"],
            &["doctor", "--json"],
        ] {
            let text = print(arguments, &root, folder.path());
            assert!(text.len() > 200, "{arguments:?} said {text:?}");
            let harmful: Vec<char> = text.chars().filter(|c| is_harmful(*c)).collect();
            assert!(harmful.is_empty(), "{host} {arguments:?}: {harmful:?}");
        }
    }
}
