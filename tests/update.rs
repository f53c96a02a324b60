//! Messages in, model and effects out: what keys do, and what no key may do.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "common/sample/mod.rs"]
mod sample;

use crossterm::event::Event as Input;
use halolab::{
    app::{Effect, Errand, Job, Model, Msg, Screen, keys::Place, model::Engine},
    labs,
    plan::Choice,
    run::Outcome,
    stage::Answer,
};
use rstest::rstest;
use sample::{draw, press, type_text};

#[test]
fn the_first_run_leads_from_marks_through_options_to_a_run() {
    let mut model = sample::first_run(80, 24);
    assert_eq!(press(&mut model, "space down space enter"), vec![]);
    assert_eq!(model.screen(), Screen::Options);
    assert_eq!(model.form().unwrap().lab, "ai-lab");
    press(&mut model, "ctrl-s");
    assert_eq!(model.form().unwrap().lab, "dev-lab");
    press(&mut model, "ctrl-s");
    assert_eq!(model.screen(), Screen::Review);
    let effects = press(&mut model, "enter");
    let [Effect::Start(plan, secrets)] = effects.as_slice() else {
        panic!("{effects:?}")
    };
    assert_eq!(plan.labs.len(), 2);
    assert!(secrets.is_empty());
    assert_eq!(model.screen(), Screen::Run);
}

#[test]
fn a_restore_is_shown_first_and_cancel_is_marked() {
    let mut model = sample::picker(80, 24);
    assert_eq!(press(&mut model, "down down enter"), vec![]);
    let review = model.review.clone().unwrap();
    assert_eq!(review.plan.labs[0].choice, Choice::Restore("works".into()));
    assert!(!review.apply);
    assert_eq!(press(&mut model, "enter"), vec![], "enter on Cancel does nothing");
    assert_eq!(model.screen(), Screen::Snapshots, "and goes back");
    let effects = press(&mut model, "enter tab enter");
    assert!(matches!(effects.as_slice(), [Effect::Start(..)]), "{effects:?}");
}

#[test]
fn esc_loses_nothing_that_was_typed() {
    let mut model = sample::options(80, 24);
    press(&mut model, "down down down down");
    type_text(&mut model, "hf_secret");
    press(&mut model, "esc enter");
    assert_eq!(model.screen(), Screen::Options, "asked, and to stay is marked");
    press(&mut model, "esc tab enter");
    assert_eq!(model.screen(), Screen::Menu);
    press(&mut model, "enter");
    assert_eq!(model.screen(), Screen::Options);
    let form = model.form().unwrap();
    assert_eq!(form.answers()["token"], Answer::Text("hf_secret".into()));
    press(&mut model, "ctrl-s esc");
    assert_eq!(
        model.screen(),
        Screen::Options,
        "esc on the plan goes back to the form"
    );
    assert_eq!(
        model.form().unwrap().answers()["token"],
        Answer::Text("hf_secret".into())
    );
}

#[rstest]
#[case::form("down down space", "q", 0)]
#[case::form_typing("down down down backspace", "ctrl-c", 130)]
#[case::plan("right ctrl-s", "q", 0)]
#[case::plan_interrupted("right ctrl-s", "ctrl-c", 130)]
fn what_was_filled_in_is_asked_about_before_it_is_lost(
    #[case] keys: &str,
    #[case] quit: &str,
    #[case] code: u8,
) {
    let mut model = sample::options(80, 24);
    press(&mut model, keys);
    let screen = model.screen();
    press(&mut model, quit);
    assert_eq!(model.done, None, "{}", draw(&model));
    assert!(draw(&model).contains("Stay"), "{}", draw(&model));
    press(&mut model, "enter");
    assert_eq!((model.done, model.screen()), (None, screen), "to stay is marked");
    press(&mut model, quit);
    press(&mut model, "tab enter");
    assert_eq!(model.done, Some(code));
}

#[test]
fn nothing_filled_in_is_left_at_once_and_a_second_ctrl_c_means_it() {
    let mut model = sample::options(80, 24);
    press(&mut model, "esc");
    assert_eq!((model.screen(), model.dialog.is_none()), (Screen::Menu, true));
    press(&mut model, "enter ctrl-s q");
    assert_eq!(model.done, Some(0));
    let mut model = sample::options(80, 24);
    press(&mut model, "right ctrl-c ctrl-c");
    assert_eq!(model.done, Some(130));
}

#[test]
fn a_secret_is_never_drawn_and_travels_beside_the_plan() {
    let mut model = sample::options(80, 24);
    press(&mut model, "down down down down");
    type_text(&mut model, "hf_secret");
    assert!(!draw(&model).contains("hf_secret"));
    press(&mut model, "down");
    assert!(!draw(&model).contains("hf_secret"));
    let effects = press(&mut model, "ctrl-s enter");
    let [Effect::Start(plan, secrets)] = effects.as_slice() else {
        panic!("{effects:?}")
    };
    assert_eq!(secrets["ai-lab"]["token"], Answer::Text("hf_secret".into()));
    assert!(!serde_json::to_string(plan).unwrap().contains("hf_secret"));
}

#[test]
fn a_wrong_value_is_said_at_its_field_and_nothing_goes_on() {
    let mut model = sample::options(80, 24);
    press(
        &mut model,
        "down down down backspace backspace backspace backspace backspace",
    );
    type_text(&mut model, "2GiB");
    press(&mut model, "ctrl-s");
    assert_eq!(model.screen(), Screen::Options);
    assert!(draw(&model).contains("smaller than 8GiB"), "{}", draw(&model));
    assert_eq!(
        model.form().unwrap().cursor,
        3,
        "the cursor is on the wrong field"
    );
}

#[test]
fn options_that_are_not_asked_are_not_answered() {
    let mut model = sample::options(80, 24);
    press(&mut model, "right right");
    let answers = model.form().unwrap().answers();
    assert_eq!(answers["image"], Answer::Text("file".into()));
    assert!(draw(&model).contains("Image file"));
    press(&mut model, "right");
    assert!(!draw(&model).contains("Image file"));
    assert!(!model.form().unwrap().answers().contains_key("image_file"));
}

#[test]
fn removing_a_lab_takes_its_name_then_its_plan() {
    let mut model = sample::labs(80, 24);
    press(&mut model, "enter end enter");
    assert_eq!(Place::of(&model), Place::ConfirmTyping);
    type_text(&mut model, "ai-la");
    assert_eq!(press(&mut model, "enter"), vec![]);
    assert!(model.dialog.is_some(), "the name is not whole");
    type_text(&mut model, "b");
    assert_eq!(press(&mut model, "enter"), vec![]);
    assert_eq!(model.screen(), Screen::Review);
    assert!(!model.review.clone().unwrap().apply, "Cancel is marked");
}

#[test]
fn a_foreign_instance_is_only_offered_to_be_adopted_in_words() {
    let mut model = sample::labs(80, 24);
    press(&mut model, "down down down enter");
    let screen = draw(&model);
    assert!(
        screen.contains("not ours") && screen.contains("Adopt"),
        "{screen}"
    );
    for word in ["Restore", "Recreate", "Update", "Remove", "Stop", "Shell"] {
        assert!(!screen.contains(word), "{word} in {screen}");
    }
    press(&mut model, "enter");
    assert_eq!(Place::of(&model), Place::ConfirmTyping);
    type_text(&mut model, "mine");
    press(&mut model, "enter");
    assert_eq!(model.review.clone().unwrap().plan.labs[0].choice, Choice::Adopt);
    assert_eq!(press(&mut sample::labs(80, 24), "down down down e"), vec![]);
}

#[rstest]
#[case("d")]
#[case("P")]
fn a_snapshot_is_not_removed_on_one_key_nor_on_a_second_enter(#[case] key: &str) {
    let mut model = sample::picker(80, 24);
    model.setup.config.keep_safety = 1;
    assert_eq!(press(&mut model, key), vec![]);
    assert_eq!(press(&mut model, "enter"), vec![], "Cancel is marked");
    assert!(model.dialog.is_none());
    press(&mut model, key);
    let effects = press(&mut model, "tab enter");
    let [Effect::Do(Job::DeleteSnapshots(lab, names))] = effects.as_slice() else {
        panic!("{effects:?}")
    };
    assert_eq!(lab, "ai-lab");
    let expected: &[&str] = if key == "d" {
        &["update-4"]
    } else {
        &["update-3", "update-1"]
    };
    let names: Vec<&str> = names.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, expected, "pinned ones, clean and the user's own stay");
}

#[test]
fn a_pinned_snapshot_is_not_removed() {
    let mut model = sample::picker(80, 24);
    press(&mut model, "down down d");
    assert!(model.dialog.is_none());
    assert!(draw(&model).contains("is pinned"));
}

#[test]
fn snapshots_are_made_noted_pinned_renamed_and_copied() {
    let mut model = sample::picker(80, 24);
    press(&mut model, "n");
    type_text(&mut model, "Bad Name");
    press(&mut model, "enter enter");
    assert!(model.dialog.is_some(), "the name cannot be used");
    press(&mut model, "ctrl-c n");
    type_text(&mut model, "mine-1");
    press(&mut model, "enter");
    type_text(&mut model, "a note");
    let made = Job::NewSnapshot("ai-lab".into(), "mine-1".into(), "a note".into());
    assert_eq!(press(&mut model, "enter"), vec![Effect::Do(made.clone())]);
    assert_eq!(press(&mut model, "p"), vec![], "one job at a time");
    let effects = model.update(Msg::Done(made, Ok("done".into())));
    assert_eq!(effects, vec![Effect::Look, Effect::Snapshots("ai-lab".into())]);
    let pin = Job::Pin("ai-lab".into(), "update-4".into(), true);
    assert_eq!(press(&mut model, "p"), vec![Effect::Do(pin.clone())]);
    model.update(Msg::Done(pin, Err("no".into())));
    assert_eq!(press(&mut model, "c"), vec![]);
    press(&mut model, "enter");
    let choice = Choice::RestoreAs("update-4".into(), "ai-lab-update-4".into());
    assert_eq!(model.review.clone().unwrap().plan.labs[0].choice, choice);
}

#[test]
fn the_filter_takes_letters_that_are_keys_elsewhere() {
    let mut model = sample::picker(80, 24);
    press(&mut model, "/");
    type_text(&mut model, "qd");
    assert_eq!(model.done, None);
    press(&mut model, "backspace backspace v i d e o");
    assert_eq!(model.picker.shown().len(), 1);
    press(&mut model, "esc");
    assert_eq!(model.picker.shown().len(), 6);
    assert_eq!(model.screen(), Screen::Snapshots);
}

#[test]
fn a_run_is_stopped_only_after_a_question() {
    let mut model = sample::run(80, 24);
    for keys in ["esc enter", "q enter", "ctrl-c enter", "q esc"] {
        assert_eq!(press(&mut model, keys), vec![], "{keys}: Keep on is marked");
        assert!(
            model.is_running() && model.done.is_none() && model.dialog.is_none(),
            "{keys}"
        );
    }
    assert_eq!(press(&mut model, "q tab enter"), vec![Effect::Cancel]);
    assert_eq!(model.done, None, "the action at work is waited for");
    model.update(Msg::Ended(Outcome {
        run: "r".into(),
        code: 5,
        summary: vec![],
    }));
    assert_eq!(model.done, Some(5));
}

#[test]
fn a_run_that_did_not_end_well_can_be_gone_on_with_from_its_result() {
    for (code, effects) in [(5, vec![Effect::FindRun("run-1".into())]), (0, vec![])] {
        let mut model = sample::run(80, 24);
        model.run.as_mut().unwrap().id = Some("run-1".into());
        model.update(Msg::Ended(Outcome {
            run: "run-1".into(),
            code,
            summary: vec![],
        }));
        assert_eq!(model.screen(), Screen::Result);
        assert_eq!(press(&mut model, "r"), effects, "{code}");
    }
}

#[test]
fn a_signal_ends_the_program_and_stops_its_run() {
    let mut model = sample::run(80, 24);
    assert_eq!(model.update(Msg::Ordered(143)), vec![Effect::Cancel]);
    assert_eq!(model.done, Some(143));
    let mut model = sample::labs(80, 24);
    assert_eq!(model.update(Msg::Ordered(129)), vec![]);
    assert_eq!(model.done, Some(129));
}

#[test]
fn the_log_follows_until_it_is_scrolled_and_again_at_its_end() {
    let mut model = sample::run(80, 24);
    let pane = |model: &Model| model.run.as_ref().unwrap().viewer.panes[0].clone();
    assert!(pane(&model).ask.follow);
    press(&mut model, "pgup");
    assert!(draw(&model).contains("paused"));
    assert!(!pane(&model).ask.follow && !pane(&model).page.at_end);
    press(&mut model, "pgdn pgdn pgdn");
    assert!(pane(&model).ask.follow, "at the end it follows again");
    press(&mut model, "g");
    assert_eq!(pane(&model).ask.spot.offset, 0);
    press(&mut model, "f");
    assert!(pane(&model).ask.follow && pane(&model).page.at_end);
}

#[test]
fn one_page_is_read_at_a_time_and_what_was_told_meanwhile_is_read_after_it() {
    let mut model = sample::run(80, 24);
    let grew = |bytes| {
        Msg::Run(halolab::run::Event::Output {
            lab: "ai-lab".into(),
            bytes,
        })
    };
    let page = || {
        Msg::Turned(halolab::app::Turned {
            pane: 0,
            asked: Box::default(),
            page: Box::default(),
        })
    };
    assert!(matches!(model.update(grew(1)).as_slice(), [Effect::Turn(..)]));
    assert_eq!(model.update(grew(2)), vec![]);
    assert_eq!(model.update(grew(3)), vec![]);
    assert!(matches!(model.update(page()).as_slice(), [Effect::Turn(..)]));
    assert_eq!(model.update(page()), vec![]);
}

#[test]
fn the_log_is_searched_filtered_and_split_with_the_keys_of_the_viewer() {
    let mut model = sample::run(120, 40);
    press(&mut model, "/");
    type_text(&mut model, "package 7 ");
    press(&mut model, "enter");
    let screen = draw(&model);
    assert!(
        screen.contains("hit 1 of 1") && screen.contains("package 7 of 60"),
        "{screen}"
    );
    press(&mut model, "&");
    type_text(&mut model, "of 6");
    press(&mut model, "backspace");
    type_text(&mut model, "x");
    press(&mut model, "enter");
    assert!(draw(&model).contains("no line passes the filter"));
    press(&mut model, "& ctrl-u enter |");
    assert_eq!(model.run.as_ref().unwrap().viewer.panes.len(), 2);
    // Leaving is the screen's own key.
    press(&mut model, "q");
    assert!(model.done.is_none() && model.dialog.is_some());
}

#[test]
fn read_only_changes_nothing() {
    let mut model = sample::picker(80, 24);
    model.setup.read_only = true;
    for keys in ["enter", "c", "n", "m", "p", "R", "d", "P"] {
        assert_eq!(press(&mut model, keys), vec![], "{keys}");
        assert!(
            model.dialog.is_none() && model.screen() == Screen::Snapshots,
            "{keys}"
        );
    }
    press(&mut model, "esc");
    assert_eq!(press(&mut model, "e"), vec![]);
}

#[test]
fn a_plan_that_needs_root_lets_sudo_ask_first() {
    let mut model = sample::review_create(80, 24);
    let review = model.review.as_mut().unwrap();
    review.plan.labs[0].actions[0].step = halolab::plan::Step::HostScript {
        script: "true".into(),
        check: None,
        env: std::collections::BTreeMap::new(),
    };
    let world = model.world.as_mut().unwrap();
    world.facts.insert("root".into(), false.into());
    assert_eq!(press(&mut model, "enter"), vec![Effect::Errand(Errand::Sudo)]);
    assert!(model.run.is_none());
    model.update(Msg::Returned(Errand::Sudo, Err("no password".into())));
    assert_eq!(model.screen(), Screen::Review, "nothing happened");
    press(&mut model, "enter");
    let effects = model.update(Msg::Returned(Errand::Sudo, Ok(String::new())));
    assert!(matches!(effects.as_slice(), [Effect::Start(..)]), "{effects:?}");
}

#[test]
fn a_megabyte_is_pasted_into_lines_only_and_cut() {
    let mut model = sample::labs(80, 24);
    let paste = || Msg::Input(Input::Paste("q\x1b[2Jd\n".repeat(200_000)));
    assert_eq!(model.update(paste()), vec![]);
    assert_eq!(model.done, None);
    let mut model = sample::picker(80, 24);
    press(&mut model, "/");
    model.update(paste());
    let text = model.picker.filter.text();
    assert!(
        text.len() <= 4096 && !text.contains(['\x1b', '\n']),
        "{}",
        text.len()
    );
}

#[test]
fn a_theme_is_previewed_kept_or_put_back() {
    let mut model = sample::labs(80, 24);
    press(&mut model, "T down down");
    assert_eq!(model.look.theme.name, "light");
    press(&mut model, "esc");
    assert_eq!(model.look.theme.name, "dark");
    let effects = press(&mut model, "T down enter");
    assert_eq!(effects, vec![Effect::SaveTheme("high-contrast".into())]);
}

#[test]
fn a_lost_engine_keeps_the_lists_and_a_retry_looks_again() {
    let mut model = sample::labs(80, 24);
    model.update(Msg::World(Err(halolab::app::Missing {
        text: "gone".into(),
        absent: false,
        docker: None,
    })));
    assert_eq!(model.labs.rows.len(), 4);
    assert!(matches!(model.engine, Engine::Failed(_)));
    assert_eq!(press(&mut model, "r"), vec![Effect::Look]);
}

#[test]
fn what_each_action_runs_is_read_over_the_plan() {
    let mut model = sample::review_create(80, 24);
    press(&mut model, "v");
    assert!(
        draw(&model).contains("1 of 12: create the instance ai-lab"),
        "{}",
        draw(&model)
    );
    press(&mut model, "tab n");
    let screen = draw(&model);
    assert!(
        screen.contains("inside ai-lab") && screen.contains("base-devel"),
        "{screen}"
    );
    assert!(!screen.contains('\x1b'), "{screen:?}");
    press(&mut model, "q");
    assert!(model.done.is_none() && model.dialog.is_none());
    assert_eq!(model.screen(), Screen::Review);
    // The action that is in view comes first.
    press(&mut model, "end v");
    assert!(!draw(&model).contains("1 of 12"), "{}", draw(&model));
    press(&mut model, "ctrl-c ?");
    assert!(model.help.is_some() && model.dialog.is_none());
    press(&mut model, "q");
    assert!(model.help.is_none() && model.done.is_none(), "q closes the help");
}

#[test]
fn the_options_of_this_machine_come_before_the_first_plan() {
    let mut model = sample::fresh(80, 24);
    let shipped = halolab::stage::Catalog::shipped();
    let stages = shipped.iter().filter(|s| s.id == "host").cloned();
    let stages = stages.chain(sample::catalog().iter().cloned()).collect();
    model.setup.catalog = std::sync::Arc::new(halolab::stage::Catalog::of(stages));
    model.setup.planner = halolab::plan::plan;
    model.update(Msg::Host(Box::new(sample::host())));
    let world = labs::World::without_daemon(sample::facts(), halolab::config::Config::default());
    model.update(Msg::World(Ok(Box::new(world))));
    press(&mut model, "enter enter enter ctrl-s");
    let screen = draw(&model);
    assert!(
        screen.contains("this machine: options (2 of 2)") && screen.contains("Storage pool size"),
        "{screen}"
    );
    while !model.form().unwrap().help().contains("Room for all labs") {
        press(&mut model, "down");
    }
    type_text(&mut model, "77GiB");
    press(&mut model, "ctrl-s");
    assert_eq!(model.screen(), Screen::Review, "{}", draw(&model));
    let plan = model.review.clone().unwrap().plan;
    let says = |text: &str| plan.actions().any(|a| a.sentence.contains(text));
    assert!(says("77 GiB") || says("77GiB"), "{plan:?}");
    press(&mut model, "esc esc");
    assert_eq!(
        model.form().unwrap().lab,
        "ai-lab",
        "esc goes back through the forms"
    );
}

#[test]
fn a_snapshot_without_a_name_gets_a_free_one() {
    let mut model = sample::picker(80, 24);
    press(&mut model, "n enter");
    type_text(&mut model, "before the holidays");
    let job = Job::NewSnapshot("ai-lab".into(), "snap-1".into(), "before the holidays".into());
    assert_eq!(press(&mut model, "enter"), vec![Effect::Do(job.clone())]);
    let mut rows = model.picker.rows.clone().unwrap().unwrap();
    rows.insert(
        0,
        labs::SnapshotRow {
            name: "snap-1".into(),
            ..rows[0].clone()
        },
    );
    model.update(Msg::Done(job, Ok("taken".into())));
    model.update(Msg::Snapshots("ai-lab".into(), Ok(rows)));
    assert_eq!(
        model.picker.current().unwrap().name,
        "snap-1",
        "the cursor is on the new one"
    );
}

fn holder() -> halolab::run::lock::Holder {
    halolab::run::lock::Holder::parse("run 20261122-0500-abcd, pid 4242, since 2026-11-22 04:55:00 UTC")
}

#[test]
fn another_halolab_at_work_is_named_and_waited_for() {
    let mut model = sample::review(80, 24);
    model.update(Msg::Other(Some(holder())));
    assert!(
        draw(&model).contains("another halolab is at work"),
        "{}",
        draw(&model)
    );
    assert_eq!(press(&mut model, "tab enter"), vec![], "nothing begins");
    let screen = draw(&model);
    for word in [
        "run 20261122-0500-abcd",
        "process 4242",
        "04:55:00",
        "Wait",
        "Leave it",
    ] {
        assert!(screen.contains(word), "{word} in {screen}");
    }
    press(&mut model, "tab enter");
    assert!(draw(&model).contains("waiting for its end"), "{}", draw(&model));
    assert_eq!(model.update(Msg::Other(None)), vec![Effect::Look]);
    model.update(Msg::World(Ok(Box::new(sample::world()))));
    assert_eq!(model.screen(), Screen::Review);
    assert!(
        draw(&model).contains("the other halolab has ended"),
        "{}",
        draw(&model)
    );
    assert!(!model.review.clone().unwrap().apply, "Cancel is marked again");
    assert!(matches!(
        press(&mut model, "tab enter").as_slice(),
        [Effect::Start(..)]
    ));
}

#[test]
fn a_run_that_another_halolab_forestalled_is_under_review_again() {
    let mut model = sample::review_create(80, 24);
    assert!(matches!(
        press(&mut model, "enter").as_slice(),
        [Effect::Start(..)]
    ));
    model.update(Msg::Busy(holder()));
    assert_eq!((model.screen(), model.is_running()), (Screen::Review, false));
    assert!(
        draw(&model).contains("Another halolab is at work"),
        "{}",
        draw(&model)
    );
    press(&mut model, "enter esc");
    assert_eq!(model.screen(), Screen::Options, "left, and back to the form");
    // A small change is refused in words.
    let mut model = sample::picker(80, 24);
    model.update(Msg::Other(Some(holder())));
    assert_eq!(press(&mut model, "p"), vec![]);
    assert!(draw(&model).contains("not now"), "{}", draw(&model));
}

/// More would be lost than the plan says: it is shown anew, with why, and nothing is begun.
#[test]
fn a_plan_that_is_out_of_date_is_under_review_again() {
    let mut model = sample::review_create(80, 24);
    press(&mut model, "enter");
    assert!(model.is_running());
    let outdated = halolab::app::Outdated {
        world: sample::world(),
        losses: halolab::plan::Losses::default(),
        more: vec!["the job cmd-1 (make), which runs in ai-lab".into()],
    };
    let effects = model.update(Msg::Outdated(Box::new(outdated)));
    assert_eq!(effects, vec![Effect::Look]);
    assert_eq!((model.screen(), model.is_running()), (Screen::Review, false));
    let text = draw(&model);
    assert!(text.contains("not begun: the job cmd-1 (make)"), "{text}");
    assert!(!model.review.clone().unwrap().apply, "Cancel is marked");
    assert!(matches!(
        press(&mut model, "tab enter").as_slice(),
        [Effect::Start(..)]
    ));
}

fn lose(model: &mut Model) {
    model.update(Msg::World(Err(halolab::app::Missing {
        text: "gone".into(),
        absent: false,
        docker: None,
    })));
}

#[rstest]
#[case::mark_and_create("down space enter")]
#[case::menu("enter down enter")]
#[case::remove("enter end enter")]
#[case::shell("e")]
#[case::new_snapshot("s n")]
fn nothing_is_changed_on_the_strength_of_an_old_view(#[case] keys: &str) {
    let mut model = sample::labs(140, 40);
    model.update(Msg::Clock(sample::now() + 180));
    lose(&mut model);
    let screen = draw(&model);
    assert!(
        screen.contains("not reachable since 05:03 UTC, last seen 05:00"),
        "{screen}"
    );
    assert!(
        !screen.contains("● running") && screen.contains("? unknown"),
        "{screen}"
    );
    // Looking again does not make it true.
    let effects: Vec<Effect> = press(&mut model, &format!("r {keys}"));
    assert!(
        effects
            .iter()
            .all(|e| matches!(e, Effect::Look | Effect::Snapshots(_))),
        "{effects:?}"
    );
    assert!(
        model.dialog.is_none() && model.review.is_none(),
        "{}",
        draw(&model)
    );
    assert!(
        draw(&model).contains("nothing is changed now"),
        "{}",
        draw(&model)
    );
    model.update(Msg::World(Ok(Box::new(sample::world()))));
    assert!(!model.is_stale() && draw(&model).contains("reachable again"));
}

#[test]
fn a_plan_made_before_the_engine_went_away_is_made_anew() {
    let mut model = sample::review(80, 24);
    lose(&mut model);
    assert_eq!(press(&mut model, "tab enter"), vec![]);
    assert_eq!(model.screen(), Screen::Review);
    model.update(Msg::World(Ok(Box::new(sample::world()))));
    assert_eq!(model.screen(), Screen::Review);
    assert!(!model.review.clone().unwrap().apply, "Cancel is marked again");
    assert!(matches!(
        press(&mut model, "tab enter").as_slice(),
        [Effect::Start(..)]
    ));
}

#[test]
fn a_lab_that_is_gone_behind_an_open_menu_is_said_and_not_acted_on() {
    let mut model = sample::labs(80, 24);
    press(&mut model, "enter");
    model.picker.lab = "gone".into();
    assert!(draw(&model).contains("removed by someone else"));
    assert_eq!(press(&mut model, "down down enter"), vec![]);
}

#[test]
fn every_key_of_every_place_has_one_meaning_and_a_help() {
    let mut model = sample::picker(80, 24);
    press(&mut model, "?");
    for keys in [
        Place::Welcome,
        Place::Host,
        Place::Change,
        Place::Labs,
        Place::Menu,
        Place::Snapshots,
        Place::Filter,
        Place::Options,
        Place::OptionsTyping,
        Place::Review,
        Place::Run,
        Place::Search,
        Place::Result,
        Place::Confirm,
        Place::ConfirmTyping,
        Place::Prompt,
        Place::Themes,
        Place::Script,
        Place::Help,
        Place::Small,
    ] {
        let mut seen = std::collections::HashSet::new();
        for key in keys.keys() {
            assert!(!key.help.is_empty());
            for chord in key.chords {
                assert!(seen.insert(*chord), "{keys:?}: {chord:?} twice");
            }
        }
    }
}

#[test]
fn a_click_puts_the_cursor_on_a_row_and_does_nothing_else() {
    use crossterm::event::{KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
    let mut model = sample::labs(80, 24);
    let click = |row| {
        Msg::Input(Input::Mouse(MouseEvent {
            kind: MouseEventKind::Down(MouseButton::Left),
            column: 10,
            row,
            modifiers: KeyModifiers::NONE,
        }))
    };
    // One line of title, two of heads, then the rows.
    assert_eq!(model.update(click(4)), vec![]);
    assert_eq!(model.labs.cursor, 1);
    assert_eq!(model.screen(), Screen::Labs);
    model.update(click(23));
    assert_eq!(model.labs.cursor, 1);
}
