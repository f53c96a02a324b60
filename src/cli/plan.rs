//! `plan`, `apply` and their short forms: one planner, one runner.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Args;

use crate::{
    backend::{self, Engine},
    host,
    labs::{Presence, World, counted},
    plan::{Choice, Plan, Request, planner::HOST},
    stage::{Answers, BackendKind, answers::IMAGE_FILE, given},
};

use super::{
    Code, Setup, Stop, consent,
    table::{json, note, out},
    tune::{self, Size},
};

/// What is planned.
#[derive(Debug, Args)]
pub(super) struct PlanArgs {
    /// The labs.
    #[arg(required = true, value_name = "LAB")]
    pub(super) labs: Vec<String>,
    /// create, restore:SNAPSHOT, copy:SNAPSHOT:NAME, recreate, recreate:clean, bring-back:NAME, update, renew, set-aside, remove,
    /// adopt, prove or skip. Without it: create what is missing, skip what is there.
    #[arg(long, value_name = "CHOICE", value_parser = choice)]
    pub(super) choose: Option<Choice>,
    /// The stage, for a lab whose name is not its stage's.
    #[arg(long, value_name = "STAGE")]
    pub(super) stage: Option<String>,
    /// An answer: KEY=VALUE for each lab that has the option, LAB.KEY=VALUE for one.
    #[arg(long, value_name = "KEY=VALUE")]
    pub(super) set: Vec<String>,
    /// A file with answers: TOML, one table a lab.
    #[arg(long, value_name = "FILE")]
    pub(super) answers: Option<PathBuf>,
    /// First give an integrated GPU this many GiB of the memory, or what is suggested for this machine. The run then
    /// ends with 6, and goes on with `halolab runs resume` once you have restarted the machine.
    #[arg(long, value_name = "GIB", num_args = 0..=1, require_equals = true, default_missing_value = "suggested")]
    pub(super) tune: Option<Size>,
}

/// What is shown.
#[derive(Debug, Args)]
pub struct ShowArgs {
    #[command(flatten)]
    plan: PlanArgs,
    /// With each action what it runs, to the letter: scripts, settings, what is sent to the engine.
    #[arg(long)]
    scripts: bool,
}

/// What is done.
#[derive(Debug, Args)]
pub struct ApplyArgs {
    #[command(flatten)]
    pub(super) plan: PlanArgs,
    #[command(flatten)]
    pub(super) consent: Consent,
}

/// How the user agrees to a plan.
#[derive(Debug, Args)]
pub struct Consent {
    /// Agree to the plan unseen.
    #[arg(short, long, conflicts_with = "accept_plan")]
    pub(super) yes: bool,
    /// Agree to the plan with this digest, and to no other.
    #[arg(long, value_name = "DIGEST")]
    pub(super) accept_plan: Option<String>,
    /// Show the plan and change nothing.
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Trust the stage whose text has this SHA-256: `halolab stage trust STAGE` shows both.
    #[arg(long, value_name = "SHA256")]
    pub(super) trust: Vec<String>,
}

/// Arguments of `recreate`.
#[derive(Debug, Args)]
pub struct RecreateArgs {
    #[command(flatten)]
    change: ChangeArgs,
    /// From the snapshot `clean`, at once, instead of from fresh packages.
    #[arg(long)]
    from_clean: bool,
}

/// Arguments of `update`.
#[derive(Debug, Args)]
pub struct ChangeArgs {
    /// The lab.
    lab: String,
    #[command(flatten)]
    consent: Consent,
}

/// Arguments of `remove`.
#[derive(Debug, Args)]
pub struct RemoveArgs {
    /// The lab, or an earlier version that a recreate kept.
    lab: String,
    /// Keep it whole as LAB-prev, and only free its name: `undo` brings it back.
    #[arg(long)]
    keep: bool,
    /// Leave the lab, and remove its earlier versions but the newest one, those with a pinned snapshot, and those that
    /// were set aside.
    #[arg(long, conflicts_with = "keep")]
    older: bool,
    #[command(flatten)]
    consent: Consent,
}

fn choice(text: &str) -> Result<Choice, String> {
    let (word, rest) = text.split_once(':').map_or((text, None), |(w, r)| (w, Some(r)));
    Ok(match (word, rest) {
        ("create", None) => Choice::Create,
        ("restore", Some(snapshot)) if !snapshot.is_empty() => Choice::Restore(snapshot.into()),
        ("copy", Some(rest)) => {
            let (snapshot, name) = rest.split_once(':').ok_or("write copy:SNAPSHOT:NAME")?;
            Choice::RestoreAs(snapshot.into(), name.into())
        }
        ("recreate", None) => Choice::Recreate,
        ("recreate", Some("clean")) => Choice::RecreateFromClean,
        ("bring-back", Some(name)) => Choice::BringBack(name.into()),
        ("update", None) => Choice::Update,
        ("renew", None) => Choice::Renew,
        ("set-aside", None) => Choice::SetAside,
        ("remove", None) => Choice::Remove,
        ("adopt", None) => Choice::Adopt,
        ("prove", None) => Choice::Prove,
        ("skip", None) => Choice::Skip,
        _ => {
            return Err(
                "allowed: create, restore:SNAPSHOT, copy:SNAPSHOT:NAME, recreate, recreate:clean, \
                        bring-back:NAME, update, renew, set-aside, remove, adopt, prove, skip"
                    .into(),
            );
        }
    })
}

impl PlanArgs {
    pub(super) fn of(lab: String, choose: Choice) -> Self {
        Self {
            labs: vec![lab],
            choose: Some(choose),
            stage: None,
            set: vec![],
            answers: None,
            tune: None,
        }
    }
}

/// How long an image server may take to answer.
pub(super) const SERVER_WAIT: Duration = Duration::from_secs(3);

/// A plan, the world that it was made for, and the secrets that never enter it.
pub(super) struct Planned {
    pub(super) plan: Plan,
    pub(super) secrets: BTreeMap<String, Answers>,
    /// It only starts the engine; what was asked for can be planned afterwards.
    pub(super) wakes: bool,
}

pub(super) async fn make(setup: &Setup, args: &PlanArgs) -> Result<Planned, Stop> {
    let mut world = look(setup, args).await?;
    if world.asleep.is_some() && !of_docker(setup, args, &world) {
        return Ok(Planned {
            plan: crate::plan::plan(&world, &setup.catalog, &[])?,
            secrets: BTreeMap::new(),
            wakes: true,
        });
    }
    // Before the default image is chosen.
    host::reach::look(&mut world.facts, &setup.config.servers(), SERVER_WAIT).await;
    let facts = world.facts.clone();
    let labs = labs_of(setup, args, &world)?;
    let answers = answers_of(args, &labs)?;
    if answers.values().any(|a| a.contains_key(IMAGE_FILE)) {
        // The alias of an image file is known only now.
        let given: Vec<&Answers> = answers.values().collect();
        world = setup.world(&given).await?;
        world.facts = facts;
    }
    if let Some(Choice::Restore(snapshot)) = &args.choose {
        for lab in &args.labs {
            if world.instance(lab).is_none() {
                continue;
            }
            let found = setup.backend().await?.find_snapshot(lab, snapshot).await?;
            let taken = found.map(|s| (s.name, s.created));
            world.taken.entry(lab.clone()).or_default().extend(taken);
        }
    }
    let request = |lab: &String, choice: Choice| Request {
        lab: lab.clone(),
        stage: labs.get(lab).map_or_else(String::new, |s| s.id.clone()),
        choice,
        answers: answers.get(lab).cloned().unwrap_or_default(),
    };
    let chosen = |lab: &String| args.choose.clone().unwrap_or_else(|| natural(&world, lab));
    let mut requests: Vec<Request> = args.labs.iter().map(|lab| request(lab, chosen(lab))).collect();
    requests.push(request(&HOST.to_owned(), Choice::Skip));
    let mut plan = crate::plan::plan(&world, &setup.catalog, &requests)?;
    tune::first(setup, &mut plan, args.tune).await?;
    Ok(Planned {
        plan,
        secrets: answers,
        wakes: false,
    })
}

/// Looks at the engines of the labs that were named: what keeps LXD away is no matter of labs of Docker.
async fn look(setup: &Setup, args: &PlanArgs) -> Result<World, Stop> {
    let wanted = of_docker(setup, args, &World::default());
    if !wanted {
        return Ok(setup.world_or_asleep(&[]).await?);
    }
    match (setup.world_of(&[], true).await, setup.docker().await) {
        (Err(_), Err(why)) => Err(Stop::blocked(why)),
        (world, _) => Ok(world?),
    }
}

/// Whether all labs that were named are Docker's, so that LXD need not run for them.
fn of_docker(setup: &Setup, args: &PlanArgs, world: &World) -> bool {
    let stage = |lab: &String| setup.catalog.get(stage_of(world, lab, args.stage.as_deref()));
    let made_there = |lab: &String| world.part_with(lab).engine == Engine::Docker;
    let would_be = |lab: &String| stage(lab).is_some_and(|s| s.backend == BackendKind::Docker);
    args.labs.iter().all(|lab| made_there(lab) || would_be(lab))
}

/// The stages of the labs that were named, and the host's own.
fn labs_of<'s>(setup: &'s Setup, args: &PlanArgs, world: &World) -> Result<given::Labs<'s>, Stop> {
    let mut labs = given::Labs::new();
    for lab in &args.labs {
        let stage = setup.catalog.get(stage_of(world, lab, args.stage.as_deref()));
        let stage = stage.filter(|s| s.id != HOST).ok_or_else(|| {
            let known: Vec<&str> = setup
                .catalog
                .iter()
                .map(|s| s.id.as_str())
                .filter(|s| *s != HOST)
                .collect();
            Stop::usage(format!(
                "there is no lab and no stage `{}`; there are: {}; for another name add `--stage STAGE`",
                crate::log::sanitize(lab),
                known.join(", ")
            ))
        })?;
        labs.insert(lab.clone(), stage);
    }
    labs.extend(setup.catalog.get(HOST).map(|host| (HOST.to_owned(), host)));
    Ok(labs)
}

/// The answers of a file.
pub(super) fn answers_file(file: &Path, labs: &given::Labs<'_>) -> Result<BTreeMap<String, Answers>, Stop> {
    let text = std::fs::read_to_string(file)
        .map_err(|e| Stop::usage(format!("cannot read {}: {e}", file.display())))?;
    given::read_answers(&file.display().to_string(), &text, labs).map_err(Stop::usage)
}

/// Answers of the file, and over them those of the command line.
fn answers_of(args: &PlanArgs, labs: &given::Labs<'_>) -> Result<BTreeMap<String, Answers>, Stop> {
    let mut answers = match &args.answers {
        Some(file) => answers_file(file, labs)?,
        None => BTreeMap::new(),
    };
    // The machine's own options are named in full: a mistake is about the labs that were named.
    let mut asked = labs.clone();
    if !args.set.iter().any(|set| set.starts_with("host.")) {
        asked.remove(HOST);
    }
    for (lab, more) in given::parse_sets(&args.set, &asked).map_err(Stop::usage)? {
        answers.entry(lab).or_default().extend(more);
    }
    Ok(answers)
}

/// A lab's stage: its tag, then what was said, then its name.
fn stage_of<'a>(world: &'a World, lab: &'a str, said: Option<&'a str>) -> &'a str {
    let of = |name: &str| world.instance(name).and_then(|i| i.tag("stage"));
    let set_aside = || {
        let kept = world.all_instances().find(|(_, i)| i.tag("kept") == Some(lab));
        kept.and_then(|(_, i)| i.tag("stage"))
    };
    of(lab).or(said).or_else(set_aside).unwrap_or(lab)
}

/// What is meant where nothing was chosen: make what is missing, leave alone what is there. What is not ours is
/// refused by the planner, which says what to do.
fn natural(world: &World, lab: &str) -> Choice {
    match world.presence(lab) {
        Presence::Ours => Choice::Skip,
        Presence::Missing | Presence::Unfinished | Presence::Foreign => Choice::Create,
    }
}

pub(super) async fn plan(setup: &Setup, args: ShowArgs) -> Result<Code, Stop> {
    let planned = make(setup, &args.plan).await?;
    consent::show(setup, &planned.plan, args.scripts, &consent::Done::new())?;
    Ok(Code::OK)
}

pub(super) async fn apply(setup: &Setup, args: ApplyArgs) -> Result<Code, Stop> {
    make_and_run(setup, &args.plan, &args.consent).await
}

/// Plans, asks and runs; where the engine did not run, that is the first plan, and what was asked for the second.
pub(super) async fn make_and_run(setup: &Setup, args: &PlanArgs, consent: &Consent) -> Result<Code, Stop> {
    let planned = make(setup, args).await?;
    let wakes = planned.wakes;
    let code = consent::agree_and_run(setup, planned, consent).await?;
    if !wakes || consent.dry_run || code != Code::OK {
        return Ok(code);
    }
    if consent.accept_plan.is_some() {
        note(
            "the engine runs now, and only now its labs can be seen: look at the next plan with `halolab plan`",
        );
        return Ok(code);
    }
    consent::agree_and_run(setup, make(setup, args).await?, consent).await
}

/// Starts an engine that is installed and does not run; whether there was one to start.
pub(super) async fn wake(setup: &Setup) -> Result<bool, Stop> {
    if !matches!(setup.lxd().await, Err(backend::Error::Asleep { .. })) {
        return Ok(false);
    }
    let world = setup.world_or_asleep(&[]).await?;
    if world.asleep.is_none() {
        return Ok(false);
    }
    let planned = Planned {
        plan: crate::plan::plan(&world, &setup.catalog, &[])?,
        secrets: BTreeMap::new(),
        wakes: true,
    };
    let consent = Consent {
        yes: true,
        accept_plan: None,
        dry_run: false,
        trust: vec![],
    };
    match consent::agree_and_run(setup, planned, &consent).await? {
        Code::OK => Ok(true),
        code => Err(Stop::new(
            code,
            "the engine was not started; the lines above say why",
        )),
    }
}

async fn change(setup: &Setup, args: ChangeArgs, choice: Choice) -> Result<Code, Stop> {
    make_and_run(setup, &PlanArgs::of(args.lab, choice), &args.consent).await
}

pub(super) async fn recreate(setup: &Setup, args: RecreateArgs) -> Result<Code, Stop> {
    let choice = if args.from_clean {
        Choice::RecreateFromClean
    } else {
        Choice::Recreate
    };
    change(setup, args.change, choice).await
}

pub(super) async fn update(setup: &Setup, args: ChangeArgs) -> Result<Code, Stop> {
    change(setup, args, Choice::Update).await
}

pub(super) async fn prove(setup: &Setup, lab: String, consent: Consent) -> Result<Code, Stop> {
    change(setup, ChangeArgs { lab, consent }, Choice::Prove).await
}

/// Removes the earlier versions of a lab but the newest one.
async fn remove_older(setup: &Setup, args: &RemoveArgs) -> Result<Code, Stop> {
    let world = setup.world(&[]).await?;
    let older: Vec<String> = world
        .older_versions(&args.lab)
        .into_iter()
        .map(|k| k.name)
        .collect();
    if older.is_empty() {
        let there = counted(world.versions(&args.lab).len(), "earlier version");
        let why = "the newest one, one with a pinned snapshot, and one that was set aside stay";
        let text = format!("nothing to remove: {} has {there}; {why}", args.lab);
        if setup.global.json {
            json(&serde_json::json!({"v": 1, "lab": args.lab, "done": text}))?;
        } else {
            out(&crate::log::sanitize(&text));
        }
        return Ok(Code::OK);
    }
    let plan = PlanArgs {
        labs: older,
        ..PlanArgs::of(String::new(), Choice::Remove)
    };
    make_and_run(setup, &plan, &args.consent).await
}

pub(super) async fn remove(setup: &Setup, args: RemoveArgs) -> Result<Code, Stop> {
    if args.older {
        return remove_older(setup, &args).await;
    }
    change(
        setup,
        ChangeArgs {
            lab: args.lab,
            consent: args.consent,
        },
        if args.keep {
            Choice::SetAside
        } else {
            Choice::Remove
        },
    )
    .await
}
