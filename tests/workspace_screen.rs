//! The workspaces' screen: what it shows of users in every state, what its keys ask for, and that nothing goes without a
//! question.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "workspace_screen/files.rs"]
mod files;
#[path = "workspace_screen/roll.rs"]
mod roll;
#[path = "common/sample/mod.rs"]
mod sample;

use std::{collections::BTreeMap, path::Path, sync::Arc};

use halolab::{
    app::{
        Effect, Errand, Model, Msg, Screen,
        stages::Stages,
        workspaces::{Book, Looked, News, Wish},
    },
    backend::{Away, Engine, Instance, InstanceState, Server, Status},
    labs::{World, tag},
    paths::Paths,
    plan::{Choice, Plan},
    run::Outcome,
    stage::trust::Store,
    workspace::{
        Ground, Ledger, Places, Service, Settings, gpus,
        ports::{Listening, Machine},
        probe::{Answer, Health, Probed, Report},
        resources::{self, Capacity},
        spec,
    },
};
use rstest::rstest;
use sample::{draw, press};

const USERS: &str = r#"
version = 1
root = "/srv/lab"

[user.anna]
memory = "8GiB"
memory-reservation = "2GiB"
cpus = 2.0
gpus = ["GPU-5b2ac3a1-0a4e-4b1c-8d2a-11f09a3b2c4d"]
gpus-until = "2026-12-31"
docker-inside = true

[user.bob]
services = ["ssh", "jupyter"]

[user.carla]
disabled = true

[user.dora]
bind = "0.0.0.0"
"#;

/// What the files say; `eve` was removed, and her data is kept.
fn book(settings: &str) -> Book {
    let settings = Settings::parse("workspaces.toml", settings).unwrap();
    let mut ledger = Ledger::default();
    for user in ["anna", "bob", "carla", "dora", "eve"] {
        if settings.users.contains_key(user) || (user == "eve" && !settings.users.is_empty()) {
            ledger
                .assign(user, "2026-11-01T00:00:00Z", &|_| true, &|_| true)
                .unwrap();
        }
    }
    let machine = Machine {
        listening: vec![Listening {
            address: "127.0.0.1".parse().unwrap(),
            port: 10_122,
        }],
        outgoing: None,
    };
    let capacity = Capacity {
        memory: 16 << 30,
        swap: 0,
        cpus: 4,
    };
    Book {
        written: !settings.users.is_empty(),
        sums: resources::sums(&settings, capacity),
        holds: gpus::holds(&settings, "2026-11-22"),
        ground: Ground {
            places: Places::of(&Paths::under(Path::new("/home/me/.halolab"))),
            settings,
            ledger,
            machine,
        },
    }
}

fn container(user: &str, status: Status) -> Instance {
    let lab = spec::lab(user);
    Instance {
        name: lab.clone(),
        status,
        created: "2026-11-10T08:00:00Z".into(),
        uuid: format!("uuid-of-{lab}"),
        config: [(tag("stage"), lab)].into(),
        ..Instance::default()
    }
}

fn docker(instances: Vec<Instance>) -> World {
    World {
        engine: Engine::Docker,
        server: Some(Server {
            product: "docker".into(),
            version: "28.5.2".into(),
            address: "/run/docker.sock".into(),
            trusted: true,
            ..Server::default()
        }),
        instances,
        ..World::default()
    }
}

fn world(instances: Vec<Instance>) -> World {
    sample::empty_world().with_docker(Ok(docker(instances)))
}

fn report(service: Service, health: Health, words: &str, advice: &str) -> Report {
    Report {
        service: service.name().into(),
        health,
        words: words.into(),
        advice: advice.into(),
        program: None,
        probed: Some(Probed {
            service,
            address: "127.0.0.1:10022".parse().unwrap(),
            answer: Answer::Speaks,
            said: words.into(),
            open: false,
            milliseconds: 3,
        }),
    }
}

fn looked(processor: u64, at: u64) -> Looked {
    let up = |service, words: &str| report(service, Health::Up, words, "");
    Looked {
        reports: vec![
            up(Service::Ssh, "SSH-2.0-OpenSSH_9.2p1 Debian-2"),
            up(Service::Vnc, "RFB 003.008"),
            up(Service::Novnc, "noVNC, HTTP 200"),
            up(Service::Code, "code-server, HTTP 200"),
            report(
                Service::Jupyter,
                Health::Down,
                "nobody listens at 127.0.0.1:10003, though its program runs",
                "`halolab shell ws-anna -- supervisorctl tail jupyter` shows what it wrote",
            ),
            report(Service::Tensorboard, Health::Starting, "it is being started", ""),
        ],
        state: Some(InstanceState {
            memory: 1_288_490_188,
            processes: 57,
            processor,
            ..InstanceState::default()
        }),
        at,
        share: None,
    }
}

/// The screen of four users; anna's workspace runs, bob's is stopped, the others have none.
fn users(columns: u16, rows: u16) -> Model {
    let mut model = sample::ready(columns, rows);
    told_of(&mut model, book(USERS));
    model.update(Msg::World(Ok(Box::new(world(vec![
        container("anna", Status::Running),
        container("bob", Status::Stopped),
    ])))));
    press(&mut model, "w");
    assert_eq!(model.screen(), Screen::Workspaces);
    model
}

/// Tells what the files say, and the stages that are made of it.
fn told_of(model: &mut Model, book: Book) {
    let ground = &book.ground;
    let mut catalog = sample::catalog();
    catalog.extend(spec::stages(
        &ground.settings,
        &ground.ledger,
        &ground.places.secrets,
    ));
    let stages = Stages::new(Arc::new(catalog), &Store::new(Path::new("/nonexistent")));
    model.update(Msg::Stages(Box::new(stages)));
    model.update(Msg::Workspaces(News::Book(Ok(Box::new(book)))));
}

fn asked(columns: u16, rows: u16) -> Model {
    let mut model = users(columns, rows);
    for (processor, at) in [(1_000_000_000, 1000), (2_500_000_000, 6000)] {
        let looked = [("anna".to_owned(), looked(processor, at))].into();
        model.update(Msg::Workspaces(News::Asked(looked)));
    }
    model
}

fn nobody(columns: u16, rows: u16) -> Model {
    let mut model = sample::ready(columns, rows);
    told_of(&mut model, book("version = 1\n"));
    model.update(Msg::World(Ok(Box::new(world(vec![])))));
    press(&mut model, "w");
    model
}

fn away(columns: u16, rows: u16) -> Model {
    let mut model = asked(columns, rows);
    let gone = sample::empty_world().with_docker(Err(Away {
        why: "Docker at /run/docker.sock does not answer: connection refused".into(),
        absent: false,
    }));
    model.update(Msg::World(Ok(Box::new(gone))));
    model
}

fn pressed(base: fn(u16, u16) -> Model, keys: &'static str) -> impl Fn(u16, u16) -> Model {
    move |columns, rows| {
        let mut model = base(columns, rows);
        press(&mut model, keys);
        model
    }
}

#[rstest]
#[case::users("users", asked)]
#[case::inside("inside", pressed(asked, "tab down down down down"))]
#[case::gone("gone", pressed(asked, "G"))]
#[case::nobody("nobody", nobody)]
#[case::away("away", away)]
#[case::ports("ports", pressed(asked, "p"))]
#[case::add("add", pressed(asked, "a"))]
#[case::change("change", pressed(asked, "c"))]
#[case::settings("settings", pressed(asked, "o"))]
#[case::remove("remove", pressed(asked, "d"))]
#[case::purge("purge", pressed(asked, "D"))]
#[case::disable("disable", pressed(asked, "x"))]
#[case::help("help", pressed(asked, "?"))]
#[case::backup("backup", pressed(asked, "B"))]
#[case::compose("compose", pressed(asked, "C"))]
fn each_screen_at_each_size(#[case] name: &str, #[case] sample: impl Fn(u16, u16) -> Model) {
    for (columns, rows) in [(80, 24), (120, 40), (200, 60)] {
        let drawn = draw(&sample(columns, rows));
        insta::assert_snapshot!(format!("workspaces_{name}_{columns}x{rows}"), drawn);
    }
    // A small window shows less, and no key is lost.
    draw(&sample(60, 15));
}

#[test]
fn the_first_screen_leads_there() {
    let model = sample::ready(80, 24);
    assert!(!draw(&model).contains("Workspaces:"), "nothing is known of them");
    let mut model = nobody(80, 24);
    press(&mut model, "esc");
    assert!(
        draw(&model).contains("w, then a adds the first user"),
        "{}",
        draw(&model)
    );
    let mut model = users(80, 24);
    press(&mut model, "esc");
    assert!(
        draw(&model).contains("Workspaces: 5 users, 1 running; w shows them"),
        "{}",
        draw(&model)
    );
}

#[test]
fn services_are_asked_in_the_background_and_not_all_the_time() {
    let mut model = sample::ready(80, 24);
    told_of(&mut model, book(USERS));
    model.update(Msg::World(Ok(Box::new(world(vec![container(
        "anna",
        Status::Running,
    )])))));
    let ask = Effect::Workspaces(Wish::Ask(vec!["anna".into()]));
    assert_eq!(
        press(&mut model, "w"),
        [Effect::Workspaces(Wish::Read), ask.clone()]
    );
    let later = |model: &mut Model, seconds: u64| {
        let now = model.now + seconds;
        model.update(Msg::Clock(now))
    };
    assert_eq!(later(&mut model, 60), [], "an answer is waited for");
    model.update(Msg::Workspaces(News::Asked(
        [("anna".to_owned(), looked(1, 1))].into(),
    )));
    assert_eq!(later(&mut model, 1), []);
    assert_eq!(later(&mut model, 5), [ask]);
    model.update(Msg::Workspaces(News::Asked(BTreeMap::new())));
    press(&mut model, "esc");
    assert_eq!(later(&mut model, 60), [], "nobody looks");
}

#[test]
fn a_key_copies_the_way_to_a_service_or_to_the_data() {
    let mut model = asked(80, 24);
    let copied = |text: &str| [Effect::Errand(Errand::Clipboard(text.into()))];
    assert_eq!(press(&mut model, "y"), copied("ssh -p 10022 anna@127.0.0.1"));
    assert_eq!(
        press(&mut model, "tab down down y"),
        copied("http://127.0.0.1:10001/vnc.html")
    );
    assert_eq!(
        press(&mut model, "G y"),
        copied("/srv/lab/docker-volumes/anna-state")
    );
    press(&mut model, "esc");
    assert_eq!(
        model.screen(),
        Screen::Workspaces,
        "esc leaves the services first"
    );
    press(&mut model, "esc");
    assert_ne!(model.screen(), Screen::Workspaces);
}

fn wish(effects: &[Effect]) -> &Wish {
    match effects {
        [Effect::Workspaces(wish)] => wish,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_typed_is_judged_as_the_verbs_judge_it_and_passwords_are_not_shown() {
    let mut model = asked(80, 24);
    press(&mut model, "a");
    assert_eq!(press(&mut model, "ctrl-s"), []);
    assert!(
        draw(&model).contains("a user's name is of a-z"),
        "{}",
        draw(&model)
    );
    press(&mut model, "b o b ctrl-s");
    assert!(draw(&model).contains("bob is there already"), "{}", draw(&model));
    press(&mut model, "2 down s e c r e t - 1 2 down s e c r e t");
    let shown = draw(&model);
    assert!(
        shown.contains("*********") && !shown.contains("secret"),
        "{shown}"
    );
    press(&mut model, "ctrl-s");
    assert!(
        draw(&model).contains("the two passwords are not the same"),
        "{}",
        draw(&model)
    );
    press(&mut model, "- 1 2 down down l o t s");
    press(&mut model, "ctrl-s");
    assert!(draw(&model).contains("a size is a number"), "{}", draw(&model));
    press(&mut model, "backspace backspace backspace backspace 4 G i B");
    let effects = press(&mut model, "ctrl-s");
    let Wish::Put(order) = wish(&effects) else {
        panic!("{effects:?}")
    };
    assert_eq!((order.name.as_str(), order.new), ("bob2", true));
    assert_eq!(order.limits.memory.as_deref(), Some("4GiB"));
    assert_eq!(order.password.as_ref().unwrap().0, "secret-12");
    assert!(!format!("{effects:?}").contains("secret-12"), "{effects:?}");
    // What only the disk can say comes back to its field, and nothing that was typed is lost.
    let refused = News::Not(Some("keys"), "/no/file cannot be read".into());
    model.update(Msg::Workspaces(refused));
    assert_eq!(model.screen(), Screen::User);
    assert!(
        draw(&model).contains("/no/file cannot be read"),
        "{}",
        draw(&model)
    );
    press(&mut model, "esc");
    assert!(draw(&model).contains("Leave the options?"), "{}", draw(&model));
    press(&mut model, "enter");
    assert_eq!(model.screen(), Screen::User);
    model.update(Msg::Workspaces(News::Done(vec!["bob2 is added".into()])));
    assert_eq!(model.screen(), Screen::Workspaces);
    assert!(draw(&model).contains("bob2 is added"));
}

#[test]
fn a_change_keeps_what_was_not_touched() {
    let mut model = asked(80, 24);
    press(&mut model, "c");
    let effects = press(&mut model, "ctrl-s");
    let Wish::Put(order) = wish(&effects) else {
        panic!("{effects:?}")
    };
    let book = book(USERS);
    let anna = &book.ground.settings.users["anna"];
    let mut laid = anna.clone();
    order.lay(&mut laid).unwrap();
    assert_eq!((&laid, order.new, &order.password), (anna, false, &None));
}

#[test]
fn start_restart_and_update_are_plans_of_the_lab() {
    let mut model = asked(80, 24);
    assert_eq!(press(&mut model, "s"), [], "anna runs");
    assert!(draw(&model).contains("anna runs already"));
    let choice = |effects: &[Effect]| match wish(effects) {
        Wish::Ready(pick) => (pick.lab.clone(), pick.choice.clone()),
        other => panic!("{other:?}"),
    };
    let restart = press(&mut model, "R");
    assert_eq!(choice(&restart), ("ws-anna".into(), Choice::Renew));
    assert_eq!(
        choice(&press(&mut model, "u")),
        ("ws-anna".into(), Choice::Recreate)
    );
    assert_eq!(
        choice(&press(&mut model, "down s")),
        ("ws-bob".into(), Choice::Renew)
    );
    assert_eq!(press(&mut model, "down s"), []);
    assert!(
        draw(&model).contains("carla is disabled; x enables it"),
        "{}",
        draw(&model)
    );
    assert_eq!(
        choice(&press(&mut model, "down s")),
        ("ws-dora".into(), Choice::Create)
    );
    // What stands in the way of the ports is said, and nothing is planned.
    let refused = "nothing was started, because of ports: dora: port 10300";
    model.update(Msg::Workspaces(News::Not(None, refused.into())));
    assert!(draw(&model).contains("because of ports") && model.screen() == Screen::Workspaces);
    let Wish::Ready(pick) = wish(&restart).clone() else {
        panic!()
    };
    let news = News::Ready(pick, vec!["note: anna: port 10022 may be taken".into()]);
    assert_eq!(model.update(Msg::Workspaces(news)), [Effect::Look]);
    assert_eq!(
        model.screen(),
        Screen::Workspaces,
        "the engine is looked at first"
    );
    model.update(Msg::World(Ok(Box::new(world(vec![container(
        "anna",
        Status::Running,
    )])))));
    assert_eq!(model.screen(), Screen::Review, "{}", draw(&model));
    assert!(draw(&model).contains("may be taken"), "{}", draw(&model));
}

#[test]
fn a_user_goes_only_after_the_plan_that_removes_the_container() {
    let mut model = asked(80, 24);
    press(&mut model, "d");
    let shown = draw(&model);
    for part in [
        "Remove anna?",
        "the container ws-anna",
        "the ports, for who comes back",
    ] {
        assert!(shown.contains(part), "{part}\n{shown}");
    }
    assert_eq!(press(&mut model, "enter"), [], "Cancel is the default");
    press(&mut model, "d tab enter");
    assert_eq!(model.screen(), Screen::Review, "{}", draw(&model));
    let plan: Plan = model.review.as_ref().unwrap().plan.clone();
    assert!(
        plan.labs
            .iter()
            .all(|track| track.choice == Choice::Remove && track.lab == "ws-anna")
    );
    // Left, nothing is removed by whatever runs next.
    press(&mut model, "esc");
    assert_eq!(model.workspaces.removal, None);
    press(&mut model, "d tab enter");
    let started = press(&mut model, "tab enter");
    assert!(
        started.iter().any(|effect| matches!(effect, Effect::Start(..))),
        "{started:?}"
    );
    let mut failed = model.clone();
    let ended = |code| {
        Msg::Ended(Outcome {
            run: "20261122-050000000-abcd".into(),
            code,
            summary: vec![],
        })
    };
    let remove = Effect::Workspaces(Wish::Remove("anna".into(), false));
    assert!(!failed.update(ended(1)).contains(&remove));
    assert!(model.update(ended(0)).contains(&remove));
    press(&mut model, "enter");
    assert_eq!(model.screen(), Screen::Workspaces, "back to where it was begun");
}

#[test]
fn data_goes_only_with_the_name_typed_and_never_while_the_engine_is_unknown() {
    let mut model = asked(80, 24);
    press(&mut model, "down down down D");
    assert!(
        draw(&model).contains("Remove dora with all data?"),
        "{}",
        draw(&model)
    );
    assert_eq!(press(&mut model, "enter"), []);
    let effects = press(&mut model, "d o r a enter");
    assert_eq!(wish(&effects), &Wish::Remove("dora".into(), true));
    let mut model = away(80, 24);
    assert_eq!(press(&mut model, "D"), []);
    assert!(draw(&model).contains("nothing was removed"), "{}", draw(&model));
    assert_eq!(press(&mut model, "s"), []);
    assert!(draw(&model).contains("does not answer"), "{}", draw(&model));
}

#[test]
fn nothing_is_changed_when_read_only() {
    let mut model = asked(80, 24);
    model.setup.read_only = true;
    for key in [
        "a", "c", "s", "S", "R", "u", "e", "x", "d", "D", "P", "b", "o", "B", "I", "C",
    ] {
        assert_eq!(press(&mut model, key), [], "{key}");
        assert!(
            model.dialog.is_none() && model.screen() == Screen::Workspaces,
            "{key}"
        );
    }
}

#[test]
fn a_file_that_cannot_be_read_says_so_and_hostile_text_stays_text() {
    let mut model = asked(80, 24);
    let mut evil = looked(1, 1);
    evil.reports[4].words = "\u{1b}[2J\u{1b}]0;owned\u{7}".into();
    model.update(Msg::Workspaces(News::Asked([("anna".to_owned(), evil)].into())));
    assert!(!draw(&model).contains('\u{1b}'));
    model.update(Msg::Workspaces(News::Book(Err(
        "workspaces.toml:3: no such key `nmae`".into(),
    ))));
    assert!(draw(&model).contains("no such key"), "{}", draw(&model));
    assert_eq!(press(&mut model, "a"), []);
    assert_eq!(model.screen(), Screen::Workspaces);
}
