//! Passwords and keys of users: asked for in a hidden line, handed over on request, in no argument.

use std::{
    io::{BufRead as _, IsTerminal as _, Read as _, Write as _},
    path::Path,
};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use crate::workspace::secrets::{PASSWORD, VNC};

use super::{
    super::{
        Code, Setup, Stop,
        table::{json, note, out},
    },
    Ground, SecretsVerb,
};

/// Bytes of the longest file of public keys.
const LONGEST: u64 = 1 << 20;

pub(super) fn run(setup: &Setup, verb: SecretsVerb) -> Result<Code, Stop> {
    match verb {
        SecretsVerb::Rotate { user, ask } => rotate(setup, &user, ask),
        SecretsVerb::Show { user } => show(setup, &user),
        SecretsVerb::Keys { user, file } => {
            let (ground, _guard) = Ground::hold(setup)?;
            ground.user(&user)?;
            let count = ground
                .secrets(&user)
                .set_keys(&read_keys(&file)?)
                .map_err(Stop::usage)?;
            if setup.global.json {
                json(&serde_json::json!({"v": 1, "user": user, "keys": count}))?;
            } else {
                out(&format!(
                    "{user} has {count} public keys; they count after `halolab workspace restart {user}`"
                ));
            }
            Ok(Code::OK)
        }
    }
}

fn rotate(setup: &Setup, user: &str, ask: bool) -> Result<Code, Stop> {
    setup.may_change()?;
    Ground::look(setup)?.user(user)?;
    let password = asked(setup, user, ask)?;
    let (ground, _guard) = Ground::hold(setup)?;
    ground.user(user)?;
    ground
        .secrets(user)
        .rotate(password.as_deref())
        .map_err(Stop::usage)?;
    if setup.global.json {
        json(&serde_json::json!({"v": 1, "user": user, "done": "rotated"}))?;
    } else {
        out(&format!(
            "{user} has new passwords: `halolab workspace secrets show {user}`; they count after `halolab workspace restart {user}`"
        ));
    }
    Ok(Code::OK)
}

fn show(setup: &Setup, user: &str) -> Result<Code, Stop> {
    let ground = Ground::look(setup)?;
    ground.user(user)?;
    let secrets = ground.secrets(user);
    let read = |name| secrets.read(name).map_err(Stop::blocked);
    let (password, vnc) = (read(PASSWORD)?, read(VNC)?);
    if setup.global.json {
        json(&serde_json::json!({"v": 1, "user": user, "password": password, "vnc-password": vnc}))?;
    } else {
        out(&format!("password      {}", crate::log::sanitize(&password)));
        out(&format!("VNC password  {}", crate::log::sanitize(&vnc)));
    }
    Ok(Code::OK)
}

/// The public keys of a file; `-` is the standard input.
pub(super) fn read_keys(file: &Path) -> Result<String, Stop> {
    let mut text = String::new();
    let read = if file == Path::new("-") {
        std::io::stdin().take(LONGEST).read_to_string(&mut text)
    } else {
        std::fs::File::open(file).and_then(|file| file.take(LONGEST).read_to_string(&mut text))
    };
    read.map_err(|error| Stop::usage(format!("{} cannot be read: {error}", file.display())))?;
    Ok(text)
}

/// A password that is typed twice, where one is to be asked for. Without a terminal it is the first line of the input.
pub(super) fn asked(setup: &Setup, user: &str, ask: bool) -> Result<Option<String>, Stop> {
    if !ask {
        return Ok(None);
    }
    if setup.global.no_input {
        return Err(Stop::usage(
            "a password is asked for, and --no-input is given; leave out one of the two",
        ));
    }
    if !std::io::stdin().is_terminal() {
        let mut line = String::new();
        std::io::stdin().lock().read_line(&mut line)?;
        return Ok(Some(line.trim_end_matches(['\r', '\n']).to_owned()));
    }
    let first = hidden(&format!("Password for {user}: "))?;
    if hidden("The same again: ")? != first {
        return Err(Stop::usage("nothing was changed: the two were not the same"));
    }
    Ok(Some(first))
}

/// Echo comes back whatever happens. Signals of the keyboard are off meanwhile: a Ctrl-C would leave it off.
struct Quiet(Termios);

impl Drop for Quiet {
    fn drop(&mut self) {
        // A terminal that is gone needs no echo.
        let _ = tcsetattr(std::io::stdin(), OptionalActions::Flush, &self.0);
    }
}

fn hidden(prompt: &str) -> Result<String, Stop> {
    let failed = |error: rustix::io::Errno| Stop::new(Code::FAILED, std::io::Error::from(error));
    let before = tcgetattr(std::io::stdin()).map_err(failed)?;
    let mut modes = before.clone();
    modes.local_modes.remove(LocalModes::ECHO | LocalModes::ISIG);
    let quiet = Quiet(before);
    tcsetattr(std::io::stdin(), OptionalActions::Flush, &modes).map_err(failed)?;
    let _ = write!(std::io::stderr(), "{prompt}");
    let mut line = String::new();
    let read = std::io::stdin().lock().read_line(&mut line);
    drop(quiet);
    note("");
    read?;
    let line = line.trim_end_matches(['\r', '\n']).to_owned();
    if line.is_empty() || line.contains('\u{3}') {
        return Err(Stop::new(Code::DECLINED, "nothing was changed"));
    }
    Ok(line)
}
