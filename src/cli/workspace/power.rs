//! Starting, renewing and making workspaces anew: each is a lab, and all of it a plan.

use std::collections::BTreeMap;

use crate::{
    labs::Presence,
    plan::{Choice, Request},
    workspace::{self, ground::no_image, spec, users},
};

use super::{
    super::{
        Code, Setup, Stop,
        consent::agree_and_run,
        labs::{self, StopArgs},
        plan::{Consent, Planned},
        shell as lab_shell,
        table::{json, note, out},
    },
    ChangeArgs, Ground, NamesArgs, check_ports, seen, settle,
};

/// Agreed to by the verb itself: nothing is lost by it.
pub(super) fn agreed() -> Consent {
    Consent {
        yes: true,
        accept_plan: None,
        dry_run: false,
        trust: vec![],
    }
}

/// The users that were named, or all who are not disabled.
pub(super) fn chosen(ground: &Ground, users: &[String], all: bool) -> Result<Vec<String>, Stop> {
    if all {
        let on = ground.settings.users.iter().filter(|(_, user)| !user.disabled);
        return Ok(on.map(|(name, _)| name.clone()).collect());
    }
    for name in users {
        if ground.user(name)?.disabled {
            return Err(Stop::blocked(format!(
                "{name} is disabled; `halolab workspace enable {name}` first"
            )));
        }
    }
    Ok(users.to_vec())
}

/// Slots, folders and secrets of users that are to start: who was written into the file by hand has none yet.
pub(super) fn ready(setup: &mut Setup, names: &[String]) -> Result<Ground, Stop> {
    let (mut ground, _guard) = Ground::hold(setup)?;
    users::ready(&mut ground, names)?;
    setup.catalog = workspace::catalog(&setup.paths);
    Ok(ground)
}

/// The image has to be here: it is built, and not fetched.
pub(super) async fn has_image(setup: &Setup, ground: &Ground) -> Result<(), Stop> {
    let name = ground.settings.image_name();
    let docker = setup.docker().await.map_err(Stop::blocked)?;
    if docker.image(&name).await?.is_some() {
        return Ok(());
    }
    Err(Stop::blocked(no_image(&name)))
}

/// Plans these choices, and carries them out once the user agrees.
pub(super) async fn run(
    setup: &Setup,
    wanted: Vec<(String, Choice)>,
    consent: &Consent,
) -> Result<Code, Stop> {
    let world = match (setup.world_of(&[], true).await, setup.docker().await) {
        (Err(_), Err(why)) => return Err(Stop::blocked(why)),
        (world, _) => world?,
    };
    let request = |(user, choice): (String, Choice)| {
        let lab = spec::lab(&user);
        Request {
            stage: lab.clone(),
            lab,
            choice,
            answers: BTreeMap::new(),
        }
    };
    let requests: Vec<Request> = wanted.into_iter().map(request).collect();
    let planned = Planned {
        plan: crate::plan::plan(&world, &setup.catalog, &requests)?,
        secrets: BTreeMap::new(),
        wakes: false,
    };
    agree_and_run(setup, planned, consent).await
}

pub(super) async fn start(setup: &mut Setup, args: NamesArgs) -> Result<Code, Stop> {
    let users = chosen(&Ground::look(setup)?, &args.users, args.all)?;
    let ground = ready(setup, &users)?;
    let found = seen(setup, &ground).await;
    check_ports(&ground.collisions(&|user| found.running(user)), &users)?;
    let mut wanted = vec![];
    for user in users {
        match found.states.get(&user) {
            None | Some((Presence::Unfinished, _)) => wanted.push((user, Choice::Create)),
            Some(_) if found.running(&user) => {
                note(&format!(
                    "{user} runs already; `halolab workspace restart {user}` gives it what was changed"
                ));
            }
            Some(_) => wanted.push((user, Choice::Renew)),
        }
    }
    if wanted.is_empty() {
        return nothing(setup);
    }
    if wanted.iter().any(|(_, choice)| *choice == Choice::Create) {
        has_image(setup, &ground).await?;
    }
    let started: Vec<String> = wanted.iter().map(|(user, _)| user.clone()).collect();
    match run(setup, wanted, &agreed()).await? {
        Code::OK => settle::all(setup, &ground, &started).await,
        code => Ok(code),
    }
}

pub(super) fn nothing(setup: &Setup) -> Result<Code, Stop> {
    if setup.global.json {
        json(&serde_json::json!({"v": 1, "done": "nothing to do"}))?;
    } else {
        out("Nothing to do.");
    }
    Ok(Code::OK)
}

pub(super) async fn stop(setup: &Setup, args: NamesArgs) -> Result<Code, Stop> {
    let ground = Ground::look(setup)?;
    let found = seen(setup, &ground).await;
    let users: Vec<String> = if args.all {
        ground
            .settings
            .users
            .keys()
            .filter(|user| found.running(user))
            .cloned()
            .collect()
    } else {
        for user in &args.users {
            ground.user(user)?;
        }
        args.users
    };
    if users.is_empty() {
        return nothing(setup);
    }
    let labs = users.iter().map(|user| spec::lab(user)).collect();
    labs::stop(setup, StopArgs::of(labs, args.yes)).await
}

/// Those of the users that have a workspace; the others are told.
pub(super) async fn made(setup: &Setup, ground: &Ground, users: Vec<String>) -> Result<Vec<String>, Stop> {
    let found = seen(setup, ground).await;
    if let Some(away) = found.away {
        return Err(Stop::blocked(away));
    }
    check_ports(&ground.collisions(&|user| found.running(user)), &users)?;
    let (made, none): (Vec<_>, Vec<_>) = users
        .into_iter()
        .partition(|user| found.states.contains_key(user));
    for user in none {
        note(&format!(
            "{user} has no workspace yet; make it with `halolab workspace start {user}`"
        ));
    }
    Ok(made)
}

pub(super) async fn restart(setup: &mut Setup, args: ChangeArgs) -> Result<Code, Stop> {
    let users = chosen(&Ground::look(setup)?, &args.users, args.all)?;
    let ground = ready(setup, &users)?;
    let users = made(setup, &ground, users).await?;
    if users.is_empty() {
        return nothing(setup);
    }
    let wanted = users.iter().map(|user| (user.clone(), Choice::Renew)).collect();
    match run(setup, wanted, &args.consent).await? {
        Code::OK if !args.consent.dry_run => settle::all(setup, &ground, &users).await,
        code => Ok(code),
    }
}

pub(super) async fn shell(setup: &Setup, user: &str, command: Vec<String>) -> Result<Code, Stop> {
    Ground::look(setup)?.user(user)?;
    let command = if command.is_empty() {
        spec::login(user)
    } else {
        command
    };
    lab_shell::program(setup, spec::lab(user), command).await
}
