//! The screens on a real daemon, driven by keys on a pseudo-terminal: the first run, and every entry of
//! the later-run menu.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and starts the program itself"
)]

mod common;

use common::{program::Home, pty};
use pty::Pty;

/// The screens of a home, with the cursor on its first lab.
fn open(home: &Home) -> Pty {
    let mut command = pty::halolab(home.folder.path(), &home.socket);
    command.env("HALOLAB_DATA", home.folder.path().join("data"));
    let mut pty = Pty::start(command, 80, 24);
    pty.wait_for("LXD 5");
    pty.answer("go on", "\r");
    pty.wait_for(home.lab());
    select(&mut pty, home.lab());
    pty
}

/// The row with the cursor.
fn row(screen: &vt100::Screen) -> String {
    let text = screen.contents();
    text.lines()
        .find(|line| line.starts_with('▸'))
        .unwrap_or_default()
        .to_owned()
}

/// Puts the cursor on the row with a text, which is in view.
fn select(pty: &mut Pty, text: &str) {
    pty.wait("a list with the row", |screen| {
        let is_row = |line: &str| line.starts_with("  ") || line.starts_with('▸');
        let lines = screen.contents();
        !row(screen).is_empty() && lines.lines().any(|line| is_row(line) && line.contains(text))
    });
    while !pty.with(row).contains(text) {
        let (now, key) = pty.with(|screen| {
            let lines = screen.contents();
            let at = |found: &dyn Fn(&str) -> bool| lines.lines().position(found);
            let cursor = at(&|line| line.starts_with('▸'));
            // Rows begin with two blanks; what else holds the text is a title or a box.
            let wanted = at(&|line| line.starts_with("  ") && line.contains(text));
            (row(screen), if wanted < cursor { "k" } else { "j" })
        });
        pty.send(key);
        pty.wait("another row", |screen| row(screen) != now);
    }
}

/// Opens the menu of the lab under the cursor and chooses a line.
fn choose(pty: &mut Pty, line: &str) {
    pty.send("\r");
    pty.wait_for("Skip");
    select(pty, line);
    pty.send("\r");
}

/// Applies the plan that is shown, with Cancel marked, and waits for its end.
fn apply_carefully(pty: &mut Pty) {
    pty.wait_for("[▸ Cancel ]");
    pty.send("\t");
    pty.answer("[▸ Apply ]", "\r");
    finish(pty);
}

/// Waits for a good end, and goes back to the labs.
fn finish(pty: &mut Pty) {
    pty.wait("the result", |screen| {
        screen.contents().contains("Enter: to the labs.")
    });
    assert!(pty.screen().contains("✔ done"), "{}", pty.screen());
    pty.send("\r");
    pty.wait_for("about");
}

fn quit(pty: &mut Pty) {
    pty.send("q");
    assert_eq!(pty.end(), 0);
    pty.assert_given_back();
}

/// The first run of a home, by keys alone.
fn first_run(home: &Home) -> Pty {
    let mut pty = open(home);
    pty.send(" ");
    pty.answer("1 marked", "\r");
    pty.answer("options", "\u{1b}[B");
    pty.wait("the greeting", |screen| row(screen).contains("Greeting"));
    pty.send("\u{8}\u{8}\u{8}\u{8}\u{8}good morning");
    pty.answer("good morning", "\u{13}");
    pty.wait_for("[▸ Apply ]");
    assert!(pty.screen().contains("Nothing has happened yet"));
    assert_eq!(
        home.status(home.lab())["presence"],
        "missing",
        "a plan changes nothing"
    );
    pty.send("\r");
    finish(&mut pty);
    pty
}

#[test]
fn a_first_run_makes_a_proven_lab_and_a_later_one_finds_it() {
    let Some(home) = Home::new(1) else { return };
    let mut pty = first_run(&home);
    pty.wait("the proof", |screen| {
        row(screen).contains("running") && row(screen).contains("CPU only")
    });
    quit(&mut pty);
    assert_eq!(home.snapshots(home.lab()), ["clean"]);
    assert_eq!(home.inside(home.lab(), "cat /greeting"), "good morning in green");
    let mut pty = open(&home);
    pty.wait("the lab", |screen| row(screen).contains("running"));
    pty.send("\r");
    for entry in ["Restore", "Recreate", "Update", "Skip"] {
        pty.wait_for(entry);
    }
    select(&mut pty, "Skip");
    pty.send("\r");
    pty.wait_for("about");
    quit(&mut pty);
    assert_eq!(home.snapshots(home.lab()), ["clean"], "skip changed nothing");
}

#[test]
fn a_lab_is_updated_restored_recreated_and_brought_back() {
    let Some(home) = Home::new(1) else { return };
    let lab = home.lab();
    let mut pty = first_run(&home);
    choose(&mut pty, "Update");
    pty.answer("[▸ Apply ]", "\r");
    finish(&mut pty);
    assert_eq!(home.inside(lab, "cat /updates"), "1");

    home.inside(lab, "echo lost > /mine");
    choose(&mut pty, "Restore");
    select(&mut pty, "clean");
    pty.send("\r");
    pty.wait_for("loses");
    apply_carefully(&mut pty);
    assert_eq!(
        home.inside(lab, "cat /updates /mine 2>/dev/null; echo gone"),
        "gone"
    );

    choose(&mut pty, "Recreate from clean");
    apply_or_press(&mut pty);
    assert_eq!(home.inside(lab, "cat /greeting"), "good morning in green");
    choose(&mut pty, "Bring back");
    apply_or_press(&mut pty);
    assert_eq!(home.inside(lab, "cat /greeting"), "good morning in green");
    quit(&mut pty);
}

/// Applies whichever button is marked.
fn apply_or_press(pty: &mut Pty) {
    pty.wait_for("Nothing has happened yet");
    if pty.with(|screen| screen.contents().contains("[▸ Cancel ]")) {
        apply_carefully(pty);
    } else {
        pty.answer("[▸ Apply ]", "\r");
        finish(pty);
    }
}

#[test]
fn snapshots_are_taken_noted_pinned_renamed_copied_and_removed() {
    let Some(home) = Home::new(1) else { return };
    let lab = home.lab();
    let mut pty = first_run(&home);
    pty.wait("the lab", |screen| row(screen).contains("running"));
    pty.send("s");
    pty.answer("right after set-up", "n");
    pty.answer("New snapshot", "mine\rworks well\r");
    pty.wait_for("snapshot mine of");
    select(&mut pty, "mine");
    pty.send("m");
    pty.answer("Note on mine", " today\r");
    pty.wait("the note", |screen| row(screen).contains("works well today"));
    pty.send("p");
    pty.wait("the pin", |screen| row(screen).contains('★'));
    pty.send("d");
    pty.answer("is pinned", "p");
    pty.wait("no pin", |screen| !row(screen).contains('★'));
    pty.send("R");
    pty.answer("Rename mine", "-2\r");
    pty.wait("the new name", |screen| row(screen).contains("mine-2"));
    pty.send("d");
    pty.wait_for("[▸ Cancel ]");
    pty.send("\r");
    pty.wait_gone("[▸ Cancel ]");
    assert!(
        home.snapshots(lab).contains(&"mine-2".to_owned()),
        "Cancel was marked"
    );
    pty.send("d");
    pty.answer("[▸ Cancel ]", "\t");
    pty.answer("[▸ Remove ]", "\r");
    pty.wait_for("mine-2 of");
    pty.wait("the row to go", |screen| !row(screen).contains("mine-2"));
    assert_eq!(home.snapshots(lab), ["clean"]);
    select(&mut pty, "clean");
    pty.send("c");
    pty.answer("Name of the new lab", "\r");
    apply_or_press(&mut pty);
    assert_eq!(
        home.inside(&format!("{lab}-clean"), "cat /greeting"),
        "good morning in green"
    );
    quit(&mut pty);
}

#[test]
fn a_lab_is_entered_stopped_started_and_removed() {
    let Some(home) = Home::new(1) else { return };
    let lab = home.lab();
    let mut pty = first_run(&home);
    pty.wait("the lab", |screen| row(screen).contains("running"));
    pty.send("e");
    pty.wait("the shell", |screen| !screen.alternate_screen());
    pty.send("stty size; hostname\r");
    pty.wait("its terminal", |screen| {
        screen.contents().contains("24 80") && screen.contents().contains(&format!("\n{lab}"))
    });
    pty.send("exit\r");
    pty.wait("the screens", |screen| {
        screen.alternate_screen() && row(screen).contains(lab)
    });
    choose(&mut pty, "Stop");
    pty.wait_for("is stopped");
    pty.send("\u{1b}");
    pty.wait("stopped", |screen| row(screen).contains("stopped"));
    choose(&mut pty, "Start");
    pty.wait_for("Shell");
    pty.send("\u{1b}");
    pty.wait("running", |screen| row(screen).contains("running"));
    choose(&mut pty, "Remove");
    pty.answer("Type the name", &format!("{lab}\r"));
    apply_carefully(&mut pty);
    pty.wait("no lab", |screen| row(screen).contains("not made"));
    quit(&mut pty);
}

#[test]
fn a_terminal_that_goes_away_in_a_run_leaves_a_run_to_resume() {
    let Some(home) = Home::new(1) else { return };
    let mut pty = open(&home);
    pty.send(" ");
    pty.answer("1 marked", "\r");
    pty.answer("options", "\u{13}");
    pty.answer("[▸ Apply ]", "\r");
    pty.wait_for("running");
    let pid = rustix::process::Pid::from_raw(pty.pid().cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert_eq!(pty.end(), 143);
    pty.assert_given_back();
    let runs = home.ends(0, &["runs", "list", "--json"]).out;
    assert!(runs.contains(home.lab()), "{runs}");
    // Whatever it had reached, the same choice brings it to its end.
    home.ends(0, &["apply", home.lab(), "--yes"]);
    assert_eq!(home.status(home.lab())["presence"], "ours");
}

#[test]
fn a_lab_is_recreated_from_fresh_packages_with_other_answers() {
    let Some(home) = Home::new(1) else { return };
    let lab = home.lab();
    let mut pty = first_run(&home);
    home.inside(lab, "echo mine > /work");
    choose(&mut pty, "from fresh packages");
    // The former answers are there; one is changed.
    pty.answer("good morning", "\u{1b}[B");
    pty.wait("the greeting", |screen| row(screen).contains("Greeting"));
    pty.send(" again");
    pty.answer("good morning again", "\u{13}");
    pty.wait_for("Nothing has happened yet");
    apply_or_press(&mut pty);
    assert_eq!(
        home.inside(lab, "cat /greeting; ls /work 2>/dev/null || echo fresh"),
        "good morning again in green\nfresh"
    );
    assert_eq!(home.status(lab)["kept"][0], format!("{lab}-prev").as_str());
    quit(&mut pty);
}

#[test]
fn an_instance_that_is_not_ours_is_adopted_in_words_only() {
    let Some(home) = Home::new(1) else { return };
    let lab = home.lab().to_owned();
    let folder = std::path::Path::new(&home.socket).parent().unwrap();
    let mut launch = std::process::Command::new("lxc");
    let launched = launch
        .args(["launch", "-q", "lab/bb", &lab])
        .env("LXD_DIR", folder)
        .output()
        .unwrap();
    assert!(launched.status.success());
    let mut pty = open(&home);
    pty.send("\r");
    pty.wait_for("dopt");
    assert!(!pty.screen().contains("Recreate"), "{}", pty.screen());
    select(&mut pty, "dopt");
    pty.send("\r");
    pty.answer("Type the name", &format!("{lab}\r"));
    pty.wait_for("Nothing has happened yet");
    apply_or_press(&mut pty);
    assert_eq!(home.status(&lab)["presence"], "ours");
    quit(&mut pty);
}

#[test]
fn another_halolab_at_work_is_waited_for_and_the_plan_shown_again() {
    let Some(home) = Home::new(1) else { return };
    let mut pty = open(&home);
    pty.send(" ");
    pty.answer("1 marked", "\r");
    pty.answer("options", "\u{13}");
    pty.wait_for("[▸ Apply ]");
    let lock = home.folder.path().join("run/lock");
    let held = halolab::run::Lock::take(&lock, "run of-somebody-else").unwrap();
    pty.answer("another halolab is at work: run of-somebody-else", "\r");
    pty.wait_for(&format!("process {}", std::process::id()));
    pty.answer("[▸ Leave it ]", "\t");
    pty.answer("[▸ Wait ]", "\r");
    pty.wait_for("waiting for its end");
    drop(held);
    pty.wait_for("has ended");
    assert_eq!(
        home.status(home.lab())["presence"],
        "missing",
        "nothing was begun"
    );
    pty.answer("[▸ Apply ]", "\r");
    finish(&mut pty);
    quit(&mut pty);
}

#[test]
fn an_engine_that_goes_away_leaves_nothing_green_and_comes_back_by_itself() {
    let Some(home) = Home::new(1) else { return };
    drop(first_run(&home));
    // A way to the daemon that can be cut without harm to the other tests.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("unix.socket");
    let mut way = Way::open(&home.socket, &path);
    let mut command = pty::halolab(home.folder.path(), path.to_str().unwrap());
    command.env("HALOLAB_DATA", home.folder.path().join("data"));
    let mut pty = Pty::start(command, 80, 24);
    pty.wait_for("LXD 5");
    pty.answer("go on", "\r");
    select(&mut pty, home.lab());
    pty.wait("the lab", |screen| row(screen).contains("● running"));
    way.close();
    pty.wait_for("not reachable since");
    assert!(!pty.screen().contains("● running"), "{}", pty.screen());
    pty.send("e");
    pty.wait_for("nothing is changed now");
    let _way = Way::open(&home.socket, &path);
    pty.wait("the lab again", |screen| row(screen).contains("● running"));
    pty.wait_for("reachable again");
    quit(&mut pty);
}

/// A socket that leads to the daemon's.
struct Way {
    child: std::process::Child,
    path: std::path::PathBuf,
}

impl Way {
    fn open(socket: &str, path: &std::path::Path) -> Self {
        let child = std::process::Command::new("python3")
            .args(["-c", FORWARD, path.to_str().unwrap(), socket])
            .spawn()
            .unwrap();
        while !path.exists() {
            std::thread::yield_now();
        }
        Self {
            child,
            path: path.to_owned(),
        }
    }

    fn close(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Drop for Way {
    fn drop(&mut self) {
        self.close();
    }
}

const FORWARD: &str = r"
import socket, sys, threading
def pump(a, b):
    try:
        while data := a.recv(65536):
            b.sendall(data)
    except OSError:
        pass
    for end in (a, b):
        try: end.shutdown(socket.SHUT_RDWR)
        except OSError: pass
server = socket.socket(socket.AF_UNIX)
server.bind(sys.argv[1])
server.listen(64)
while True:
    near, _ = server.accept()
    far = socket.socket(socket.AF_UNIX)
    far.connect(sys.argv[2])
    for pair in ((near, far), (far, near)):
        threading.Thread(target=pump, args=pair, daemon=True).start()
";

/// What Spack prints, with gates that the test opens.
const BUILD: &str = r#"
gate() { n=0; while [ ! -e "/gate-$1" ] && [ $n -lt 600 ]; do sleep 0.1; n=$((n + 1)); done; }
first=lab-abcd-1.0-labcdlabcdlabcdlabcdlabcdlabcdla second=lab-efgh-1.0-labefghlabefghlabefghlabefghlabe
echo "==> Installing $first [1/2]"
i=0; while [ $i -lt 200 ]; do echo "compiling part $i"; i=$((i + 1)); done
echo "==> lab-abcd: Executing phase: 'build'"
gate 1
echo "[+] /opt/store/$first"
echo "==> Installing $second [2/2]"
echo "==> lab-efgh: Executing phase: 'install'"
gate 2
echo "[+] /opt/store/$second"
"#;

#[test]
fn a_build_is_shown_beside_the_log_of_its_run() {
    let Some(home) = Home::new(1) else { return };
    let file = home
        .folder
        .path()
        .join("config/stages")
        .join(home.lab())
        .join("stage.toml");
    let stage = std::fs::read_to_string(&file).unwrap();
    let begin = "run.any.inline = '''\necho \"$OPT_GREETING";
    assert!(stage.contains(begin));
    let build = format!("run.any.inline = '''{BUILD}echo \"$OPT_GREETING");
    std::fs::write(&file, stage.replacen(begin, &build, 1)).unwrap();
    home.trust();
    let mut pty = open(&home);
    pty.send(" ");
    pty.answer("1 marked", "\r");
    pty.answer("options", "\u{13}");
    pty.answer("[▸ Apply ]", "\r");
    // It comes by itself, and the log keeps the keys.
    pty.wait_for("0 of 2");
    pty.wait_for("build");
    pty.wait_for("compiling part 199");
    // To the package's first line, and back to the end.
    pty.send("\t\r");
    pty.wait_for("Installing lab-abcd");
    pty.send("G");
    home.inside(home.lab(), "touch /gate-1");
    pty.wait_for("1 of 2  ");
    pty.wait_for("lab-efgh");
    // Hidden, it stays away.
    pty.send("T");
    pty.wait_gone("1 of 2  ");
    pty.send("T");
    pty.wait_for("1 of 2  ");
    home.inside(home.lab(), "touch /gate-2");
    finish(&mut pty);
    quit(&mut pty);
}
