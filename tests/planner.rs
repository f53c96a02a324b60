//! The planner: the same world and choices give the same plan, and nothing is destroyed before it is kept.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{collections::BTreeMap, path::Path};

use halolab::{
    backend::{Instance, Network, Pool, Profile, Server, Status},
    host::Facts,
    labs::{SnapshotKind, World, profile_name, tag},
    plan::{self, Choice, Plan, PlanError, Request, Step, Undo},
    stage::{Answer, Answers, BackendKind, Catalog, load},
};
use proptest::prelude::*;

fn catalog() -> Catalog {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/labs");
    let stage = |name: &str| load::read(&root.join(name).join("stage.toml")).unwrap();
    let host = Catalog::shipped();
    let hosts = host.iter().filter(|s| s.backend == BackendKind::Host).cloned();
    Catalog::of(hosts.chain([stage("mini-lab"), stage("side-lab")]).collect())
}

fn facts() -> Facts {
    [
        ("family", "debian".into()),
        ("systemd", true.into()),
        ("free_disk", (200_u64 << 30).into()),
    ]
    .map(|(k, v)| (k.to_owned(), v))
    .into()
}

/// A machine with LXD, a pool and a bridge, and no lab.
fn empty() -> World {
    World {
        server: Some(Server {
            product: "lxd".into(),
            address: "/var/lib/lxd/unix.socket".into(),
            trusted: true,
            ..Server::default()
        }),
        facts: facts()
            .into_iter()
            .chain([("daemon".to_owned(), true.into())])
            .collect(),
        pools: vec![Pool {
            name: "default".into(),
            driver: "btrfs".into(),
            ..Pool::default()
        }],
        networks: vec![Network {
            name: "lxdbr0".into(),
            kind: "bridge".into(),
            managed: true,
            ..Network::default()
        }],
        images: [("lab/bb".to_owned(), halolab::backend::ImageInfo::default())].into(),
        ..World::default()
    }
}

/// An engine that does not run is started, and nothing else is planned: what it holds is not known.
#[test]
fn the_plan_of_a_sleeping_engine_only_starts_it() {
    let world = World::asleep("LXD", facts(), empty().config);
    let plan = plan::plan(&world, &Catalog::shipped(), &[]).unwrap();
    let ids: Vec<&str> = plan.host.iter().map(|action| action.id.as_str()).collect();
    assert_eq!(ids, ["host/daemon", "host/firewall", "host/wait"]);
    assert!(plan.labs.is_empty());
    assert!(
        plan.host[0].sentence.starts_with("start LXD"),
        "{}",
        plan.host[0].sentence
    );
    let Step::HostScript { env, .. } = &plan.host[0].step else {
        panic!("no script")
    };
    assert_eq!(env["OPT_ENGINE"], "lxd");
}

/// The same with the lab, running, with these snapshots.
fn with_lab(snapshots: &[&str]) -> World {
    let mut world = empty();
    let config = [
        ("stage", "mini-lab"),
        ("version", "1"),
        ("generation", "1"),
        ("answers", r#"{"colour":"blue"}"#),
    ];
    world.instances.push(Instance {
        name: "mini-lab".into(),
        status: Status::Running,
        uuid: "11-22".into(),
        description: "Mini lab made by halolab".into(),
        config: config.map(|(k, v)| (tag(k), v.to_owned())).into(),
        profiles: vec![profile_name("mini-lab")],
        ..Instance::default()
    });
    world.snapshots.insert(
        "mini-lab".into(),
        snapshots.iter().map(|s| (*s).to_owned()).collect(),
    );
    world.profiles.insert(
        profile_name("mini-lab"),
        Profile {
            name: profile_name("mini-lab"),
            ..Profile::default()
        },
    );
    world
}

fn request(choice: Choice) -> Request {
    Request {
        lab: "mini-lab".into(),
        stage: "mini-lab".into(),
        choice,
        answers: Answers::new(),
    }
}

fn plan_of(world: &World, choice: Choice) -> Result<Plan, PlanError> {
    plan::plan(world, &catalog(), &[request(choice)])
}

/// What a plan does, a line an action.
fn lines(plan: &Plan) -> String {
    let line = |a: &plan::Action| format!("{} | {} | {:?}", a.id, a.sentence, a.undo);
    plan.actions().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_first_run_makes_sets_up_proves_and_snapshots() {
    insta::assert_snapshot!(lines(&plan_of(&empty(), Choice::Create).unwrap()));
}

#[test]
fn a_machine_without_a_daemon_gets_one_first() {
    let world = World::without_daemon(facts(), halolab::config::Config::default());
    // No daemon has the local image of the test's stage: that is said before anything is done.
    let error = plan_of(&world, Choice::Create).unwrap_err().to_string();
    assert!(error.contains("lab/bb"), "{error}");
}

#[test]
fn a_restore_takes_a_safety_snapshot_first() {
    let plan = plan_of(
        &with_lab(&["clean", "before-restore-1"]),
        Choice::Restore("clean".into()),
    )
    .unwrap();
    insta::assert_snapshot!(lines(&plan));
    assert!(
        matches!(&plan.labs[0].actions[0].step, Step::Snapshot { snapshot, .. } if snapshot == "before-restore-2")
    );
}

/// With a GPU passed in, by the stage, by a person in the profile or on the instance itself, every change ends in a
/// kernel that runs on it, before the checks of the stage and before a snapshot is called clean.
#[test]
fn whoever_passes_a_gpu_in_has_it_proven() {
    let gpu: BTreeMap<String, String> = [("type", "gpu"), ("vendorid", "10de")]
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .into();
    let device: BTreeMap<_, _> = [("gpu".to_owned(), gpu)].into();
    let mut by_instance = with_lab(&["clean"]);
    by_instance.instances[0].devices = device.clone();
    let mut by_profile = with_lab(&["clean"]);
    by_profile
        .profiles
        .get_mut(&profile_name("mini-lab"))
        .unwrap()
        .devices = device;
    for world in [by_instance, by_profile] {
        for choice in [
            Choice::Restore("clean".into()),
            Choice::Update,
            Choice::Recreate,
            Choice::RecreateFromClean,
        ] {
            let plan = plan_of(&world, choice).unwrap();
            let steps: Vec<&Step> = plan.actions().map(|a| &a.step).collect();
            let at = |wanted: fn(&Step) -> bool| steps.iter().rposition(|s| wanted(s)).unwrap();
            let proof = at(|s| matches!(s, Step::Prove { name } if name == "mini-lab"));
            assert!(proof < at(|s| matches!(s, Step::Verify { .. })));
            let changed =
                |s: &Step| matches!(s, Step::Restore { .. } | Step::Copy { .. } | Step::Exec { .. });
            assert!(at(changed) < proof, "what is proven is what is left");
        }
    }
    let plain = plan_of(&with_lab(&["clean"]), Choice::Restore("clean".into())).unwrap();
    assert!(!plain.actions().any(|a| matches!(a.step, Step::Prove { .. })));
}

#[test]
fn a_recreate_builds_beside_and_keeps_the_old_one() {
    insta::assert_snapshot!(lines(&plan_of(&with_lab(&["clean"]), Choice::Recreate).unwrap()));
}

#[test]
fn a_recreate_from_clean_copies_before_it_deletes() {
    insta::assert_snapshot!(lines(
        &plan_of(&with_lab(&["clean"]), Choice::RecreateFromClean).unwrap()
    ));
}

#[test]
fn an_update_takes_a_safety_snapshot_first() {
    insta::assert_snapshot!(lines(&plan_of(&with_lab(&["clean"]), Choice::Update).unwrap()));
}

#[test]
fn two_labs_are_two_tracks_and_share_what_comes_first() {
    let other = Request {
        lab: "side-lab".into(),
        stage: "side-lab".into(),
        ..request(Choice::Create)
    };
    let plan = plan::plan(&empty(), &catalog(), &[request(Choice::Create), other]).unwrap();
    assert_eq!(
        plan.labs.iter().map(|t| t.lab.as_str()).collect::<Vec<_>>(),
        ["mini-lab", "side-lab"]
    );
}

#[test]
fn what_is_not_ours_is_never_touched() {
    let mut world = with_lab(&[]);
    world.instances[0].config.clear();
    for choice in [
        Choice::Create,
        Choice::Recreate,
        Choice::Update,
        Choice::Remove,
        Choice::Restore("clean".into()),
    ] {
        let error = plan_of(&world, choice.clone()).unwrap_err();
        assert!(matches!(error, PlanError::Foreign(_)), "{choice:?}: {error}");
    }
    let plan = plan_of(&world, Choice::Adopt).unwrap();
    assert!(!plan.destroys());
}

#[test]
fn impossible_choices_name_the_way_out() {
    let say = |world: &World, choice| plan_of(world, choice).unwrap_err().to_string();
    insta::assert_snapshot!(
        [
            say(&with_lab(&[]), Choice::Create),
            say(&empty(), Choice::Update),
            say(&with_lab(&["clean", "works"]), Choice::Restore("clena".into())),
            say(
                &with_lab(&["clean"]),
                Choice::RestoreAs("clean".into(), "mini-lab".into())
            ),
            say(
                &with_lab(&["clean"]),
                Choice::RestoreAs("clean".into(), "Bad Name".into())
            ),
            say(&with_lab(&["clean"]), Choice::BringBack("other".into())),
        ]
        .join("\n")
    );
}

#[test]
fn former_answers_are_used_again_and_secrets_never_enter_a_plan() {
    let plan = plan_of(&with_lab(&["clean"]), Choice::Recreate).unwrap();
    let text = serde_json::to_string(&plan).unwrap();
    assert!(
        text.contains("\"OPT_COLOUR\":\"blue\""),
        "the lab was made with blue"
    );
    let mut asked = request(Choice::Create);
    asked
        .answers
        .insert("token".into(), Answer::Text("s3cret-canary".into()));
    let plan = plan::plan(&empty(), &catalog(), &[asked]).unwrap();
    assert!(!serde_json::to_string(&plan).unwrap().contains("s3cret-canary"));
}

/// Every delete of something that exists comes after a whole copy of it, or says that it cannot be undone.
fn nothing_is_lost_unsaid(plan: &Plan) {
    for track in &plan.labs {
        let mut copied: BTreeMap<&str, &str> = BTreeMap::new();
        for action in &track.actions {
            match &action.step {
                Step::Copy {
                    from,
                    snapshot: None,
                    spec,
                } => {
                    copied.insert(from, &spec.name);
                }
                Step::Delete {
                    name,
                    only_if: Some(copy),
                    ..
                } => {
                    assert_eq!(copied.get(name.as_str()), Some(&copy.as_str()), "{}", action.id);
                }
                Step::Delete { only_if: None, .. } => {
                    assert!(
                        action.destroys.is_some() && action.undo == Undo::Never,
                        "{}",
                        action.id
                    );
                    assert!(!track.loses.is_empty());
                }
                Step::Restore { .. } => {
                    assert!(track.actions.iter().any(|a| matches!(&a.step, Step::Snapshot { snapshot, .. } if snapshot.starts_with("before-"))));
                }
                _ => {}
            }
        }
    }
}

proptest! {
    #[test]
    fn plans_are_reproducible_and_lose_nothing_unsaid(
        snapshots in proptest::collection::vec("[a-z]{1,8}|clean|before-restore-[0-9]", 0..6),
        pick in 0_usize..8,
        index in 0_usize..6,
    ) {
        let names: Vec<&str> = snapshots.iter().map(String::as_str).collect();
        let world = with_lab(&names);
        let snapshot = names.get(index % names.len().max(1)).copied().unwrap_or("clean").to_owned();
        let choice = match pick {
            0 => Choice::Restore(snapshot),
            1 => Choice::RestoreAs(snapshot, "copy".into()),
            2 => Choice::Recreate,
            3 => Choice::RecreateFromClean,
            4 => Choice::Update,
            5 => Choice::Remove,
            6 => Choice::Create,
            _ => Choice::Adopt,
        };
        let first = plan_of(&world, choice.clone());
        if let Ok(plan) = &first {
            nothing_is_lost_unsaid(plan);
            prop_assert_eq!(plan.digest(), plan_of(&world, choice).unwrap().digest());
            let mut back: Plan = serde_json::from_str(&serde_json::to_string(plan).unwrap()).unwrap();
            // What is there is looked at anew by whoever reads it.
            back.losses = plan.losses.clone();
            prop_assert_eq!(&back, plan);
            let mut ids: Vec<_> = plan.actions().map(|a| &a.id).collect();
            let count = ids.len();
            ids.sort();
            ids.dedup();
            prop_assert_eq!(ids.len(), count, "ids are unique: resume goes by them");
        }
    }
}

/// The same machine without a pool, and answers to the host's own options.
fn without_pool(wishes: &[(&str, &str)]) -> Result<Plan, PlanError> {
    let mut world = empty();
    world.pools.clear();
    if let Some(server) = &mut world.server {
        server.storage_drivers = vec!["btrfs".into(), "dir 1".into()];
    }
    let text = |(id, value): &(&str, &str)| ((*id).to_owned(), Answer::Text((*value).into()));
    let host = Request {
        lab: "host".into(),
        stage: "host".into(),
        choice: Choice::Skip,
        answers: wishes.iter().map(text).collect(),
    };
    plan::plan(&world, &catalog(), &[request(Choice::Create), host])
}

#[test]
fn the_pool_is_made_as_it_is_wished_for() {
    let pool = |plan: &Plan| {
        plan.actions()
            .find_map(|a| match &a.step {
                Step::CreatePool { driver, size, .. } => Some((driver.clone(), *size)),
                _ => None,
            })
            .unwrap()
    };
    let made = |wishes: &[(&str, &str)]| pool(&without_pool(wishes).unwrap());
    assert_eq!(made(&[]), ("btrfs".into(), Some(20 << 30)));
    assert_eq!(made(&[("pool_driver", "auto")]), ("btrfs".into(), Some(20 << 30)));
    assert_eq!(made(&[("pool_size", "50GiB")]), ("btrfs".into(), Some(50 << 30)));
    assert_eq!(
        made(&[("pool_driver", "dir"), ("pool_size", "50GiB")]),
        ("dir".into(), None)
    );
    let refused = |wishes: &[(&str, &str)]| without_pool(wishes).unwrap_err().to_string();
    assert!(refused(&[("pool_driver", "zfs")]).contains("it has: btrfs, dir"));
    assert!(refused(&[("pool_size", "500GiB")]).contains("does not fit"));
    assert!(refused(&[("pool_size", "1GiB")]).contains("5GiB"));
    // Where there is a pool, nothing of it is asked or done.
    let plan = plan_of(&empty(), Choice::Create).unwrap();
    assert!(!plan.actions().any(|a| matches!(a.step, Step::CreatePool { .. })));
}

/// The lab, and an earlier version of it that was made with another colour and another image.
fn with_kept() -> World {
    let mut world = with_lab(&["clean"]);
    let mut kept = world.instances.first().unwrap().clone();
    kept.name = "mini-lab-prev".into();
    kept.uuid = "33-44".into();
    kept.config.insert(tag("kept"), "mini-lab".into());
    kept.config.insert(tag("answers"), r#"{"colour":"green"}"#.into());
    world.instances.push(kept);
    world
}

#[test]
fn an_earlier_version_is_proven_with_its_own_answers() {
    let plan = plan_of(&with_kept(), Choice::BringBack("mini-lab-prev".into())).unwrap();
    let envs: Vec<_> = plan
        .actions()
        .filter_map(|a| match &a.step {
            Step::Verify { env, .. } => Some(env["OPT_COLOUR"].as_str()),
            _ => None,
        })
        .collect();
    assert!(
        !envs.is_empty() && envs.iter().all(|colour| *colour == "green"),
        "{envs:?}"
    );
}

#[test]
fn a_copy_is_proven_and_says_which_folders_it_shares() {
    let mut world = with_lab(&["works"]);
    let mount = [
        ("type", "disk"),
        ("source", "/srv/halolab/mini-lab/models"),
        ("path", "/models"),
    ];
    let profile = world.profiles.get_mut(&profile_name("mini-lab")).unwrap();
    profile.devices.insert(
        "data-models".into(),
        mount.map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
    );
    let plan = plan_of(&world, Choice::RestoreAs("works".into(), "mini-copy".into())).unwrap();
    let at = |wanted: fn(&Step) -> bool| plan.actions().position(|a| wanted(&a.step)).unwrap();
    let proof = at(|s| matches!(s, Step::Verify { name, .. } if name == "mini-copy"));
    let snapshot = at(|s| matches!(s, Step::Snapshot { name, .. } if name == "mini-copy"));
    assert!(proof < snapshot, "nothing unproven becomes `clean`");
    let said = plan.labs[0].keeps.join("\n");
    assert!(
        said.contains("/srv/halolab/mini-lab/models")
            && said.contains("both mini-lab and mini-copy write there"),
        "{said}"
    );
}

#[test]
fn on_zfs_what_is_restored_is_not_called_clean() {
    let mut world = with_lab(&["clean", "works"]);
    world.pools[0].driver = "zfs".into();
    let root = [("type", "disk"), ("path", "/"), ("pool", "default")];
    world.instances[0].expanded_devices.insert(
        "root".into(),
        root.map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
    );
    for (from, wanted) in [("works", "restored-from-works"), ("clean", "clean")] {
        let plan = plan_of(&world, Choice::Restore(from.into())).unwrap();
        let taken: Vec<_> = plan
            .actions()
            .filter_map(|a| match &a.step {
                Step::Snapshot { snapshot, kind, .. } => Some((snapshot.as_str(), *kind)),
                _ => None,
            })
            .collect();
        let kind = if from == "clean" {
            SnapshotKind::Clean
        } else {
            SnapshotKind::User
        };
        assert_eq!(taken, [(wanted, kind)]);
        assert!(
            plan.labs[0]
                .keeps
                .iter()
                .any(|k| k.contains("on mini-lab-prev only"))
        );
    }
}

/// The lab's stage with another image, which it pins.
fn pinning(source: &str) -> Catalog {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/labs/mini-lab/stage.toml");
    let text = std::fs::read_to_string(root).unwrap();
    let pinned = format!("{source}\nfingerprint = \"{}\"", PINNED);
    let text = text.replace("source.local = { alias = \"lab/bb\" }", &pinned);
    let stage = load::parse("mini-lab/stage.toml", &text, BTreeMap::new()).unwrap();
    Catalog::of(vec![stage])
}

const PINNED: &str = "a3f1a3f1a3f1a3f1a3f1a3f1a3f1a3f1a3f1a3f1a3f1a3f1a3f1a3f1a3f1a3f1";

#[test]
fn an_image_of_another_fingerprint_than_the_stage_pins_is_refused_or_fetched_anew() {
    let local = pinning("source.local = { alias = \"lab/bb\" }");
    let mut world = empty();
    let mut image = halolab::backend::ImageInfo {
        fingerprint: "b".repeat(64),
        ..Default::default()
    };
    world.images.insert("lab/bb".into(), image.clone());
    let error = plan::plan(&world, &local, &[request(Choice::Create)]).unwrap_err();
    assert!(matches!(error, PlanError::Fingerprint { .. }), "{error}");
    assert!(
        error.to_string().contains(PINNED) && error.to_string().contains("bbbb"),
        "{error}"
    );
    image.fingerprint = PINNED.into();
    world.images.insert("lab/bb".into(), image.clone());
    let plan = plan::plan(&world, &local, &[request(Choice::Create)]).unwrap();
    let create = plan
        .actions()
        .find(|a| matches!(a.step, Step::Create { .. }))
        .unwrap();
    assert!(
        create.sentence.contains("BusyBox (a3f1a3f1a3f1)"),
        "{}",
        create.sentence
    );
    let Step::Create { spec } = &create.step else {
        panic!("no instance")
    };
    assert_eq!(spec.config[&tag("image")], PINNED);

    let remote = pinning("source.remote = { remote = \"images\", alias = \"debian/12\" }");
    let fetch = |world: &World| {
        let plan = plan::plan(world, &remote, &[request(Choice::Create)]).unwrap();
        plan.host.iter().find_map(|a| match &a.step {
            Step::PullImage { source, refresh, .. } => Some((a.sentence.clone(), source.clone(), *refresh)),
            _ => None,
        })
    };
    let (sentence, source, refresh) = fetch(&world).unwrap();
    assert!(
        sentence.ends_with("(only fingerprint a3f1a3f1a3f1)") && !refresh,
        "{sentence}"
    );
    assert_eq!(source.fingerprints, [PINNED]);
    let stage = remote.get("mini-lab").unwrap();
    let alias = plan::alias(&stage.images[0], &Answers::new());
    world.images.insert(alias.clone(), image.clone());
    assert!(fetch(&world).is_none(), "it is here");
    image.fingerprint = "b".repeat(64);
    world.images.insert(alias, image);
    assert!(fetch(&world).unwrap().2, "another one is here under that name");
}

/// What is lost is known by what it is: a job or a snapshot that came since is more, one that is gone is not.
#[test]
fn what_would_be_lost_is_compared_with_what_was_said() {
    use halolab::{labs::Work, plan::Losses};
    const LAB: &str = "mini-lab";
    let mut world = with_lab(&["clean"]);
    let remove = plan_of(&world, Choice::Remove).unwrap();
    assert!(remove.may_lose());
    let now = |world: &World, plan: &Plan| Losses::of(plan, world, |_| false);
    assert_eq!(
        now(&world, &remove).more_than(&remove.losses),
        Vec::<String>::new()
    );
    let lab = world.instances.iter().find(|i| i.name == LAB).unwrap().clone();
    world.jobs.push(Work {
        id: "cmd-1".into(),
        title: "make".into(),
        instance: LAB.into(),
        uuid: lab.uuid.clone(),
    });
    world.snapshots.entry(LAB.into()).or_default().push("mine".into());
    let more = now(&world, &remove).more_than(&remove.losses).join("; ");
    assert!(
        more.contains("the job cmd-1 (make)") && more.contains("the snapshot mine"),
        "{more}"
    );
    let said = now(&world, &remove);
    assert_eq!(said.jobs().len(), 1);
    world.jobs.clear();
    assert!(now(&world, &remove).more_than(&said).is_empty(), "less is lost");
    // An action that is done ends nothing any more.
    assert_eq!(Losses::of(&remove, &world, |_| true), Losses::default());
    // Another instance of the name was not meant.
    let found = world.instances.iter_mut().find(|i| i.name == LAB).unwrap();
    found.uuid = "another".into();
    assert_eq!(now(&world, &remove).more_than(&said).len(), 1);
}

/// What a replacement mounts are the folders of its lab: none is called after it.
#[test]
fn removing_a_replacement_names_the_folders_that_are_there() {
    let mut world = with_kept();
    let next = world.instances.last_mut().unwrap();
    next.config.remove(&tag("kept"));
    next.config.insert(tag("next"), "mini-lab".into());
    next.name = "mini-lab-next".into();
    let said = |world: &World| {
        let request = Request {
            lab: "mini-lab-next".into(),
            ..request(Choice::Remove)
        };
        plan::plan(world, &catalog(), &[request]).unwrap().labs[0]
            .keeps
            .join("\n")
    };
    assert!(!said(&world).contains("/mini-lab-next/"), "{}", said(&world));
    let mount = [
        ("type", "disk"),
        ("source", "/srv/halolab/mini-lab/models"),
        ("path", "/models"),
    ];
    let mount = mount.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
    let next = world.instances.last_mut().unwrap();
    next.expanded_devices.insert("data-models".into(), mount);
    assert!(
        said(&world).contains("/srv/halolab/mini-lab/models"),
        "{}",
        said(&world)
    );
}

/// Earlier versions whose days are over go with whatever is done to their lab; what is gone back to stays, and so does
/// the newest one where no newer one is made.
#[test]
fn earlier_versions_whose_days_are_over_go_with_each_change() {
    let mut world = with_kept();
    world.now = Some("2026-12-24T00:00:00Z".parse().unwrap());
    world.config.keep_days = 14;
    for (name, created) in [
        ("mini-lab-prev-2", "2026-11-02"),
        ("mini-lab-prev-3", "2026-11-03"),
    ] {
        let mut more = world.instances.last().unwrap().clone();
        more.name = name.into();
        more.created = format!("{created}T00:00:00Z");
        world.instances.push(more);
    }
    world.instances[1].created = "2026-11-01T00:00:00Z".into();
    let gone = |choice: Choice| -> Vec<String> {
        let plan = plan_of(&world, choice).unwrap();
        let name = |a: &plan::Action| match &a.step {
            Step::Retire { name, .. } => Some(name.clone()),
            _ => None,
        };
        plan.actions().filter_map(name).collect()
    };
    let back = Choice::BringBack("mini-lab-prev-2".into());
    assert_eq!(gone(back), ["mini-lab-prev", "mini-lab-prev-3"]);
    assert_eq!(
        gone(Choice::Restore("clean".into())),
        ["mini-lab-prev", "mini-lab-prev-2"]
    );
    assert_eq!(gone(Choice::Recreate).len(), 3);
    let older: Vec<String> = world
        .older_versions("mini-lab")
        .into_iter()
        .map(|k| k.name)
        .collect();
    assert_eq!(older, ["mini-lab-prev", "mini-lab-prev-2"]);
}
