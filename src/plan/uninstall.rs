//! What takes back all that halolab did to this machine. Labs stay unless they are named; while instances stay, the
//! engine and what it needs stay too.

use crate::{host::made, labs::World};

use super::{Action, Plan, Step, Undo, words::Words};

/// What there is to take back.
#[derive(Clone, Debug, Default)]
pub struct Wish {
    /// Labs that go too, by name.
    pub labs: Vec<String>,
    /// Changes of the boot configuration, newest first: id, and what each is.
    pub boot: Vec<(String, String)>,
    /// What else was made, newest first.
    pub made: Vec<made::Made>,
}

/// The plan, and what stays, in sentences.
#[derive(Clone, Debug, PartialEq)]
pub struct Uninstall {
    /// What is done.
    pub plan: Plan,
    /// What stays, and why.
    pub keeps: Vec<String>,
}

/// Kinds that labs need; in the order in which they are taken back.
const OF_LABS: [&str; 9] = [
    "image",
    "network",
    "pool",
    "rule",
    "firewalld",
    "ufw",
    "process",
    "enabled",
    "package",
];

/// Kinds that labs do not need, or need only to be reached more easily.
const OWN: [&str; 4] = ["group", "unit", "file", "line"];

/// Plans it. Everything is an action of the host, one after another: the engine goes after its labs.
pub fn uninstall(world: &World, wish: &Wish) -> Uninstall {
    let words = Words {
        lab: "uninstall",
        client: world.server.as_ref().map_or("lxc", |s| s.client()),
    };
    let mut host = labs(world, wish, &words);
    for (id, what) in &wish.boot {
        host.push(Action {
            undo: Undo::By("the same change anew, with `halolab doctor --fix`".into()),
            ..words.action(
                &format!("boot-{id}"),
                format!("take back the change of the boot configuration: {what}"),
                format!("halolab doctor --undo {id}"),
                Step::UndoBoot { id: id.clone() },
            )
        });
    }
    let left: Vec<&str> = world
        .instances
        .iter()
        .map(|i| i.name.as_str())
        .filter(|name| !wish.labs.iter().any(|gone| gone == name))
        .collect();
    // Whether labs are there cannot be asked of an engine that does not run.
    let stays = !left.is_empty() || world.asleep.is_some();
    let kinds = OWN.iter().chain(OF_LABS.iter().filter(|_| !stays));
    for kind in kinds {
        let things: Vec<&made::Made> = wish
            .made
            .iter()
            .filter(|m| m.kind == **kind)
            .filter(|m| !(stays && is_of_labs(m)))
            .collect();
        host.extend(action(&words, kind, &things));
    }
    let keeps = keeps(wish, stays, &left);
    let plan = Plan {
        version: super::planner::VERSION,
        host,
        labs: vec![],
    };
    Uninstall { plan, keeps }
}

/// What stays, and why.
fn keeps(wish: &Wish, stays: bool, left: &[&str]) -> Vec<String> {
    let mut keeps = vec![];
    if stays {
        let why = if left.is_empty() {
            "the engine does not run, and whether it holds labs is not known: `halolab start`".to_owned()
        } else {
            format!(
                "these use it: {}; name labs that go too with --with-labs",
                left.join(", ")
            )
        };
        let engine = wish.made.iter().filter(|m| is_of_labs(m));
        let things: Vec<String> = engine.map(|m| format!("{} {}", m.kind, m.rest)).collect();
        if !things.is_empty() {
            keeps.push(format!("{}: {why}", things.join(", ")));
        } else if !left.is_empty() {
            keeps.push(format!("the instances {}", left.join(", ")));
        }
    }
    let known = |m: &&made::Made| OWN.contains(&m.kind.as_str()) || OF_LABS.contains(&m.kind.as_str());
    let strange: Vec<&str> = wish
        .made
        .iter()
        .filter(|m| !known(m))
        .map(|m| m.kind.as_str())
        .collect();
    if !strange.is_empty() {
        keeps.push(format!(
            "what a newer halolab made, which only it can take back: {}",
            strange.join(", ")
        ));
    }
    keeps.push("data folders of labs, with all that is in them".into());
    keeps
}

/// Whether labs that stay need it.
fn is_of_labs(made: &made::Made) -> bool {
    let firewall = made.rest.contains("firewall") || made.rest.contains("sysctl") || made.kind == "line";
    OF_LABS.contains(&made.kind.as_str()) || (OWN.contains(&made.kind.as_str()) && firewall)
}

fn labs(world: &World, wish: &Wish, words: &Words<'_>) -> Vec<Action> {
    let named = wish.labs.iter().filter_map(|name| world.instance(name));
    let delete = |i: &crate::backend::Instance| {
        let count = world.snapshots_of(&i.name).len();
        let lost = format!("{} with its {count} snapshots; nothing brings it back", i.name);
        words.delete(&i.name, &i.uuid, lost)
    };
    named.map(delete).collect()
}

fn action(words: &Words<'_>, kind: &str, things: &[&made::Made]) -> Vec<Action> {
    let each = |step: fn(String) -> Step, what: &str, verb: &str| {
        let one = |m: &&made::Made| {
            let name = m.rest.clone();
            words.action(
                &format!("{kind}-{name}"),
                format!("remove the {what} {name} that halolab made, if nothing is on it"),
                format!("{} {verb} delete {name}", words.client),
                step(name),
            )
        };
        things.iter().map(one).collect()
    };
    match kind {
        _ if things.is_empty() => vec![],
        "image" => each(|alias| Step::DeleteImage { alias }, "image", "image"),
        "pool" => each(|name| Step::DeletePool { name }, "storage pool", "storage"),
        "network" => each(|name| Step::DeleteNetwork { name }, "bridge", "network"),
        _ => {
            let Some(script) = made::revert(kind, things) else {
                return vec![];
            };
            let list: Vec<&str> = things.iter().map(|m| m.rest.as_str()).collect();
            let revert = Step::Revert {
                made: things.iter().map(|m| (*m).clone()).collect(),
                script,
            };
            vec![words.action(
                kind,
                format!("take back {}: {}", title(kind), list.join(", ")),
                format!("sudo sh -eu  # takes back {}", title(kind)),
                revert,
            )]
        }
    }
}

fn title(kind: &str) -> &'static str {
    match kind {
        "package" => "the packages that halolab installed, where nothing else needs them",
        "group" => "your membership in the engine's group",
        "file" => "the files that halolab wrote",
        "unit" => "the service that halolab made",
        "enabled" => "the services that halolab turned on",
        "line" => "the lines that halolab added",
        "rule" | "firewalld" | "ufw" => "exceptions of the firewall",
        _ => "the engine that halolab started",
    }
}
