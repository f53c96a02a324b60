//! The screens: start to first frame, idle CPU, memory.

use std::{
    io::Read as _,
    path::Path,
    sync::mpsc,
    time::{Duration, Instant},
};

use portable_pty::{CommandBuilder, PtySize, native_pty_system};

use crate::peers::median;

/// How long the idle screen is watched.
const IDLE: Duration = Duration::from_secs(10);

/// Prints the figures of the screens.
pub(crate) fn report(socket: &str) {
    let mut frames = vec![];
    for _ in 0..5 {
        frames.push(one(socket, |_| {}));
    }
    let mut idle = (0.0, 0.0);
    one(socket, |pid| {
        std::thread::sleep(Duration::from_secs(3));
        let before = ticks(pid);
        std::thread::sleep(IDLE);
        idle = (f64::from(ticks(pid) - before) / IDLE.as_secs_f64(), resident(pid));
    });
    println!(
        "first frame: {:.1} ms; idle CPU: {:.2} %; memory: {:.1} MiB",
        median(frames),
        idle.0,
        idle.1
    );
}

/// Starts the program on a terminal of its own; returns milliseconds to the first whole frame.
fn one(socket: &str, meanwhile: impl FnOnce(u32)) -> f64 {
    let home = tempfile::tempdir().unwrap();
    let pty = native_pty_system()
        .openpty(PtySize {
            rows: 24,
            cols: 80,
            ..PtySize::default()
        })
        .unwrap();
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_halolab"));
    command.args(["--lxd", socket]);
    command.env("HALOLAB_HOME", home.path());
    command.env("TERM", "xterm-256color");
    let mut reader = pty.master.try_clone_reader().unwrap();
    let (tell, heard) = mpsc::channel();
    let clock = Instant::now();
    let mut child = pty.slave.spawn_command(command).unwrap();
    std::thread::spawn(move || {
        let mut screen = vt100::Parser::new(24.try_into().unwrap(), 80.try_into().unwrap(), 0);
        let mut buffer = [0; 8192];
        while let Ok(count @ 1..) = reader.read(&mut buffer) {
            screen.process(&buffer[..count]);
            if screen.screen().contents().contains("halolab") {
                let _ = tell.send(clock.elapsed());
            }
        }
    });
    let first = heard.recv_timeout(Duration::from_secs(10)).unwrap();
    meanwhile(child.process_id().unwrap());
    child.kill().unwrap();
    child.wait().unwrap();
    first.as_secs_f64() * 1000.0
}

/// Hundredths of a second of CPU so far.
fn ticks(pid: u32) -> u32 {
    let text = std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat")).unwrap();
    let fields: Vec<&str> = text.rsplit(')').next().unwrap().split_whitespace().collect();
    fields[11].parse::<u32>().unwrap() + fields[12].parse::<u32>().unwrap()
}

/// MiB in memory.
fn resident(pid: u32) -> f64 {
    let text = std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("status")).unwrap();
    let line = text.lines().find(|l| l.starts_with("VmRSS")).unwrap();
    let kib: f64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib / 1024.0
}
