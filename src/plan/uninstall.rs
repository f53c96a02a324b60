//! What takes back all that halolab did to this machine. Labs stay unless they are named; while instances stay, or may
//! stay, the engine and what it needs stay too.

use std::collections::BTreeSet;

use crate::{
    backend::{Engine, lxd::Elsewhere},
    host::made,
    labs::{World, counted},
};

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
    /// Instances of all projects of the engine that answers; none where it does not show them all.
    pub everywhere: Option<Vec<String>>,
    /// The other engines of this machine.
    pub others: Vec<Elsewhere>,
}

/// The plan, and what stays, in sentences.
#[derive(Clone, Debug, PartialEq)]
pub struct Uninstall {
    /// What is done.
    pub plan: Plan,
    /// What stays, and why.
    pub keeps: Vec<String>,
    /// What was made and is not taken back.
    pub stays: Vec<made::Made>,
}

/// Kinds that labs do not need, or need only to be reached more easily; in the order in which they are taken back.
const OWN: [&str; 3] = ["unit", "file", "line"];

/// Kinds that are on an engine: another one may have things of the same names.
const ON_ENGINE: [&str; 3] = ["image", "network", "pool"];

/// Kinds that let an engine's bridges through.
const FIREWALL: [&str; 3] = ["rule", "firewalld", "ufw"];

/// The engine itself. One action: once it is stopped it cannot be asked any more whether it holds anything.
const ENGINE: [&str; 3] = ["process", "enabled", "package"];

/// Goes last: who is not in the group any more may not ask the engine.
const LAST: &str = "group";

/// Plans it. Everything is an action of the host, one after another: the engine goes after its labs.
pub fn uninstall(world: &World, wish: &Wish) -> Uninstall {
    let words = Words {
        lab: "uninstall",
        client: world.server.as_ref().map_or("lxc", |s| s.client()),
        engine: Engine::Lxd,
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
    let ground = Ground::new(world, wish);
    let goes = |kind: &str| -> Vec<&made::Made> {
        let of_kind = wish.made.iter().filter(|m| m.kind == kind);
        of_kind.filter(|m| ground.keeps(m).is_none()).collect()
    };
    for kind in OWN.iter().chain(&ON_ENGINE).chain(&FIREWALL) {
        host.extend(action(&words, kind, &goes(kind)));
    }
    host.extend(engine(&words, &ENGINE.map(goes)));
    host.extend(action(&words, LAST, &goes(LAST)));
    let stays = wish
        .made
        .iter()
        .filter(|m| !is_known(m) || ground.keeps(m).is_some());
    Uninstall {
        keeps: keeps(wish, &ground),
        stays: stays.cloned().collect(),
        plan: Plan {
            version: super::planner::VERSION,
            host,
            labs: vec![],
            losses: super::Losses::default(),
        },
    }
}

/// What is known of the engines of this machine.
struct Ground<'a> {
    world: &'a World,
    wish: &'a Wish,
    /// Instances of the engine that answers that do not go.
    left: BTreeSet<&'a str>,
}

impl<'a> Ground<'a> {
    fn new(world: &'a World, wish: &'a Wish) -> Self {
        let seen = world.instances.iter().map(|i| i.name.as_str());
        let all = seen.chain(wish.everywhere.iter().flatten().map(String::as_str));
        let left = all.filter(|name| !wish.labs.iter().any(|gone| gone == name));
        let left = left.collect();
        Self { world, wish, left }
    }

    /// Why a thing stays; none where it goes. What is not known keeps it.
    fn keeps(&self, made: &made::Made) -> Option<String> {
        if !is_of_labs(made) {
            return None;
        }
        // Whether labs are there cannot be asked of an engine that does not run.
        if self.world.asleep.is_some() {
            return Some(
                "the engine does not run, and whether it holds labs is not known: `halolab start`".into(),
            );
        }
        if !self.left.is_empty() {
            return Some(format!(
                "these use it: {}; name labs that go too with --with-labs",
                self.names()
            ));
        }
        if self.world.server.is_some() && self.wish.everywhere.is_none() {
            return Some(
                "the engine does not show the instances of all its projects, and one of them may use it"
                    .into(),
            );
        }
        if ON_ENGINE.contains(&made.kind.as_str()) {
            self.of_another(made)
        } else {
            self.may_be_needed(made)
        }
    }

    /// Why a thing on an engine is not provably one of the engine that answers.
    fn of_another(&self, made: &made::Made) -> Option<String> {
        let here = self.world.server.as_ref();
        let here = here.map(|s| made::engine_name(&s.product, &s.address));
        match (&made.engine, here) {
            (Some(engine), Some(here)) if *engine == here => None,
            (Some(engine), Some(here)) => Some(format!("it was made on {engine}, and {here} answers")),
            (Some(engine), None) => Some(format!("it was made on {engine}, and no engine answers")),
            (None, _) => Some("on which engine it was made was not written down".into()),
        }
    }

    /// Why an engine of this machine may need it.
    fn may_be_needed(&self, made: &made::Made) -> Option<String> {
        for other in &self.wish.others {
            match &other.instances {
                None => {
                    return Some(format!(
                        "another engine is here, at {}, and cannot be asked whether it holds labs",
                        other.address
                    ));
                }
                Some(names) if !names.is_empty() => {
                    return Some(format!(
                        "these of another engine, at {}, may use it: {}",
                        other.address,
                        names.join(", ")
                    ));
                }
                Some(_) => {}
            }
        }
        match (made.product(), &self.world.server) {
            (_, Some(server)) if !server.address.starts_with('/') => Some(format!(
                "the engine that answers, {}, is not the one of this machine",
                server.address
            )),
            (Some(product), Some(server)) if server.product != product => Some(format!(
                "it is of another engine than {}, which answers",
                server.title()
            )),
            (Some(_), None) => Some("no engine answers, and whether it holds labs is not known".into()),
            _ => None,
        }
    }

    fn names(&self) -> String {
        let names: Vec<&str> = self.left.iter().copied().collect();
        names.join(", ")
    }
}

/// What stays, and why.
fn keeps(wish: &Wish, ground: &Ground<'_>) -> Vec<String> {
    let mut groups: Vec<(String, Vec<String>)> = vec![];
    for made in &wish.made {
        let Some(why) = ground.keeps(made) else { continue };
        let thing = format!("{} {}", made.kind, made.rest);
        match groups.iter_mut().find(|(reason, _)| *reason == why) {
            Some((_, things)) => things.push(thing),
            None => groups.push((why, vec![thing])),
        }
    }
    let sentence = |(why, things): &(String, Vec<String>)| format!("{}: {why}", things.join(", "));
    let mut keeps: Vec<String> = groups.iter().map(sentence).collect();
    if keeps.is_empty() && !ground.left.is_empty() {
        keeps.push(format!("the instances {}", ground.names()));
    }
    let strange = wish.made.iter().filter(|m| !is_known(m));
    let strange: Vec<&str> = strange.map(|m| m.kind.as_str()).collect();
    if !strange.is_empty() {
        keeps.push(format!(
            "what a newer halolab made, which only it can take back: {}",
            strange.join(", ")
        ));
    }
    keeps.push("data folders of labs, with all that is in them".into());
    keeps
}

fn is_known(made: &made::Made) -> bool {
    let mut kinds = OWN.iter().chain(&ON_ENGINE).chain(&FIREWALL).chain(&ENGINE);
    made.kind == LAST || kinds.any(|kind| made.kind == **kind)
}

/// Whether labs that stay need it.
pub fn is_of_labs(made: &made::Made) -> bool {
    let kind = made.kind.as_str();
    let mut engine = ON_ENGINE.iter().chain(&FIREWALL).chain(&ENGINE);
    // `/snap` is where the programs of a snap are looked for, the engine's among them.
    let needed = made.rest.contains("firewall") || made.rest.contains("sysctl") || made.rest == "/snap";
    engine.any(|of| kind == *of) || kind == "line" || (OWN.contains(&kind) && needed)
}

/// What takes the engine back, asked for as one thing. Where something else needs a package, it stays and the rest goes
/// on.
fn engine(words: &Words<'_>, kinds: &[Vec<&made::Made>]) -> Option<Action> {
    let (mut titles, mut scripts) = (vec![], vec![]);
    for things in kinds {
        let Some(kind) = things.first().map(|m| m.kind.as_str()) else {
            continue;
        };
        titles.push(title(kind));
        scripts.push(made::revert(kind, things)?);
    }
    let made: Vec<made::Made> = kinds.iter().flatten().map(|m| (*m).clone()).collect();
    let list: Vec<&str> = made.iter().map(|m| m.rest.as_str()).collect();
    let sentence = format!("take back {}: {}", titles.join(", "), list.join(", "));
    let command = format!("sudo sh -eu  # takes back {}", titles.join(", "));
    if made.is_empty() {
        return None;
    }
    let script = scripts.join("\n");
    Some(Action {
        optional: true,
        ..words.action("engine", sentence, command, Step::Revert { made, script })
    })
}

fn labs(world: &World, wish: &Wish, words: &Words<'_>) -> Vec<Action> {
    let named = wish.labs.iter().filter_map(|name| world.instance(name));
    let delete = |i: &crate::backend::Instance| {
        let count = world.snapshots_of(&i.name).len();
        let lost = format!(
            "{} with its {}; nothing brings it back",
            i.name,
            counted(count, "snapshot")
        );
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
