//! From choices to a plan. Pure: the same world and the same choices give the same plan and digest.

use std::collections::BTreeMap;

use crate::{
    backend::{Engine, Server},
    labs::{Presence, World, notes_profile, profile_name},
    stage::{
        Answers, Catalog, Image, Stage,
        condition::{Scope, holds},
        offer,
    },
};

use super::{Choice, Losses, Plan, Track, change, create, host, jobs, swap, words::Words};

/// Version of the plan format.
pub const VERSION: u32 = 1;

/// The name under which the host's own stage gets its answers.
pub const HOST: &str = "host";

/// What the user wants of one lab.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// The lab's name.
    pub lab: String,
    /// Its stage.
    pub stage: String,
    /// What to do.
    pub choice: Choice,
    /// Answers to the stage's options; what is missing is the lab's former answer, then the default.
    pub answers: Answers,
}

/// Why there is no plan. Each text names the way out.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The lab's name cannot be used.
    #[error(
        "`{0}` cannot be a lab's name; allowed: a-z, 0-9 and -, at most 40 characters, a letter or digit first"
    )]
    Name(String),
    /// No such stage.
    #[error("there is no stage `{stage}`; there are: {}", known.join(", "))]
    Stage {
        /// Asked for.
        stage: String,
        /// What there is.
        known: Vec<String>,
    },
    /// An instance of that name is not ours.
    #[error(
        "there is an instance `{0}` that halolab did not make, and it is not touched; take it over as it is with \
         `halolab apply {0} --choose adopt`, or rename it"
    )]
    Foreign(String),
    /// The lab exists already.
    #[error("`{0}` exists already; choose restore:SNAPSHOT, recreate, update or skip")]
    Exists(String),
    /// The lab does not exist.
    #[error("there is no lab `{0}` yet; make it with `halolab apply {0} --choose create`")]
    Missing(String),
    /// The lab was not finished.
    #[error("`{0}` was begun and not finished; make it anew with `halolab apply {0} --choose create`")]
    Unfinished(String),
    /// No such snapshot.
    #[error("`{lab}` has no snapshot `{snapshot}`; it has: {}", if known.is_empty() { "none".into() } else { known.join(", ") })]
    Snapshot {
        /// The lab.
        lab: String,
        /// Asked for.
        snapshot: String,
        /// What there is.
        known: Vec<String>,
    },
    /// The name of a copy is taken.
    #[error("the name `{0}` is taken; choose another one")]
    Taken(String),
    /// An answer does not fit.
    #[error("{lab}: {source}")]
    Answer {
        /// The lab.
        lab: String,
        /// Which answer, and what is allowed.
        #[source]
        source: crate::stage::answers::AnswerError,
    },
    /// Two tracks would work on one instance.
    #[error("`{0}` is named twice; name each lab, and each copy, once")]
    Twice(String),
    /// The image is not here.
    #[error("the daemon has no image `{0}`; choose another image for {1}, see `halolab stage show`")]
    NoImage(String, String),
    /// The image that is here is not the one that the stage pins.
    #[error(
        "{lab}: the image `{image}` has the fingerprint {found}, and the stage takes only {pinned}; choose another image \
         (`--set {lab}.image=…`), or import that one (`lxc image import`)"
    )]
    Fingerprint {
        /// The lab.
        lab: String,
        /// The image.
        image: String,
        /// What the daemon has.
        found: String,
        /// What the stage says.
        pinned: String,
    },
    /// The image's server does not answer.
    #[error(
        "{lab}: the image `{image}` is on the server `{remote}`, which does not answer; choose one that is built here \
         (`--set {lab}.image=debian-bootstrap`) or a file, or set another server in `[remotes.{remote}]` of config.toml"
    )]
    Unreachable {
        /// The image.
        image: String,
        /// Its server, by name.
        remote: String,
        /// The lab.
        lab: String,
    },
    /// Another engine has an instance of that name.
    #[error(
        "there is an instance `{lab}` of {has} already, and the stage `{stage}` makes labs of {wanted}: two labs cannot \
         have one name; take another one (`halolab apply NAME --stage {stage}`)"
    )]
    Elsewhere {
        /// The lab.
        lab: String,
        /// Where it is.
        has: &'static str,
        /// The stage.
        stage: String,
        /// Where it would be.
        wanted: &'static str,
    },
    /// An instance of Docker is not ours, and none can be taken over.
    #[error(
        "there is a container `{0}` that halolab did not make, and it is not touched; labels of a container cannot be \
         changed, so it cannot be taken over either: rename it (`docker rename {0} OTHER`), or take another name for the lab"
    )]
    ForeignContainer(String),
    /// Something else stands in the way.
    #[error("{0}")]
    Blocked(String),
}

/// All that the parts of the planner look at for one lab.
pub(super) struct Case<'a> {
    /// What the lab's engine holds.
    pub(super) world: &'a World,
    /// What all of them hold: names are unique over them.
    pub(super) whole: &'a World,
    pub(super) engine: Engine,
    pub(super) stage: &'a Stage,
    pub(super) lab: &'a str,
    pub(super) answers: Answers,
    pub(super) image: Option<&'a Image>,
    pub(super) server: Server,
}

impl Case<'_> {
    pub(super) fn words(&self) -> Words<'_> {
        Words {
            lab: self.lab,
            client: self.server.client(),
            engine: self.engine,
        }
    }

    /// The environment of the stage's scripts.
    pub(super) fn env(&self) -> BTreeMap<String, String> {
        let mut env = crate::stage::answers::env(self.stage, &self.answers, &self.world.facts, self.image);
        env.insert("LAB".into(), self.lab.to_owned());
        env.insert("STAGE".into(), self.stage.id.clone());
        env
    }

    /// Whether a condition holds here; none always does.
    pub(super) fn holds(&self, when: Option<&crate::stage::Condition>) -> bool {
        holds(
            when,
            &Scope {
                facts: &self.world.facts,
                answers: &self.answers,
                image: self.image,
            },
        )
    }

    /// A name that no instance has, and whose profile none uses: `BASE`, `BASE-2`, `BASE-3`, ...
    pub(super) fn free_name(&self, base: &str) -> String {
        let used = |profile: &String| self.world.instances.iter().any(|i| i.profiles.contains(profile));
        free(base, |name| {
            self.whole.instance(name).is_some() || used(&profile_name(name))
        })
    }

    /// The profile of ours that the lab uses.
    pub(super) fn own_profile(&self) -> Option<&str> {
        self.world.instance(self.lab).and_then(notes_profile)
    }

    /// A snapshot name that the lab does not have: `BASE-1`, `BASE-2`, ...
    pub(super) fn free_snapshot(&self, base: &str) -> String {
        let taken = self.world.snapshots_of(self.lab);
        (1..=u32::MAX)
            .map(|n| format!("{base}-{n}"))
            .find(|name| !taken.contains(name))
            .unwrap_or_default()
    }
}

fn free(base: &str, taken: impl Fn(&str) -> bool) -> String {
    let more = (2..=u32::MAX).map(|n| format!("{base}-{n}"));
    std::iter::once(base.to_owned())
        .chain(more)
        .find(|name| !taken(name))
        .unwrap_or_default()
}

/// Turns choices into a plan.
///
/// # Errors
/// A choice does not fit what exists, or an answer its option.
pub fn plan(world: &World, catalog: &Catalog, requests: &[Request]) -> Result<Plan, PlanError> {
    // Whether a lab exists is not known before the engine runs.
    let on_docker = |r: &Request| engine(world, catalog, r) == Engine::Docker;
    let is_lab = |r: &&Request| r.choice != Choice::Skip && r.lab != HOST;
    let mut wanted = requests.iter().filter(is_lab).peekable();
    let docker_alone = wanted.peek().is_some() && wanted.all(on_docker);
    if let Some(engine) = world.asleep.as_ref().filter(|_| !docker_alone) {
        let host = host::wake(world, catalog, engine)?;
        return Ok(Plan {
            version: VERSION,
            host,
            labs: vec![],
            losses: Losses::default(),
        });
    }
    let cases = requests
        .iter()
        .filter(|r| r.choice != Choice::Skip && r.lab != HOST)
        .map(|request| Ok((request, case(world, catalog, request)?)))
        .collect::<Result<Vec<_>, PlanError>>()?;
    no_twins(requests)?;
    let labs = cases
        .iter()
        .map(|(request, case)| track(request, case))
        .collect::<Result<Vec<_>, _>>()?;
    // Answers for the host's own stage come as a request that changes nothing else.
    let given = requests
        .iter()
        .find(|r| r.lab == HOST)
        .map(|r| r.answers.clone())
        .unwrap_or_default();
    let host = host::actions(world, catalog, &given, &cases)?;
    let mut plan = Plan {
        version: VERSION,
        host,
        labs,
        losses: Losses::default(),
    };
    plan.losses = Losses::of(&plan, world, |_| false);
    Ok(plan)
}

/// Tracks run side by side: no two may work on the same instance.
fn no_twins(requests: &[Request]) -> Result<(), PlanError> {
    let mut names = std::collections::BTreeSet::new();
    for request in requests.iter().filter(|r| r.choice != Choice::Skip) {
        let copy = match &request.choice {
            Choice::RestoreAs(_, name) if *name != request.lab => Some(name),
            _ => None,
        };
        for name in std::iter::once(&request.lab).chain(copy) {
            if !names.insert(name) {
                return Err(PlanError::Twice(crate::log::sanitize(name)));
            }
        }
    }
    Ok(())
}

fn track(request: &Request, case: &Case<'_>) -> Result<Track, PlanError> {
    let mut track = match &request.choice {
        Choice::Create => create::track(case),
        Choice::Restore(snapshot) => change::restore(case, snapshot),
        Choice::RestoreAs(snapshot, name) => change::restore_as(case, snapshot, name),
        Choice::Recreate => swap::recreate(case),
        Choice::RecreateFromClean => swap::recreate_from_clean(case),
        Choice::BringBack(kept) => swap::bring_back(case, kept),
        Choice::Update => change::update(case),
        Choice::Renew => change::renew(case),
        Choice::SetAside => Ok(swap::set_aside(case)),
        Choice::Remove => Ok(change::remove(case)),
        Choice::Adopt => change::adopt(case),
        Choice::Prove => change::prove(case),
        Choice::Skip => return Err(PlanError::Blocked("skip has no plan".into())),
    }?;
    track.choice = request.choice.clone();
    if builds(&request.choice) {
        let (options, facts) = (&case.stage.options, &case.world.facts);
        let refusals = offer::all_refusals(options, &case.answers, case.image, facts);
        track.notes = refusals.iter().map(offer::Refusal::text).collect();
    }
    track
        .notes
        .extend(super::containers::notes(case, &request.choice));
    super::containers::unnamed(case, &request.choice, &mut track);
    jobs::name(case.whole, &mut track);
    Ok(track)
}

/// Whether a choice makes a lab anew, from what this machine can now.
fn builds(choice: &Choice) -> bool {
    matches!(choice, Choice::Create | Choice::Recreate | Choice::Adopt)
}

fn case<'a>(world: &'a World, catalog: &'a Catalog, request: &'a Request) -> Result<Case<'a>, PlanError> {
    let whole = world;
    let name_ok = valid_name(&request.lab);
    if !name_ok {
        return Err(PlanError::Name(crate::log::sanitize(&request.lab)));
    }
    let stage = catalog.get(&request.stage).ok_or_else(|| PlanError::Stage {
        stage: crate::log::sanitize(&request.stage),
        known: catalog.iter().map(|s| s.id.clone()).collect(),
    })?;
    let engine = engine(whole, catalog, request);
    let world = whole.of(engine).map_err(PlanError::Blocked)?;
    let presence = world.presence(&request.lab);
    stands_elsewhere(whole, engine, stage, request)?;
    match (&request.choice, presence) {
        (_, Presence::Foreign) if engine == Engine::Docker => {
            return Err(PlanError::ForeignContainer(request.lab.clone()));
        }
        // The way back is open too where a broken swap left no whole lab.
        (Choice::Create | Choice::BringBack(_), Presence::Missing | Presence::Unfinished)
        | (Choice::Adopt, Presence::Foreign)
        | (Choice::Remove, Presence::Ours | Presence::Unfinished) => {}
        (_, Presence::Foreign) => return Err(PlanError::Foreign(request.lab.clone())),
        (Choice::Create | Choice::Adopt, Presence::Ours) => {
            return Err(PlanError::Exists(request.lab.clone()));
        }
        (_, Presence::Ours) => {}
        (_, Presence::Missing) => return Err(PlanError::Missing(request.lab.clone())),
        (_, Presence::Unfinished) => return Err(PlanError::Unfinished(request.lab.clone())),
    }
    // What comes back is proven with the answers that it was made with.
    let made = match &request.choice {
        Choice::BringBack(kept) => kept,
        _ => &request.lab,
    };
    let mut given = former_answers(whole, made);
    given.extend(request.answers.clone());
    let mut facts = world.facts.clone();
    if !builds(&request.choice) {
        // What a lab was made for stays what it is for: it must be possible to restore or remove it.
        facts.retain(|name, _| !name.starts_with("unfit_"));
    }
    let answers =
        crate::stage::answers::resolve(stage, &given, &facts).map_err(|source| PlanError::Answer {
            lab: request.lab.clone(),
            source,
        })?;
    let image = crate::stage::answers::image(stage, &answers);
    let server = world.server.clone().unwrap_or_default();
    Ok(Case {
        world,
        whole,
        engine,
        stage,
        lab: &request.lab,
        answers,
        image,
        server,
    })
}

/// The engine of what is asked for: where the instance is that it is about; else that of its stage.
fn engine(world: &World, catalog: &Catalog, request: &Request) -> Engine {
    let about = match &request.choice {
        Choice::BringBack(kept) => kept,
        _ => &request.lab,
    };
    if world.instance(about).is_some() {
        return world.part_with(about).engine;
    }
    catalog
        .get(&request.stage)
        .map_or(Engine::Lxd, |stage| stage.backend.into())
}

/// A lab is made, or made anew, by the engine of its stage alone, and under a name that no other engine has.
fn stands_elsewhere(
    world: &World,
    engine: Engine,
    stage: &Stage,
    request: &Request,
) -> Result<(), PlanError> {
    let wanted: Engine = stage.backend.into();
    let makes = matches!(
        request.choice,
        Choice::Create | Choice::Recreate | Choice::Update | Choice::Renew | Choice::Adopt
    );
    if !makes || engine == wanted {
        return Ok(());
    }
    let server = world.of(engine).ok().and_then(|part| part.server.as_ref());
    Err(PlanError::Elsewhere {
        lab: request.lab.clone(),
        has: server.map_or_else(|| engine.title(), Server::title),
        stage: stage.id.clone(),
        wanted: wanted.title(),
    })
}

/// Whether we may give an instance this name; room is left for `-prev-9` and `-next`.
pub fn valid_name(name: &str) -> bool {
    let ok = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    name.len() <= 40
        && !name.starts_with('-')
        && !name.ends_with('-')
        && !name.is_empty()
        && name.chars().all(ok)
}

/// The answers that a lab was made with, as stored on it; secrets are never stored.
pub fn former_answers(world: &World, lab: &str) -> Answers {
    let text = world.instance(lab).and_then(|i| i.tag("answers"));
    text.and_then(|t| serde_json::from_str(t).ok())
        .unwrap_or_default()
}
