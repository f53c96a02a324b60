//! `halolab view`: logs of any size on the screen, or as text where there is no terminal.

use std::{ffi::OsString, io::IsTerminal as _, path::PathBuf};

use clap::Parser;

use super::{Code, Global, Stop, TOKEN};
use crate::app::viewer::{Request, start};

/// Which logs, and from where.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub struct ViewArgs {
    /// Begin at the end, and stay there while the log grows.
    #[arg(short, long)]
    pub follow: bool,
    /// Begin with the build beside its log: packages, phases, time left (key T).
    #[arg(short, long)]
    pub build: bool,
    /// The logs; `-`, or nothing behind a pipe, is the standard input. Also `.gz` and `.zst`.
    #[arg(value_name = "FILE", default_value = "-", hide_default_value = true)]
    pub files: Vec<PathBuf>,
}

const HELP: &str = "\
The keys are those of less and of the screens; h shows them. Without a terminal the
text is written to stdout without its colours and other sequences; with -f as it comes,
until the reader goes away. Exit: 0 ok, 1 an archive is broken, 2 a log cannot be read.

What counts as an error or a warning (keys e and a) and what is coloured can be added to
with files of the form of the built-in rules in ~/.config/halolab/log/NAME.toml.

Examples:
  halolab view build.log
  halolab view -f build.log
  make 2>&1 | halolab view
  halolab view old.log.gz new.log                tab goes to the other one, | shows both";

/// The standard input is read where it is named, or no log is: a terminal is none.
pub(super) fn refuse_terminal<'a>(
    verb: &str,
    files: impl IntoIterator<Item = &'a PathBuf>,
) -> Result<(), Stop> {
    let input = files.into_iter().any(|file| file.as_os_str() == "-");
    if input && std::io::stdin().is_terminal() {
        return Err(Stop::usage(format!(
            "no log is named, and nothing is piped in: type `halolab {verb} FILE`, or `COMMAND | halolab {verb}`"
        )));
    }
    Ok(())
}

/// Logs of any size: search, filter, errors, times, builds.
#[derive(Debug, Parser)]
#[command(name = "halolab view", bin_name = "halolab view", version)]
struct Alone {
    #[command(flatten)]
    args: ViewArgs,
    #[command(flatten)]
    global: Global,
}

/// Shows the logs, where the verb is the first word of the command line; nothing else is looked at then.
pub fn at_once() -> Option<Result<Code, Stop>> {
    let mut words = std::env::args_os();
    words.next();
    if words.next()? != "view" {
        return None;
    }
    let words: Vec<OsString> = words.collect();
    let alone = plain(&words).unwrap_or_else(|| {
        let name = std::iter::once("halolab view".into());
        Alone::parse_from(name.chain(words))
    });
    if let Err(stop) = super::logging::start(&alone.global) {
        return Some(Err(stop));
    }
    Some(view(alone.global, alone.args))
}

/// Names of files alone, as they nearly always are: without clap they are on the screen 0.3 ms sooner.
fn plain(words: &[OsString]) -> Option<Alone> {
    let is_file = |word: &OsString| !word.is_empty() && !word.as_encoded_bytes().starts_with(b"-");
    let plain = !words.is_empty() && words.iter().all(is_file) && std::env::var_os(TOKEN).is_none();
    plain.then(|| Alone {
        args: ViewArgs {
            follow: false,
            build: false,
            files: words.iter().map(PathBuf::from).collect(),
        },
        global: Global::default(),
    })
}

/// Shows logs.
///
/// # Errors
/// None can be read, or the terminal cannot be used.
pub(super) fn view(global: Global, args: ViewArgs) -> Result<Code, Stop> {
    refuse_terminal("view", &args.files)?;
    let request = Request {
        files: args.files,
        title: None,
        follow: args.follow,
        build: args.build,
        news: None,
        global,
    };
    start(&request).map(Code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_alone_are_what_clap_makes_of_them() {
        let words = |text: &str| text.split(' ').map(OsString::from).collect::<Vec<_>>();
        let parsed = |text: &str| {
            let name = std::iter::once("halolab view".into());
            Alone::try_parse_from(name.chain(words(text))).map(|alone| format!("{alone:?}"))
        };
        for text in ["build.log", "a b.gz dir/c", "log@5"] {
            let found = plain(&words(text)).map(|alone| format!("{alone:?}"));
            assert_eq!(found.as_ref(), parsed(text).ok().as_ref(), "{text}");
        }
        for text in ["-f a", "a -f", "-", "a - b", "--json a", ""] {
            assert!(plain(&words(text)).is_none(), "{text}");
        }
        assert!(plain(&[]).is_none());
    }
}
