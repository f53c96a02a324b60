//! What stages download is compared before it is run: the shell functions with real files and keys, and a look at each
//! script that we ship.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and may wait for a child"
)]

use std::{
    fs,
    io::{Read as _, Write as _},
    path::{Path, PathBuf},
    process::Command,
};

use sha2::{Digest as _, Sha256};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The functions that the step `prepare` writes into the lab.
fn library() -> String {
    let script = fs::read_to_string(root().join("stages/ai-lab/prepare.sh")).unwrap();
    let (_, rest) = script.split_once("<<'LIBRARY'\n").unwrap();
    rest.split_once("\nLIBRARY\n").unwrap().0.to_owned()
}

struct Lab {
    folder: tempfile::TempDir,
}

impl Lab {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("lab.sh"), library()).unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> String {
        fs::write(self.path(name), text).unwrap();
        format!("file://{}", self.path(name).display())
    }

    /// Runs shell text with the functions: its exit code, stdout and stderr.
    fn run(&self, text: &str) -> (i32, String, String) {
        let script =
            format!(". ./lab.sh\ndownloads=$PWD/downloads keys=$PWD/keys IMAGE_FAMILY=debian\n{text}");
        let ran = Command::new("sh")
            .args(["-euc", &script])
            .current_dir(self.folder.path())
            .output()
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (ran.status.code().unwrap(), text(ran.stdout), text(ran.stderr))
    }

    /// Makes a signing key; its fingerprint and the address of its file.
    fn key(&self, name: &str) -> (String, String) {
        let make = format!(
            "install -d -m 700 {name}.home
            export GNUPGHOME=$PWD/{name}.home
            gpg --batch -q --passphrase '' --quick-generate-key '{name} <{name}@localhost>' rsa2048 sign never 2>/dev/null
            gpg --batch --armor --export >{name}.asc
            gpg --batch --with-colons --list-keys | awk -F: '$1 == \"fpr\" {{ print $10; exit }}'"
        );
        let (code, fingerprint, said) = self.run(&make);
        assert_eq!(code, 0, "{said}");
        let url = format!("file://{}", self.path(&format!("{name}.asc")).display());
        (fingerprint.trim().to_owned(), url)
    }
}

fn sum(text: &str) -> String {
    hex::encode(Sha256::digest(text))
}

#[test]
fn a_file_is_there_only_with_its_own_sum() {
    let lab = Lab::new();
    let url = lab.write("tool", "real");
    let (code, _, said) = lab.run(&format!("fetch {url} {} tool && cat downloads/tool", sum("real")));
    assert_eq!(code, 0, "{said}");

    let wanted = sum("what was announced");
    let (code, _, said) = lab.run(&format!("try words fetch {url} {wanted} tool; touch ran"));
    assert_eq!(code, 1);
    for part in [
        &wanted,
        &sum("real"),
        "does not match",
        "Nothing of it was run",
        "'halolab runs resume'",
    ] {
        assert!(said.contains(part), "{part} is not in: {said}");
    }
    let left = fs::read_dir(lab.path("downloads")).unwrap().count();
    assert_eq!(
        left, 0,
        "neither the file nor a part of it, nor the one of before"
    );
    assert!(!lab.path("ran").exists(), "the step ends there");

    for bad in ["''", "abc", &"g".repeat(64), &"A".repeat(64)] {
        let (code, _, said) = lab.run(&format!("fetch {url} {bad} tool"));
        assert_eq!(code, 1, "{bad}");
        assert!(said.contains("No SHA-256"), "{said}");
    }
}

/// A server that hangs up in the middle of its first `cuts` answers; its address.
fn cutting(body: &'static str, cuts: usize) -> String {
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap();
    std::thread::spawn(move || {
        for (number, client) in server.incoming().enumerate() {
            let mut client = client.unwrap();
            let mut asked = [0; 4096];
            let _ = client.read(&mut asked).unwrap();
            let sent = if number < cuts {
                body.get(..body.len() / 3).unwrap()
            } else {
                body
            };
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
            client.write_all((head + sent).as_bytes()).unwrap();
        }
    });
    format!("http://{address}/tool")
}

#[test]
fn a_download_that_is_cut_is_fetched_again_and_a_part_is_never_taken_for_the_file() {
    const BODY: &str = "the whole of a file that was cut in the middle";
    let lab = Lab::new();
    let url = cutting(BODY, 1);
    let (code, out, said) = lab.run(&format!("fetch {url} {} tool && cat downloads/tool", sum(BODY)));
    assert_eq!(code, 0, "{said}");
    assert!(out.contains(BODY), "{out}");
    let url = cutting(BODY, usize::MAX);
    let (code, _, said) = lab.run(&format!("try words fetch {url} {} tool; touch ran", sum(BODY)));
    assert_ne!(code, 0);
    assert!(said.contains("transfer closed"), "{said}");
    assert!(!lab.path("downloads/tool").exists() && !lab.path("ran").exists());
}

#[test]
fn an_address_of_the_user_has_its_sum_behind_it() {
    let lab = Lab::new();
    let wanted = sum("x");
    let (code, out, _) = lab.run(&format!(
        "split_address a_url 'https://x/a.tgz#sha256={wanted}'; say \"$url $sum\""
    ));
    assert_eq!(
        (code, out.trim()),
        (0, format!("https://x/a.tgz {wanted}").as_str())
    );
    for bad in [
        "https://x/a.tgz",
        "https://x/a.tgz#sha256=",
        "https://x/a.tgz#sha256=12",
    ] {
        let (code, _, said) = lab.run(&format!("split_address a_url '{bad}'"));
        assert_eq!(code, 1, "{bad}");
        assert!(
            said.contains("a_url needs the SHA-256") && said.contains("curl -fsSL https://x/a.tgz"),
            "{said}"
        );
    }
}

#[test]
fn a_signing_key_is_known_by_its_fingerprint() {
    let lab = Lab::new();
    let (ours, url) = lab.key("vendor");
    let (theirs, _) = lab.key("stranger");
    let fetch = |fingerprint: &str| lab.run(&format!("fetch_key '{url}#fingerprint={fingerprint}' v.asc"));
    let (code, _, said) = fetch(&ours);
    assert_eq!(code, 0, "{said}");
    assert!(
        fs::read_to_string(lab.path("downloads/v.asc"))
            .unwrap()
            .contains("BEGIN PGP PUBLIC KEY")
    );

    // Both keys in one file: only the one that was named gets to the package manager.
    let both = fs::read_to_string(lab.path("vendor.asc")).unwrap()
        + &fs::read_to_string(lab.path("stranger.asc")).unwrap();
    fs::write(lab.path("vendor.asc"), both).unwrap();
    assert_eq!(fetch(&ours).0, 0);
    let (_, listed, _) = lab.run("gpg --batch --with-colons --show-keys downloads/v.asc");
    assert!(listed.contains(&ours) && !listed.contains(&theirs), "{listed}");

    fs::copy(lab.path("stranger.asc"), lab.path("vendor.asc")).unwrap();
    let (code, _, said) = fetch(&ours);
    assert_eq!(code, 1);
    assert!(
        said.contains(&ours) && said.contains(&theirs) && said.contains("was not given"),
        "{said}"
    );
    let (code, _, said) = lab.run(&format!("fetch_key {url} v.asc"));
    assert!(code == 1 && said.contains("needs its fingerprint"), "{said}");
}

#[test]
fn a_key_without_a_published_fingerprint_is_the_same_from_then_on() {
    let lab = Lab::new();
    let (ours, url) = lab.key("vendor");
    let (theirs, _) = lab.key("stranger");
    let fetch = || lab.run(&format!("fetch_key '{url}#fingerprint=first' w.asc"));
    let (code, out, said) = fetch();
    assert_eq!(code, 0, "{said}");
    assert!(
        out.contains(&ours) && out.contains("no fingerprint"),
        "it is said in words: {out}"
    );
    let (code, out, _) = fetch();
    assert!(code == 0 && !out.contains("no fingerprint"), "{out}");
    fs::copy(lab.path("stranger.asc"), lab.path("vendor.asc")).unwrap();
    let (code, _, said) = fetch();
    assert!(
        code == 1 && said.contains(&ours) && said.contains(&theirs),
        "{said}"
    );
}

#[test]
fn the_newest_release_comes_with_the_sum_that_github_publishes() {
    let lab = Lab::new();
    let of = |digest: &str| {
        let list = format!(
            r#"{{"assets": [{{"name": "a.txt", "digest": "sha256:0", "browser_download_url": "https://github.com/o/r/releases/download/1/a.txt"}},
            {{"name": "r-1.2-linux.tar.gz", "digest": {digest}, "browser_download_url": "https://github.com/o/r/releases/download/1/r.tar.gz"}}]}}"#
        );
        lab.write("list", &list);
        // Instead of the network.
        lab.run("download() { mkdir -p \"$downloads\"; cp list \"$2\"; }\nnewest_release o/r '^r-[0-9.]+-linux\\.tar\\.gz$'; say \"$url $sum\"")
    };
    let wanted = sum("x");
    let (code, out, said) = of(&format!("\"sha256:{wanted}\""));
    assert_eq!(code, 0, "{said}");
    assert!(
        out.ends_with(&format!(
            "https://github.com/o/r/releases/download/1/r.tar.gz {wanted}\n"
        )),
        "{out}"
    );
    let (code, _, said) = of("null");
    assert!(code == 1 && said.contains("no SHA-256"), "{said}");
}

/// What is wrong with how a script downloads.
fn unverified(name: &str, text: &str) -> Vec<String> {
    let is_library = name.ends_with("prepare.sh");
    let mut found = vec![];
    for (number, line) in text.lines().enumerate() {
        let code = line.trim();
        if code.starts_with('#') {
            continue;
        }
        let mut say = |what: &str| found.push(format!("{name}:{}: {what}: {code}", number + 1));
        let words: Vec<&str> = code
            .split(|c: char| !(c.is_ascii_alphanumeric() || "_-./".contains(c)))
            .collect();
        let has = |word: &str| words.contains(&word);
        // What is thrown away is only a look whether somebody answers, and the names of what a registry has are only counted;
        // what is in quotes is advice.
        let looks = code.contains("-o /dev/null") || code.contains("/tags/list?");
        let advice = code.contains("'curl -fsSL");
        let transfer = words.iter().any(|w| ["curl", "wget", "aria2c"].contains(w));
        let installs = code.contains("install_packages") || code.contains("packages ") || !code.contains(' ');
        let names_it = installs
            || code.starts_with("ARG PACKAGES=")
            || code.starts_with("base-devel")
            || code.contains("has curl");
        let checked = code.contains("-o \"$2\" \"$1\"") && is_library
            || name == "install.sh" && code.contains("-o \"$fetched/rustup-init\"")
            || name.ends_with("common/lib.sh") && code.contains("-o \"$downloads/$3.part\" \"$1\"");
        if transfer && !(looks || advice || names_it || checked) {
            say("downloads without comparing");
        }
        if !is_library && (code.starts_with("download ") || code.contains("\" download ")) {
            say("`download` compares nothing; use fetch");
        }
        let piped = code.split('|').skip(1).any(|command| {
            let program = command.split_whitespace().next().unwrap_or_default();
            ["sh", "bash", "python3", "tar", "gpg", "sudo"].contains(&program)
        });
        if piped && transfer {
            say("runs or unpacks while it downloads");
        }
        if code.contains("<(") || code.contains("eval \"$(") {
            say("runs what another command prints");
        }
        let list = code.split("fetch_list ").nth(1);
        let data = [".json", ".sums", ".sha256"];
        if list.is_some_and(|rest| !is_library && !data.iter().any(|end| rest.contains(end))) {
            say("a list is data, named .json, .sums or .sha256");
        }
        let key = code.split_once("key=https://").map(|(_, rest)| rest);
        if key.is_some_and(|rest| !rest.contains("#fingerprint=")) {
            say("a signing key without its fingerprint");
        }
        if code.contains("--nogpgcheck")
            || code.contains("--allow-unauthenticated")
            || code.contains("trusted=yes")
        {
            say("takes packages without their signatures");
        }
        if has("--insecure") || code.contains("curl -k") {
            say("believes every server");
        }
    }
    found
}

#[test]
fn no_shipped_script_runs_or_unpacks_a_download_that_was_not_compared() {
    let mut scripts: Vec<PathBuf> = vec![root().join("install.sh")];
    let mut folders = vec![root().join("stages"), root().join("assets")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy();
            if path.is_dir() {
                folders.push(path);
            } else if name.ends_with(".sh") || name == "Dockerfile" {
                scripts.push(path);
            }
        }
    }
    assert!(scripts.len() > 50, "{}", scripts.len());
    let mut found = vec![];
    for script in scripts {
        let name = script.strip_prefix(root()).unwrap().display().to_string();
        found.extend(unverified(&name, &fs::read_to_string(&script).unwrap()));
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn the_look_at_scripts_finds_what_it_is_for() {
    for bad in [
        "curl -fsSL https://x/install.sh | sh",
        "wget -qO- https://x/a.tgz | tar -xz",
        "curl -fsSL -o /tmp/a https://x/a",
        "sh -c \"$(curl -fsSL https://x)\" a",
        "bash <(curl -s https://x)",
        "download https://x a",
        "fetch_list https://x/a.tar.gz a.tar.gz",
        "apt_key=https://x/key.asc",
        "dnf install --nogpgcheck a",
        "curl -k -o /dev/null https://x",
    ] {
        assert!(!unverified("stages/x/a.sh", bad).is_empty(), "{bad}");
    }
}
