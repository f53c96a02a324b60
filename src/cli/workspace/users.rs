//! Adding, changing and removing users.

use crate::{
    plan::Choice,
    workspace::{
        User,
        settings::check_name,
        spec,
        users::{self, Given},
    },
};

use super::{
    super::{
        Code, Setup, Stop,
        labs::{self, StopArgs},
        plan::{PlanArgs, make_and_run},
        table::{json, note, out},
    },
    AddArgs, EditArgs, Ground, RemoveArgs, change, list, secret, seen,
};

pub(super) fn add(setup: &Setup, args: AddArgs) -> Result<Code, Stop> {
    let (mut ground, _guard) = Ground::hold(setup)?;
    let name = args.user.as_str();
    let mut user = User::default();
    args.limits.lay(&mut user)?;
    users::may_be_added(&ground, name, &user)?;
    let given = Given {
        password: secret::asked(setup, name, args.ask_password)?,
        keys: args.ssh_keys.as_deref().map(secret::read_keys).transpose()?,
    };
    users::add(&mut ground, name, &user, &given)?;
    tell(&ground, name, &user, true);
    if setup.global.json {
        return list::show_json(&ground, name, "added");
    }
    if !setup.global.quiet {
        list::addresses(&ground, name, &user);
        out(&format!(
            "{name} is added. Start: `halolab workspace start {name}`; the password: `halolab workspace secrets show {name}`"
        ));
    }
    Ok(Code::OK)
}

/// What a reader has to know of a user who was added or changed.
fn tell(ground: &Ground, name: &str, user: &User, added: bool) {
    change::warn(&ground.settings, name, user);
    for text in users::hints(ground, name, added) {
        note(&text);
    }
}

pub(super) fn edit(setup: &Setup, args: EditArgs) -> Result<Code, Stop> {
    let (mut ground, _guard) = Ground::hold(setup)?;
    let name = args.user.as_str();
    let mut user = ground.user(name)?.clone();
    args.limits.lay(&mut user)?;
    let (changed, notes) = users::change(&mut ground, name, &user)?;
    for text in notes {
        note(&text);
    }
    if changed {
        tell(&ground, name, &user, false);
    }
    if setup.global.json {
        return list::show_json(&ground, name, if changed { "changed" } else { "unchanged" });
    }
    let text = if changed {
        format!("{name} is changed; it counts after `halolab workspace restart {name}`")
    } else {
        format!("{name} is as it was; say what to change: `halolab workspace edit --help`")
    };
    out(&text);
    Ok(Code::OK)
}

fn set_disabled(setup: &Setup, name: &str, disabled: bool) -> Result<(), Stop> {
    let (mut ground, _guard) = Ground::hold(setup)?;
    Ok(users::set_disabled(&mut ground, name, disabled)?)
}

pub(super) async fn disable(setup: &Setup, name: &str, yes: bool) -> Result<Code, Stop> {
    let ground = Ground::look(setup)?;
    ground.user(name)?;
    let found = seen(setup, &ground).await;
    if found.running(name) {
        labs::stop(setup, StopArgs::of(vec![spec::lab(name)], yes)).await?;
    }
    set_disabled(setup, name, true)?;
    if let Some(away) = found.away.filter(|_| !found.absent) {
        note(&format!("note: whether it runs is not known: {away}"));
    }
    done(
        setup,
        name,
        "disabled",
        "is disabled: it is not started until `halolab workspace enable`",
    )
}

pub(super) fn enable(setup: &Setup, name: &str) -> Result<Code, Stop> {
    set_disabled(setup, name, false)?;
    done(
        setup,
        name,
        "enabled",
        "is enabled; start it with `halolab workspace start`",
    )
}

fn done(setup: &Setup, name: &str, word: &str, text: &str) -> Result<Code, Stop> {
    if setup.global.json {
        json(&serde_json::json!({"v": 1, "user": name, "done": word}))?;
    } else if !setup.global.quiet {
        out(&format!("{name} {text}"));
    }
    Ok(Code::OK)
}

pub(super) async fn remove(setup: &Setup, args: RemoveArgs) -> Result<Code, Stop> {
    let name = args.user.as_str();
    let ground = Ground::look(setup)?;
    check_name(name).map_err(Stop::usage)?;
    if !users::is_known(&ground, name) {
        ground.user(name)?;
    }
    let typed = args.delete_data.as_deref();
    if typed.is_some_and(|typed| typed != name) {
        return Err(Stop::usage(format!(
            "nothing was removed: to delete the data of {name} for ever, type the name: `--delete-data {name}`"
        )));
    }
    let found = seen(setup, &ground).await;
    if let Some(away) = found.away.as_ref().filter(|_| !found.absent) {
        let unknown = format!("whether {name} has a container is not known: {away}");
        if typed.is_some() {
            return Err(Stop::blocked(format!("nothing was removed: {unknown}")));
        }
        // The slot is kept, and by it the user is known here until then.
        note(&format!(
            "note: {unknown}; once it is, `halolab workspace remove {name}` removes that, too"
        ));
    }
    tell_data(&ground, name, typed.is_some());
    let mut labs = found.versions.get(name).cloned().unwrap_or_default();
    labs.extend(found.states.contains_key(name).then(|| spec::lab(name)));
    if !labs.is_empty() {
        // Without its user nobody would know what an earlier version is.
        let plan = PlanArgs {
            labs,
            ..PlanArgs::of(String::new(), Choice::Remove)
        };
        let code = make_and_run(setup, &plan, &args.consent).await?;
        if code != Code::OK || args.consent.dry_run {
            return Ok(code);
        }
    } else if args.consent.dry_run {
        return Ok(Code::OK);
    } else if !args.consent.yes {
        ask(setup, name)?;
    }
    let (mut ground, _guard) = Ground::hold(setup)?;
    users::remove(&mut ground, name, typed.is_some())?;
    let text = if typed.is_some() {
        "is removed, with all data"
    } else {
        "is removed; the data stays, and the ports are kept for who comes back"
    };
    done(setup, name, "removed", text)
}

fn ask(setup: &Setup, name: &str) -> Result<(), Stop> {
    use std::io::IsTerminal as _;
    if setup.global.no_input || setup.global.json || !std::io::stdin().is_terminal() {
        return Err(Stop::usage(format!(
            "nothing was removed: say yes with --yes, for {name}"
        )));
    }
    super::super::consent::yes(&format!("Remove {name}?"))
}

/// What stays, or goes for ever, a line each.
fn tell_data(ground: &Ground, name: &str, deletes: bool) {
    let word = if deletes { "DELETES for ever" } else { "keeps" };
    let (folders, volume) = users::left(ground, name);
    for folder in folders {
        note(&format!("{word}: {folder}"));
    }
    if let Some(volume) = volume {
        note(&format!("keeps: {volume}"));
    }
}
