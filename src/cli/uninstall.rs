//! `halolab uninstall`: shows and takes back what halolab did to this machine. Labs stay unless they are named.

use std::{
    fs, io,
    io::{BufRead as _, IsTerminal as _, Write as _},
    path::{Path, PathBuf},
};

use clap::{Args, ValueEnum};

use crate::{
    backend::{self, lxd},
    host::{
        command::Command,
        made::{DOCKER_IMAGE, Made},
    },
    labs::{Presence, World},
    plan::{
        PlanError,
        uninstall::{Uninstall, Wish, uninstall as plan},
    },
    run::{
        journal,
        receipt::{Keeper, State},
    },
};

use super::{
    Code, Setup, Stop, consent,
    plan::Consent,
    table::{json, note, out},
};

mod images;

use images::{images, remove_images};

/// Arguments of `uninstall`.
#[derive(Debug, Args)]
pub struct UninstallArgs {
    /// Labs that go too, with all that is inside and their snapshots.
    #[arg(long, value_name = "NAME", num_args = 1..)]
    with_labs: Vec<String>,
    /// Images that halolab built or fetched in Docker that go too.
    #[arg(long, value_name = "NAME", num_args = 1..)]
    with_images: Vec<String>,
    /// Also remove these folders of halolab's own.
    #[arg(long, value_name = "WHICH", value_delimiter = ',')]
    files: Vec<Own>,
    /// Leave the program and its completions where they are.
    #[arg(long)]
    keep_program: bool,
    #[command(flatten)]
    consent: Consent,
}

impl UninstallArgs {
    /// Whether neither folders nor images are named.
    fn names_nothing(&self) -> bool {
        self.files.is_empty() && self.with_images.is_empty()
    }
}

/// Folders of halolab's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Own {
    /// Settings, themes, stages, keys for daemons.
    Config,
    /// Journals, logs, jobs, receipts.
    State,
    /// What can be fetched again.
    Cache,
}

impl Own {
    const ALL: [Self; 3] = [Self::Config, Self::State, Self::Cache];

    fn folder(self, setup: &Setup) -> &Path {
        match self {
            Self::Config => &setup.paths.config,
            Self::State => &setup.paths.state,
            Self::Cache => &setup.paths.cache,
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Config => "settings, themes and stages",
            Self::State => "journals, logs, jobs and receipts",
            Self::Cache => "what was fetched or built, and can be again",
        }
    }
}

pub(super) async fn uninstall(setup: &Setup, args: UninstallArgs) -> Result<Code, Stop> {
    let (world, wish) = look(setup, &args).await?;
    let Uninstall {
        plan,
        mut keeps,
        stays,
    } = plan(&world, &wish);
    let (program, packaged) = if args.keep_program {
        (vec![], None)
    } else {
        program().await
    };
    keeps.extend(packaged);
    let needed = state_is_needed(&world, &args, stays.len());
    let needed = needed.filter(|_| args.files.contains(&Own::State));
    keeps.extend(needed.clone());
    let images = images(setup, &args, &mut keeps).await?;
    if args.consent.dry_run || !setup.global.json {
        show(setup, (&plan, &keeps), &program, &args)?;
    }
    if args.consent.dry_run || (plan.is_empty() && program.is_empty() && args.names_nothing()) {
        return Ok(Code::OK);
    }
    setup.may_change()?;
    if let Some(why) = needed {
        return Err(Stop::blocked(crate::log::sanitize(&format!(
            "nothing was changed: {why}; leave `state` out of --files"
        ))));
    }
    type_names(setup, &args)?;
    if !consent::agreed(setup, &plan, &args.consent, &consent::Done::new())? {
        return Ok(Code::OK);
    }
    if !plan.is_empty() {
        let id = journal::new_id(&plan, &setup.runs());
        let code = consent::carry_out(setup, &plan, &id, std::collections::BTreeMap::new()).await?;
        if code != Code::OK {
            note(
                "nothing of halolab's own was removed; go on with `halolab runs resume`, or type the same again",
            );
            return Ok(code);
        }
    }
    let _lock = setup.hold_all("uninstall")?;
    remove_images(setup, &images, &args).await?;
    // Somebody may have begun a job since; an engine that is gone by now has none.
    let now = Box::pin(setup.world_or_asleep(&[])).await.unwrap_or(world);
    let left = ledger(setup)?.len();
    own_files(setup, &args, state_is_needed(&now, &args, left).as_deref())?;
    if left > stays.len() {
        note(
            "not all could be taken back, and the program stays for it: see `halolab runs`, then type the same again",
        );
        return Ok(Code::OK);
    }
    for path in &program {
        remove(path)?;
        said(setup, path);
    }
    Ok(Code::OK)
}

/// What there is, and what is to be taken back.
async fn look(setup: &Setup, args: &UninstallArgs) -> Result<(World, Wish), Stop> {
    let world = match setup.world_or_asleep(&[]).await {
        // What was made on this machine can be taken back without an engine, as long as no lab is to go.
        Err(backend::Error::NotFound { .. }) => World::default(),
        world => world?,
    };
    for lab in &args.with_labs {
        match world.presence(lab) {
            Presence::Ours | Presence::Unfinished => {}
            Presence::Foreign => return Err(PlanError::Foreign(lab.clone()).into()),
            Presence::Missing => return Err(super::status::unknown(lab, &world.labs(&setup.catalog))),
        }
    }
    let keeper = Keeper::new(&setup.paths.state, &crate::host::folder());
    let receipt = keeper.read().map_err(Stop::blocked)?;
    let open = receipt.entries.iter().rev().filter(|e| e.state != State::Undone);
    let mut everywhere = None;
    let mut address = "";
    if let Some(server) = &world.server {
        address = &server.address;
        // What an engine does not show is not known, and keeps what is there.
        everywhere = setup.backend().await?.instances_everywhere().await.ok();
    }
    let wish = Wish {
        labs: args.with_labs.clone(),
        boot: open.map(|e| (e.id.clone(), e.what.clone())).collect(),
        made: ledger(setup)?,
        everywhere,
        others: Box::pin(lxd::elsewhere(address)).await,
    };
    Ok((world, wish))
}

/// What halolab made and did not take back; Docker's images are asked about by themselves.
fn ledger(setup: &Setup) -> Result<Vec<Made>, Stop> {
    let mut all = images::ledger(setup)?;
    all.retain(|made| made.kind != DOCKER_IMAGE);
    Ok(all)
}

/// Why the folder `state` stays: what is only written there is still needed.
fn state_is_needed(world: &World, args: &UninstallArgs, made: usize) -> Option<String> {
    let mut jobs = world.under_way();
    if let Some(job) = jobs.find(|job| !args.with_labs.contains(&job.instance)) {
        return Some(format!(
            "the folder `state`: the job {} runs in {}, and only there is its log kept",
            job.title, job.instance
        ));
    }
    (made > 0).then(|| {
        format!(
            "the folder `state`: {made} of the things that halolab made on this machine stay, and only there it is \
             written down that they are its own"
        )
    })
}

fn show(
    setup: &Setup,
    (plan, keeps): (&crate::plan::Plan, &[String]),
    program: &[PathBuf],
    args: &UninstallArgs,
) -> Result<(), Stop> {
    if setup.global.json {
        let own: Vec<&Path> = args.files.iter().map(|own| own.folder(setup)).collect();
        return json(&serde_json::json!({
            "v": 1, "digest": plan.digest(), "plan": plan, "keeps": keeps, "program": program, "files": own,
        }));
    }
    // Without --yes the plan is shown where it is asked about.
    if plan.is_empty() {
        let more = !program.is_empty() || !args.files.is_empty();
        let and = if more { ", but for what follows" } else { "" };
        out(&format!("Nothing to take back on this machine{and}."));
    } else if args.consent.dry_run || args.consent.yes {
        out(&consent::text(plan, &consent::Done::new()));
    }
    for image in &args.with_images {
        out(&crate::log::sanitize(&format!(
            "  then remove the image {image} of Docker"
        )));
    }
    for path in program {
        out(&format!(
            "  then remove {}",
            crate::log::sanitize(&path.display().to_string())
        ));
    }
    for own in Own::ALL {
        let folder = own.folder(setup);
        let word = if args.files.contains(&own) {
            "then remove"
        } else {
            "keeps "
        };
        if folder.exists() {
            out(&format!("  {word} {} ({})", folder.display(), own.title()));
        }
    }
    for kept in keeps {
        out(&crate::log::sanitize(&format!("  keeps  {kept}")));
    }
    Ok(())
}

/// On a terminal the name of each lab that goes is typed; elsewhere naming it on the command line is that.
fn type_names(setup: &Setup, args: &UninstallArgs) -> Result<(), Stop> {
    if args.consent.yes || args.consent.accept_plan.is_some() {
        return Ok(());
    }
    for lab in &args.with_labs {
        let question =
            format!("This deletes {lab} with all that is inside, for good. Type its name to go on: ");
        match ask(setup, &question)? {
            Some(typed) if typed == *lab => {}
            Some(_) => return Err(Stop::new(Code::DECLINED, "nothing was changed")),
            // Without a terminal the question for the plan says which flag answers it.
            None => return Ok(()),
        }
    }
    Ok(())
}

/// An answer; none where nobody can be asked.
fn ask(setup: &Setup, question: &str) -> Result<Option<String>, Stop> {
    let stdin = io::stdin();
    if setup.global.no_input || setup.global.json || !stdin.is_terminal() {
        return Ok(None);
    }
    let _ = write!(io::stdout(), "{}", crate::log::sanitize(question));
    let _ = io::stdout().flush();
    let mut line = String::new();
    stdin.lock().read_line(&mut line)?;
    Ok(Some(line.trim().to_owned()))
}

/// Removes the folders that were named, or that are agreed to one by one.
fn own_files(setup: &Setup, args: &UninstallArgs, needed: Option<&str>) -> Result<(), Stop> {
    for own in Own::ALL {
        let folder = own.folder(setup);
        if !folder.exists() {
            continue;
        }
        if let (Own::State, Some(why)) = (own, needed) {
            if args.files.contains(&own) {
                note(&crate::log::sanitize(&format!("not removed: {why}")));
            }
            continue;
        }
        let question = format!("Remove {} ({})? Type yes [no]: ", folder.display(), own.title());
        let wanted = args.files.contains(&own)
            || (!args.consent.yes
                && ask(setup, &question)?.is_some_and(|a| matches!(a.as_str(), "yes" | "y")));
        if wanted {
            remove(folder)?;
            said(setup, folder);
        }
    }
    Ok(())
}

fn said(setup: &Setup, path: &Path) {
    if !setup.global.json {
        out(&format!(
            "removed {}",
            crate::log::sanitize(&path.display().to_string())
        ));
    }
}

/// A file or a folder that is gone already is as good.
fn remove(path: &Path) -> Result<(), Stop> {
    let gone = match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match gone {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Stop::new(
            Code::FAILED,
            format!(
                "{} could not be removed: {error}; remove it by hand",
                path.display()
            ),
        )),
        _ => Ok(()),
    }
}

/// The program where it was installed, and completions for it in the places where shells look; and why the program
/// stays, where it does.
async fn program() -> (Vec<PathBuf>, Option<String>) {
    let Ok(program) = std::env::current_exe() else {
        return (vec![], None);
    };
    // One that was built and not installed is its builder's.
    let installed = program.file_name().is_some_and(|name| name == "halolab")
        && program.parent().is_some_and(|folder| folder.ends_with("bin"));
    if !installed {
        return (vec![], None);
    }
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let places = [
        home.join(".local/share/bash-completion/completions/halolab"),
        home.join(".config/fish/completions/halolab.fish"),
        home.join(".zfunc/_halolab"),
        home.join(".local/share/zsh/site-functions/_halolab"),
    ];
    let mut there: Vec<PathBuf> = places.into_iter().filter(|path| path.is_file()).collect();
    if let Some(manager) = packaged(&program).await {
        let program = program.display();
        let why = format!("{program}, which is of a package: remove that one with {manager}");
        return (there, Some(why));
    }
    there.push(program);
    (there, None)
}

/// The package manager that a file belongs to.
async fn packaged(file: &Path) -> Option<&'static str> {
    let file = file.display().to_string();
    for (manager, program, ask) in [
        ("apt", "dpkg", "-S"),
        ("pacman", "pacman", "-Qo"),
        ("dnf or zypper", "rpm", "-qf"),
    ] {
        if Command::new(program, [ask, file.as_str()]).succeeds().await {
            return Some(manager);
        }
    }
    None
}
