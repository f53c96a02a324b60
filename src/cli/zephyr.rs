//! `halolab zephyr`: the entrypoints of a Zephyr lab, each as a job that outlives the terminal.

use std::{os::unix::fs::PermissionsExt as _, path::PathBuf};

use clap::{Args, Subcommand};

use super::{
    Code, Setup, Stop,
    job::{self, JobVerb, RunArgs},
    shell,
    table::{note, out},
};

/// The stage whose entrypoints these are.
const STAGE: &str = "zephyr";
/// Where the image has them.
const PLACE: &str = "/opt/zephyr/bin/zephyr-";
/// Files beside the entrypoints that are none.
const HELPERS: [&str; 2] = ["common", "record"];

/// Verbs on a Zephyr lab.
#[derive(Debug, Subcommand)]
pub enum ZephyrVerb {
    /// Run an entrypoint in the lab, as a job: closing the terminal does not end it. `default` without arguments is a shell.
    Run(EntryArgs),
    /// The entrypoints of the lab, a line each.
    List {
        /// The lab.
        #[arg(long, default_value = STAGE)]
        lab: String,
    },
    /// Print a script that does the same without halolab, by plain `docker run`; or write it to a file.
    Launcher {
        /// The file; one that is there is not touched.
        file: Option<PathBuf>,
    },
}

/// Arguments of `zephyr run`.
#[derive(Debug, Args)]
pub struct EntryArgs {
    /// What to run: `halolab zephyr list` names them.
    entrypoint: String,
    /// The lab.
    #[arg(long, default_value = STAGE)]
    lab: String,
    /// Do not watch it.
    #[arg(short, long)]
    detach: bool,
    /// A variable of its environment; KEY alone takes it over from here. Never shown or stored.
    #[arg(long, value_name = "KEY=VALUE")]
    env: Vec<String>,
    /// What the entrypoint takes.
    #[arg(last = true)]
    arguments: Vec<String>,
}

pub(super) async fn run(setup: &Setup, verb: ZephyrVerb) -> Result<Code, Stop> {
    match verb {
        ZephyrVerb::Run(args) => entrypoint(setup, args).await,
        ZephyrVerb::List { lab } => {
            for (name, what) in entrypoints(setup, &lab)? {
                out(&crate::log::sanitize(&format!("{name:<14} {what}")));
            }
            Ok(Code::OK)
        }
        ZephyrVerb::Launcher { file } => launcher(setup, file),
    }
}

/// Starts an entrypoint. `zephyr-record` writes log and status where whoever knows Zephyr without halolab looks for them,
/// and ends what it runs by SIGINT: builds of Spack would outlive another signal.
async fn entrypoint(setup: &Setup, args: EntryArgs) -> Result<Code, Stop> {
    let known = entrypoints(setup, &args.lab)?;
    let name = &args.entrypoint;
    if !known.iter().any(|(one, _)| one == name) {
        let names: Vec<String> = known.into_iter().map(|(one, _)| one).collect();
        return Err(Stop::usage(format!(
            "there is no entrypoint `{name}`; there are: {}",
            names.join(", ")
        )));
    }
    if name == "default" && args.arguments.is_empty() && !args.detach {
        return shell::program(setup, args.lab, vec![format!("{PLACE}{name}")]).await;
    }
    let mut command = vec![format!("{PLACE}record"), name.clone(), format!("{PLACE}{name}")];
    command.extend(args.arguments);
    let order = RunArgs {
        lab: args.lab,
        name: name.clone(),
        cwd: "/".into(),
        env: args.env,
        attach: !args.detach,
        command,
    };
    job::run(setup, JobVerb::Run(order)).await
}

/// The entrypoints of a lab's stage with the line that says what each does.
fn entrypoints(setup: &Setup, lab: &str) -> Result<Vec<(String, String)>, Stop> {
    let stage = setup.catalog.get(lab).or_else(|| setup.catalog.get(STAGE));
    let files = stage.into_iter().flat_map(|stage| &stage.files);
    let found = files.filter_map(|(path, text)| {
        let name = path.strip_prefix("entrypoints/")?.strip_suffix(".sh")?;
        let what = text.lines().find_map(|line| line.strip_prefix("# "))?;
        (!HELPERS.contains(&name)).then(|| (name.to_owned(), what.to_owned()))
    });
    let found: Vec<_> = found.collect();
    if found.is_empty() {
        return Err(Stop::usage(format!(
            "the stage of {lab} has no entrypoints; name a lab of the stage {STAGE} with --lab"
        )));
    }
    Ok(found)
}

fn launcher(setup: &Setup, file: Option<PathBuf>) -> Result<Code, Stop> {
    let text = setup
        .catalog
        .get(STAGE)
        .and_then(|stage| stage.files.get("launch_container.sh"));
    let text = text.ok_or_else(|| Stop::blocked(format!("the stage {STAGE} has no launch_container.sh")))?;
    let Some(file) = file else {
        out(text.trim_end());
        return Ok(Code::OK);
    };
    let failed =
        |error: std::io::Error| Stop::blocked(format!("{} cannot be written: {error}", file.display()));
    let written = std::fs::File::create_new(&file).and_then(|mut new| {
        std::io::Write::write_all(&mut new, text.as_bytes())?;
        new.set_permissions(std::fs::Permissions::from_mode(0o755))
    });
    written.map_err(failed)?;
    note(&format!("written: {}", file.display()));
    Ok(Code::OK)
}
