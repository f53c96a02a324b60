//! Homes as archives, and the compose file: what is typed, and what is asked before a home makes room.

use halolab::{app::workspaces::Filed, workspace::compose::Extras};

use super::*;

fn filed(effects: &[Effect]) -> (Filed, String) {
    match wish(effects) {
        Wish::File(what, path) => (what.clone(), path.clone()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_home_is_written_where_it_was_said() {
    let mut model = asked(80, 24);
    press(&mut model, "B");
    let shown = draw(&model);
    assert!(shown.contains("Write the home of anna to an archive"), "{shown}");
    assert!(shown.contains("~/anna-") && shown.contains(".tar.zst"), "{shown}");
    press(&mut model, "ctrl-u enter");
    assert!(draw(&model).contains("a path is needed"), "{}", draw(&model));
    let effects = press(&mut model, "/ t m p / a enter");
    assert_eq!(filed(&effects), (Filed::Backup("anna".into()), "/tmp/a".into()));
    assert!(draw(&model).contains("is being written"), "{}", draw(&model));
    let there = "/tmp/a is there already, and is not overwritten; name another file";
    model.update(Msg::Workspaces(News::Not(None, there.into())));
    assert!(draw(&model).contains("is not overwritten"), "{}", draw(&model));
}

#[test]
fn a_home_is_put_back_below_nothing_that_runs_and_replaced_after_a_yes() {
    let mut model = asked(80, 24);
    press(&mut model, "I");
    assert!(model.dialog.is_none());
    assert!(
        draw(&model).contains("the workspace of anna runs"),
        "{}",
        draw(&model)
    );
    let effects = press(&mut model, "down I / a enter");
    let asked_for = (Filed::Restore("bob".into(), false), "/a".to_owned());
    assert_eq!(filed(&effects), asked_for);
    model.update(Msg::Workspaces(News::Occupied("bob".into(), "/a".into())));
    let shown = draw(&model);
    assert!(
        shown.contains("Replace the home of bob?") && shown.contains("beside it"),
        "{shown}"
    );
    assert_eq!(press(&mut model, "enter"), [], "Cancel is the default");
    model.update(Msg::Workspaces(News::Occupied("bob".into(), "/a".into())));
    let effects = press(&mut model, "tab enter");
    assert_eq!(filed(&effects), (Filed::Restore("bob".into(), true), "/a".into()));
}

#[test]
fn a_compose_file_is_written_with_what_is_wanted_beside_it() {
    let mut model = asked(80, 24);
    press(&mut model, "C tab t r a e f i c enter");
    assert!(draw(&model).contains("there is no traefic"), "{}", draw(&model));
    let effects = press(&mut model, "backspace k , m o n i t o r i n g enter");
    let (what, path) = filed(&effects);
    let wanted = Extras {
        traefik: true,
        monitoring: true,
        guacamole: false,
    };
    assert!(
        matches!(what, Filed::Compose(extras) if extras == wanted),
        "{what:?}"
    );
    assert_eq!(path, "~/workspaces");
    let mut model = asked(80, 24);
    assert_eq!(press(&mut model, "C esc"), []);
    assert!(model.dialog.is_none());
}

/// Neither LXD nor Docker answers.
fn neither() -> Msg {
    Msg::World(Err(halolab::app::Missing {
        text: "LXD at /nonexistent does not answer".into(),
        absent: false,
        docker: Some("Docker at /run/docker.sock does not answer: refused".into()),
    }))
}

#[test]
fn why_docker_is_away_is_told_once() {
    for base in [users, nobody] {
        let mut model = base(120, 40);
        model.update(neither());
        let shown = draw(&model);
        assert_eq!(shown.matches("does not answer: refused").count(), 1, "{shown}");
    }
}

#[test]
fn what_another_engine_says_is_no_answer_where_docker_is_meant() {
    // LXD is away, Docker answers.
    let mut model = users(80, 24);
    let mut both = world(vec![container("anna", Status::Running)]);
    both.server = None;
    both.away = "LXD at /nonexistent does not answer".into();
    model.update(Msg::World(Ok(Box::new(both))));
    let shown = draw(&model);
    assert!(
        shown.contains("Docker 28.5.2") && !shown.contains("LXD"),
        "{shown}"
    );
    assert!(!shown.contains("no engine"), "{shown}");
    // Neither answers: Docker's word is what counts, and it is told once.
    model.update(neither());
    let shown = draw(&model);
    assert!(
        shown.contains("Docker at /run/docker.sock") && !shown.contains("LXD"),
        "{shown}"
    );
    press(&mut model, "esc");
    let shown = draw(&model);
    assert!(shown.contains("LXD"), "other screens are about it\n{shown}");
}
