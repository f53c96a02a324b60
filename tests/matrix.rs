//! The matrix: every shipped row is good, overlays replace and add, and mistakes are said with their place.

use std::{collections::BTreeSet, fs};

use halolab::host::matrix::{Matrix, check, overlay, version::at_least};

#[test]
fn every_shipped_file_is_read_and_none_is_forgotten() {
    let mut rows = 0;
    for (name, text) in Matrix::files() {
        let file = check(name, text).unwrap_or_else(|problem| unreachable!("{problem}"));
        rows += file.rows();
    }
    assert_eq!(
        Matrix::shipped().rows(),
        rows,
        "two files have a row with the same key"
    );
    let listed: BTreeSet<String> = Matrix::files()
        .iter()
        .map(|(name, _)| (*name).to_owned())
        .collect();
    let there: BTreeSet<String> = fs::read_dir("assets/matrix")
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(listed, there);
    assert!(!Matrix::shipped().newest().is_empty());
}

#[test]
fn the_rows_do_not_contradict_each_other() {
    let matrix = Matrix::shipped();
    for gpu in &matrix.amd_gpu {
        let target = matrix
            .gfx(&gpu.gfx)
            .unwrap_or_else(|| unreachable!("{} has no row", gpu.gfx));
        // MI300A is a whole machine on a chip; its target is that of a card
        assert!(
            target.integrated == gpu.integrated || gpu.product == "mi300a",
            "{}",
            gpu.product
        );
        assert!(
            gpu.cus
                .keys()
                .all(|name| gpu.names.values().any(|known| known == name)),
            "{}",
            gpu.product
        );
    }
    for pair in matrix.cuda.windows(2) {
        let [first, second] = pair else { unreachable!() };
        assert!(at_least(&second.toolkit, &first.toolkit), "{}", second.toolkit);
        assert!(at_least(&second.driver, &first.driver), "{}", second.toolkit);
    }
    for row in &matrix.cuda {
        let cuda = matrix.cuda_of_driver(&row.driver).unwrap();
        assert!(
            at_least(
                cuda,
                &row.toolkit.split('.').take(2).collect::<Vec<_>>().join(".")
            ),
            "{}",
            row.toolkit
        );
        assert_eq!(matrix.toolkit_on(row, &row.driver), "native");
    }
    for memory in &matrix.memory {
        assert!(memory.start_pages <= memory.max_pages && memory.max_pages < memory.installed_gib * 262_144);
    }
    for gate in &matrix.image_gate {
        assert!(matrix.toolkit(&gate.image).is_some(), "{}", gate.image);
    }
}

#[test]
fn questions_are_answered_by_the_nearest_row() {
    let matrix = Matrix::shipped();
    let chip = |name: &str| {
        matrix
            .arch_of_chip(name)
            .map(|row| row.compute_capability.as_str())
    };
    assert_eq!(chip("AD102 [GeForce RTX 4090]"), Some("8.9"));
    assert_eq!(chip("GA100 [A100 SXM4 40GB]"), Some("8.0"));
    assert_eq!(chip("GA102 [GeForce RTX 3090]"), Some("8.6"));
    assert_eq!(chip("GB202 [GeForce RTX 5090]"), Some("12.0"));
    assert_eq!(chip("GB20B [GB10]"), Some("12.1"));
    assert_eq!(chip("NV04 [Riva TNT]"), None);
    assert_eq!(matrix.cuda_of_driver("581.57"), Some("13.0"));
    assert_eq!(matrix.cuda_of_driver("390.157"), None);
    assert_eq!(matrix.toolkit("13.1").unwrap().driver, "590.44.01");
    assert_eq!(matrix.memory(126 << 30).unwrap().installed_gib, 128);
    assert_eq!(matrix.memory(62 << 30).unwrap().installed_gib, 64);
    assert!(matrix.memory(31 << 30).is_none() && matrix.memory(200 << 30).is_none());
    assert_eq!(matrix.gfx_of_ip(9, 4, 3), "gfx942");
    assert_eq!(matrix.gfx_of_ip(11, 5, 1), "gfx1151");
    assert_eq!(matrix.gfx_of_ip(10, 3, 6), "gfx1036");
    let line = |os, kernel| {
        matrix
            .kernel_fix("gfx1151", os, kernel)
            .map(|row| row.name.as_str())
    };
    assert_eq!(line("ubuntu", "6.14.0-1014-oem"), Some("ubuntu-oem"));
    assert_eq!(line("ubuntu", "6.17.0-14-generic"), Some("ubuntu-hwe"));
    assert_eq!(line("ubuntu", "7.0.0-29-generic"), Some("mainline"));
    assert_eq!(line("fedora", "6.17.9-300.fc43.x86_64"), Some("mainline"));
    assert!(matrix.kernel_fix("gfx942", "ubuntu", "6.8.0").is_none());
    assert!(matrix.bad_package("20251125-1.fc43.noarch", "gfx1151").is_some());
    assert!(matrix.bad_package("202511251", "gfx1151").is_none());
    assert!(matrix.bad_package("20251125", "gfx1100").is_none());
}

#[test]
fn an_overlay_replaces_rows_by_key_and_adds_others() {
    let folder = tempfile::tempdir().unwrap();
    let system = folder.path().join("system");
    let user = folder.path().join("user");
    fs::create_dir_all(&system).unwrap();
    fs::create_dir_all(&user).unwrap();
    let row = |driver: &str| {
        format!(
            "schema = 1\n[[cuda]]\ntoolkit = \"12.9.1\"\ndriver = \"{driver}\"\ndate = \"2027-01-01\"\nsource = \"x\"\n"
        )
    };
    fs::write(system.join("b.toml"), row("600.1")).unwrap();
    fs::write(user.join("a.toml"), row("700.1")).unwrap();
    fs::write(user.join("b.toml"), row("800.1").replace("12.9.1", "99.0")).unwrap();
    fs::write(user.join("notes.txt"), "no matrix").unwrap();
    fs::write(
        user.join("c.toml"),
        "schema = 1\n[[cuda]]\ntoolkit = \"1.0\"\ndriver = 7\n",
    )
    .unwrap();
    let (matrix, problems) = overlay(&[system, user, folder.path().join("none")]);
    assert_eq!(
        matrix.toolkit("12.9.1").unwrap().driver,
        "700.1",
        "the user's folder wins"
    );
    assert_eq!(matrix.toolkit("99.0").unwrap().driver, "800.1");
    assert_eq!(matrix.rows(), Matrix::shipped().rows() + 1);
    assert_eq!(matrix.newest(), "2027-01-01");
    let [problem] = problems.as_slice() else {
        unreachable!("{problems:?}")
    };
    assert!(
        problem.file.ends_with("c.toml") && problem.line == 4 && problem.column == 10,
        "{problem}"
    );
    assert!(
        matrix.toolkit("1.0").is_none(),
        "a file with a mistake is left out as a whole"
    );
}

#[test]
fn mistakes_are_said_with_their_place() {
    let good = "schema = 1\n[[cuda]]\ntoolkit = \"12.9\"\ndriver = \"575.1\"\ndate = \"2026-11-21\"\nsource = \"x\"\n";
    check("good", good).unwrap();
    for (from, to, line, word) in [
        ("schema = 1", "schema = 2", 1, "schema"),
        ("[[cuda]]", "[[cudas]]", 2, "unknown key"),
        ("driver = ", "drivers = ", 4, "unknown key"),
        ("575.1", "575.x", 4, "not a version"),
        ("2026-11-21", "2026-13-21", 5, "not a date"),
        ("2026-11-21", "yesterday", 5, "not a date"),
        ("source = \"x\"\n", "", 2, "missing"),
        ("date = \"2026-11-21\"\n", "", 2, "missing"),
        ("source = \"x\"", "source = \" \"", 6, "source"),
        ("source = \"x\"", "source = x", 6, ""),
    ] {
        let text = good.replace(from, to);
        let problem = check("bad", &text).unwrap_err();
        assert!(
            problem.line == line && problem.message.contains(word),
            "{to}: {problem}"
        );
    }
    let twice = format!("{good}{}", good.replace("schema = 1\n", ""));
    assert!(check("twice", &twice).unwrap_err().message.contains("twice"));
    let gpu = "schema = 1\n[[display]]\nid = \"1002-1586\"\nvendor = \"x\"\nname = \"x\"\nkind = \"virtual\"\n\
               date = \"2026-11-21\"\nsource = \"x\"\n";
    assert_eq!(check("id", gpu).unwrap_err().line, 3);
}
