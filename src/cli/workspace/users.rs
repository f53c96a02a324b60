//! Adding, changing and removing users.

use std::{
    fs,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, lchown},
    path::Path,
};

use crate::{
    host::{Root, folder},
    plan::Choice,
    workspace::{
        User, backup, edit, gpus,
        resources::{self, Capacity},
        settings::check_name,
        spec,
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
    check_name(name).map_err(Stop::usage)?;
    if ground.settings.users.contains_key(name) {
        return Err(Stop::blocked(format!(
            "{name} is there already; change it with `halolab workspace edit {name}`"
        )));
    }
    let mut user = User::default();
    args.limits.lay(&mut user)?;
    check(name, &user)?;
    let password = secret::asked(setup, name, args.ask_password)?;
    let keys = args.ssh_keys.as_deref().map(secret::read_keys).transpose()?;
    // A slot first: whoever is in the settings has one.
    let slot = ground.slot(name)?;
    make_folders(&ground, name, &user, slot)?;
    let secrets = ground.secrets(name);
    if let Some(password) = &password {
        secrets.rotate(Some(password)).map_err(Stop::usage)?;
    }
    secrets.complete().map_err(Stop::blocked)?;
    if let Some(keys) = keys {
        secrets.set_keys(&keys).map_err(Stop::usage)?;
    }
    ground.settings = edit::put_user(&ground.places.settings, name, &user).map_err(Stop::usage)?;
    change::warn(&ground.settings, name, &user);
    hints(&ground, name);
    if setup.global.json {
        return list::show_json(&ground, name, "added");
    }
    if !setup.global.quiet {
        list::addresses(&ground, name, &user, slot);
        out(&format!(
            "{name} is added. Start: `halolab workspace start {name}`; the password: `halolab workspace secrets show {name}`"
        ));
    }
    Ok(Code::OK)
}

/// Refuses what the file would be refused for, before anything is made.
fn check(name: &str, user: &User) -> Result<(), Stop> {
    match user.problems(name).into_iter().next() {
        None => Ok(()),
        Some((key, why)) => Err(Stop::usage(format!(
            "nothing was changed: `{key}` of {name}: {why}"
        ))),
    }
}

/// What of all users together does not fit any more.
fn hints(ground: &Ground, name: &str) {
    let sums = resources::sums(&ground.settings, Capacity::look(&Root::new(&folder())));
    for wrong in &sums.wrong {
        note(&format!("note: {wrong}"));
    }
    let today = jiff::Zoned::now().date().to_string();
    let holds = gpus::holds(&ground.settings, &today);
    for conflict in holds.conflicts.iter().filter(|text| text.contains(name)) {
        note(&format!("note: {conflict}"));
    }
    for collision in ground.collisions(&|_| false).iter().filter(|c| c.user == name) {
        note(&format!("note: {}", collision.text()));
    }
}

/// The user's folders, where they are missing; those that are theirs belong to them, and the home to them alone.
pub(super) fn make_folders(ground: &Ground, name: &str, user: &User, slot: u32) -> Result<(), Stop> {
    let uid = spec::uid(user, slot);
    for wanted in spec::folders(&ground.settings.root, name) {
        let mode = if wanted.id == "home" { 0o700 } else { 0o755 };
        let failed = |error: std::io::Error| {
            Stop::blocked(format!(
                "the folder {} cannot be made: {error}; make it as root, or take another root with `halolab workspace setup \
                 --root DIR`",
                wanted.source.display()
            ))
        };
        if fs::symlink_metadata(&wanted.source).is_ok_and(|found| found.is_dir()) {
            continue;
        }
        if let Some(above) = wanted.source.parent() {
            fs::create_dir_all(above).map_err(failed)?;
        }
        fs::DirBuilder::new()
            .mode(mode)
            .create(&wanted.source)
            .map_err(failed)?;
        if wanted.own {
            own(&wanted.source, uid).map_err(failed)?;
        }
    }
    Ok(())
}

/// Who is not root leaves it to the container's first process.
fn own(folder: &Path, uid: u32) -> std::io::Result<()> {
    let owner = fs::symlink_metadata(folder)?.uid();
    if owner != uid && rustix::process::geteuid().is_root() {
        lchown(folder, Some(uid), Some(uid))?;
    }
    Ok(())
}

pub(super) fn edit(setup: &Setup, args: EditArgs) -> Result<Code, Stop> {
    let (mut ground, _guard) = Ground::hold(setup)?;
    let name = args.user.as_str();
    let before = ground.user(name)?.clone();
    let mut user = before.clone();
    args.limits.lay(&mut user)?;
    check(name, &user)?;
    let slot = ground.slot(name)?;
    if spec::uid(&before, slot) != spec::uid(&user, slot) {
        note(&format!(
            "note: files of {name} still belong to the old user id; give them over with `chown -R --from={} {} {}`",
            spec::uid(&before, slot),
            spec::uid(&user, slot),
            ground.settings.root.join("homes").join(name).display()
        ));
    }
    ground.settings = edit::put_user(&ground.places.settings, name, &user).map_err(Stop::usage)?;
    if user != before {
        change::warn(&ground.settings, name, &user);
        hints(&ground, name);
    }
    if setup.global.json {
        return list::show_json(
            &ground,
            name,
            if user == before { "unchanged" } else { "changed" },
        );
    }
    let text = if user == before {
        format!("{name} is as it was; say what to change: `halolab workspace edit --help`")
    } else {
        format!("{name} is changed; it counts after `halolab workspace restart {name}`")
    };
    out(&text);
    Ok(Code::OK)
}

fn set_disabled(setup: &Setup, name: &str, disabled: bool) -> Result<(), Stop> {
    let (ground, _guard) = Ground::hold(setup)?;
    let mut user = ground.user(name)?.clone();
    user.disabled = disabled;
    edit::put_user(&ground.places.settings, name, &user).map_err(Stop::usage)?;
    Ok(())
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
    let known = ground.settings.users.contains_key(name) || ground.ledger.slot(name).is_some();
    if !known {
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
    ground.settings = edit::remove_user(&ground.places.settings, name).map_err(Stop::usage)?;
    if typed.is_some() {
        delete_data(&mut ground, name)?;
    }
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
    for folder in ground.data(name) {
        note(&format!("{word}: {}", folder.display()));
    }
    if ground.settings.users.get(name).is_some_and(|user| user.docker) {
        note(&format!(
            "keeps: the volume {} with the images of Docker inside; `docker volume rm` removes it",
            spec::docker_volume(name)
        ));
    }
}

fn delete_data(ground: &mut Ground, name: &str) -> Result<(), Stop> {
    let root = ground.settings.root.clone();
    for folder in spec::folders(&root, name)
        .into_iter()
        .filter(|folder| folder.id != "shared")
    {
        backup::delete(&root, &folder.source).map_err(|error| {
            Stop::new(
                Code::FAILED,
                format!(
                    "{error}; what is left keeps the ports of {name}: try again with --delete-data {name}"
                ),
            )
        })?;
    }
    ground.secrets(name).remove()?;
    ground.ledger.release(name);
    ground.ledger.write(&ground.places.ledger).map_err(Stop::blocked)
}
