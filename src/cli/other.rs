//! Verbs that touch no daemon: stages, settings, completions, the manual page.

use std::path::PathBuf;

use clap::{CommandFactory as _, Subcommand};

use crate::{
    log::rules,
    stage::{Stage, report},
};

use super::{
    Cli, Code, Setup, Stop,
    table::{json, note, out},
};

/// Verbs on stages.
#[derive(Debug, Subcommand)]
pub enum StageVerb {
    /// All stages and where each comes from.
    List,
    /// Images, options and steps of one stage.
    Show {
        /// The stage.
        stage: String,
    },
    /// Look at a stage from elsewhere, and trust its text; one of the program is trusted.
    Trust {
        /// The stage.
        stage: String,
        /// Trust it without being asked, if its text has this SHA-256.
        #[arg(long, value_name = "SHA256")]
        trust: Vec<String>,
    },
    /// Check a stage file.
    Check {
        /// `stage.toml`, or its folder.
        file: PathBuf,
    },
    /// The JSON schema of `stage.toml`.
    Schema,
}

/// Arguments of `config`: without a verb the settings in force, each with where it comes from.
#[derive(Debug, clap::Args)]
pub struct ConfigArgs {
    #[command(subcommand)]
    pub(super) verb: Option<ConfigVerb>,
}

/// Verbs on settings.
#[derive(Debug, Subcommand)]
pub(super) enum ConfigVerb {
    /// All settings.
    Show {
        /// Say where each comes from.
        #[arg(long)]
        origin: bool,
    },
}

pub(super) fn stage(setup: &Setup, verb: StageVerb) -> Result<Code, Stop> {
    match verb {
        StageVerb::List if setup.global.json => json(&report::list(&setup.catalog))?,
        StageVerb::List => out(&report::list_text(&setup.catalog)),
        StageVerb::Trust { stage, trust } => return super::trust::trust(setup, find(setup, &stage)?, &trust),
        StageVerb::Show { stage } => {
            let found = find(setup, &stage)?;
            if setup.global.json {
                json(found)?;
            } else {
                out(&report::show(found));
            }
        }
        StageVerb::Check { file } => {
            let file = if file.is_dir() {
                file.join("stage.toml")
            } else {
                file
            };
            let mut known = crate::host::KNOWN.to_vec();
            known.extend(["daemon", "bootstrap"]);
            let checked = report::check(&file, &known).map_err(|e| Stop::new(Code::FAILED, e))?;
            checked
                .warnings
                .iter()
                .for_each(|w| note(&format!("warning: {w}")));
            out(&format!("{}: valid", file.display()));
        }
        StageVerb::Schema => out(&serde_json::to_string_pretty(&report::schema()).unwrap_or_default()),
    }
    Ok(Code::OK)
}

fn find<'s>(setup: &'s Setup, stage: &str) -> Result<&'s Stage, Stop> {
    setup.catalog.get(stage).ok_or_else(|| {
        let known: Vec<&str> = setup.catalog.iter().map(|s| s.id.as_str()).collect();
        Stop::usage(format!(
            "there is no stage `{}`; there are: {}",
            crate::log::sanitize(stage),
            known.join(", ")
        ))
    })
}

pub(super) fn config(setup: &Setup, verb: Option<&ConfigVerb>) -> Result<Code, Stop> {
    let origin = verb.is_none_or(|ConfigVerb::Show { origin }| *origin);
    if setup.global.json {
        json(&setup.settings.show_json())?;
    } else {
        out(setup.settings.show(origin).trim_end());
    }
    for problem in rules::problems(&setup.paths.logs) {
        note(&format!("warning: these log rules are left out\n{problem}"));
    }
    Ok(Code::OK)
}

pub(super) fn completions(shell: clap_complete::Shell) -> Code {
    clap_complete::generate(shell, &mut Cli::command(), "halolab", &mut std::io::stdout());
    Code::OK
}

pub(super) fn man() -> Result<Code, Stop> {
    clap_mangen::Man::new(Cli::command()).render(&mut std::io::stdout())?;
    Ok(Code::OK)
}
