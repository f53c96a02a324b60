//! The update of a workspace on the screen: done once its services answer, and else what was before comes back.

use std::time::Duration;

use halolab::{
    app::workspaces::{Roll, Waited},
    workspace::services::settle::Settled,
};

use super::*;

fn ended(code: u8) -> Msg {
    Msg::Ended(Outcome {
        run: "20261122-050000000-abcd".into(),
        code,
        summary: vec![],
    })
}

fn settled(failed: Option<&str>) -> Settled {
    let health = if failed.is_some() {
        Health::Down
    } else {
        Health::Up
    };
    Settled {
        reports: vec![report(Service::Code, health, "it says what it says", "")],
        failed: failed.map(str::to_owned),
        took: Duration::from_millis(7100),
    }
}

fn kept() -> Instance {
    Instance {
        name: "ws-anna-prev".into(),
        uuid: "uuid-of-ws-anna".into(),
        config: [
            (tag("stage"), "ws-anna".to_owned()),
            (tag("kept"), "ws-anna".to_owned()),
        ]
        .into(),
        ..container("anna", Status::Stopped)
    }
}

fn swapped(model: &mut Model) {
    let fresh = Instance {
        uuid: "uuid-of-another".into(),
        ..container("anna", Status::Running)
    };
    model.update(Msg::World(Ok(Box::new(world(vec![fresh, kept()])))));
}

/// The update of anna, begun after a yes.
fn updating() -> Model {
    let mut model = asked(80, 24);
    let ready = press(&mut model, "u");
    let Wish::Ready(pick) = wish(&ready).clone() else {
        panic!()
    };
    model.update(Msg::Workspaces(News::Ready(pick, vec![])));
    model.update(Msg::World(Ok(Box::new(world(vec![container(
        "anna",
        Status::Running,
    )])))));
    assert_eq!(model.screen(), Screen::Review, "{}", draw(&model));
    let plan = model.review.as_ref().unwrap().plan.clone();
    assert_eq!(plan.labs.first().unwrap().choice, Choice::Recreate);
    if !model.review.as_ref().unwrap().apply {
        press(&mut model, "tab");
    }
    let started = press(&mut model, "enter");
    assert!(matches!(started[..], [Effect::Start(..)]), "{started:?}");
    model.update(Msg::Started("20261122-050000000-abcd".into()));
    model
}

fn wishes(effects: Vec<Effect>) -> Vec<Wish> {
    let wish = |effect| match effect {
        Effect::Workspaces(wish) => Some(wish),
        _ => None,
    };
    effects.into_iter().filter_map(wish).collect()
}

fn roll(model: &Model) -> &Roll {
    model.workspaces.roll.as_ref().unwrap()
}

/// The wish for services, with those that answered before.
fn waits() -> Wish {
    let needed = ["ssh", "vnc", "novnc", "code"].map(str::to_owned);
    Wish::Wait("anna".into(), needed.into())
}

#[test]
fn an_update_is_done_once_the_services_answer_again() {
    let mut model = updating();
    swapped(&mut model);
    assert_eq!(wishes(model.update(ended(0))), [waits()]);
    model.update(Msg::Workspaces(News::Waits("anna: waiting for code".into())));
    assert!(draw(&model).contains("anna: waiting for code"));
    // Who leaves now is told what does not happen then.
    press(&mut model, "q");
    let shown = draw(&model);
    assert!(shown.contains("Leave before the services of anna"), "{shown}");
    press(&mut model, "enter");
    assert_eq!(model.done, None, "to stay is the default");
    let effects = model.update(Msg::Workspaces(News::Waited("anna".into(), Ok(settled(None)))));
    assert_eq!(effects, []);
    let shown = draw(&model);
    assert!(
        shown.contains("anna: all services answer, after 7.1 s"),
        "{shown}"
    );
    assert!(shown.contains("kept: ws-anna-prev"), "{shown}");
    assert_eq!(model.workspaces.roll, None);
    press(&mut model, "q");
    assert_eq!(model.done, Some(0));
}

#[test]
fn what_was_before_comes_back_where_a_service_does_not() {
    let mut model = updating();
    swapped(&mut model);
    model.update(ended(0));
    let failed: Waited = Ok(settled(Some("code does not come up")));
    let back = wishes(model.update(Msg::Workspaces(News::Waited("anna".into(), failed))));
    let [Wish::Return(user, before, _)] = back.as_slice() else {
        panic!("{back:?}")
    };
    assert_eq!(
        (user.as_str(), before.uuid.as_deref(), before.running),
        ("anna", Some("uuid-of-ws-anna"), true)
    );
    let shown = draw(&model);
    for part in [
        "the update failed: code does not come up",
        "container of before comes back",
    ] {
        assert!(shown.contains(part), "{part}\n{shown}");
    }
    // Its plan is carried out without another question, and what comes back is waited for, too.
    let request = halolab::plan::Request {
        lab: "ws-anna".into(),
        stage: "ws-anna".into(),
        choice: Choice::BringBack("ws-anna-prev".into()),
        answers: BTreeMap::new(),
    };
    let seen = model.world.clone().unwrap();
    let plan = (model.setup.planner)(&seen, &model.setup.catalog, &[request]).unwrap();
    let way = News::WayBack("anna".into(), Ok(Some(Box::new(plan))));
    let effects = model.update(Msg::Workspaces(way));
    assert!(matches!(effects[..], [Effect::Start(..)]), "{effects:?}");
    assert_eq!(model.screen(), Screen::Run);
    assert!(roll(&model).failed.is_some());
    assert_eq!(wishes(model.update(ended(0))), [waits()]);
    let well = News::Waited("anna".into(), Ok(settled(None)));
    assert_eq!(model.update(Msg::Workspaces(well)), []);
    let shown = draw(&model);
    assert!(
        shown.contains("anna has the container of before again, and its"),
        "{shown}"
    );
    assert_eq!(model.workspaces.roll, None);
}

#[test]
fn an_update_that_could_not_be_made_goes_back_and_one_that_was_stopped_does_not() {
    for code in [1, 4, 5] {
        let mut model = updating();
        let back = wishes(model.update(ended(code)));
        assert!(matches!(back[..], [Wish::Return(..)]), "{code}: {back:?}");
        let there = News::WayBack("anna".into(), Ok(None));
        assert_eq!(wishes(model.update(Msg::Workspaces(there))), [waits()]);
        let mut lost = model.clone();
        let unwell = News::Waited("anna".into(), Ok(settled(Some("code does not answer"))));
        lost.update(Msg::Workspaces(unwell));
        assert!(
            draw(&lost).contains("not all of its services answer"),
            "{}",
            draw(&lost)
        );
    }
    let mut model = updating();
    let lost = {
        model.update(ended(1));
        News::WayBack("anna".into(), Err("nothing was kept of ws-anna".into()))
    };
    assert_eq!(model.update(Msg::Workspaces(lost)), []);
    assert!(
        draw(&model).contains("does not have the container of before"),
        "{}",
        draw(&model)
    );
    assert_eq!(model.workspaces.roll, None);
    for code in [3, 130] {
        let mut model = updating();
        assert_eq!(wishes(model.update(ended(code))), []);
        assert_eq!(model.workspaces.roll, None);
    }
}

#[test]
fn another_plan_is_no_update() {
    let mut model = asked(80, 24);
    press(&mut model, "d tab enter");
    press(&mut model, "tab enter");
    assert_eq!(model.workspaces.roll, None, "a removal waits for nothing");
    // An answer that comes late belongs to nobody.
    let late = News::Waited("anna".into(), Ok(settled(Some("code does not come up"))));
    assert_eq!(model.update(Msg::Workspaces(late)), []);
}
