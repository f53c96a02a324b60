//! Plans that its screens show, without looking at anything.

use halolab::{
    labs::World,
    plan::{Action, Choice, Plan, PlanError, Request, Step, Track, Undo},
    stage::Catalog,
};

fn action(id: &str, sentence: &str, command: &str, seconds: u32) -> Action {
    Action {
        id: id.into(),
        sentence: sentence.into(),
        command: command.into(),
        destroys: None,
        undo: Undo::Nothing,
        seconds,
        step: Step::WaitDaemon { seconds: 1 },
        optional: false,
        engine: halolab::backend::Engine::Lxd,
    }
}

/// With a control sequence, as a stage from anywhere may have one.
const BASE: &str = "# what every lab has\npacman -Syu --noconfirm --needed base-devel git python python-pip openssh sudo less\nif [ -n \"$PACKAGES\" ]; then\n\tprintf '\x1b[31mmore\x1b[0m\\n'\nfi\n";

fn create(lab: &str) -> Vec<Action> {
    vec![
        Action {
            undo: Undo::By(format!("delete {lab}")),
            ..action(
                &format!("{lab}/create"),
                &format!("create the instance {lab} from Arch Linux"),
                &format!("lxc init images:archlinux {lab} --profile halolab-{lab}"),
                8,
            )
        },
        action(
            &format!("{lab}/start"),
            &format!("start {lab}"),
            &format!("lxc start {lab}"),
            1,
        ),
        Action {
            step: Step::Exec {
                name: lab.into(),
                script: BASE.into(),
                env: [
                    ("LAB".to_owned(), lab.to_owned()),
                    ("PACKAGES".to_owned(), "git python".to_owned()),
                ]
                .into(),
                secrets: vec!["token".into()],
            },
            ..action(
                &format!("{lab}/base"),
                "install the base packages",
                &format!("lxc exec {lab} -- sh -eu  # the script base"),
                180,
            )
        },
        Action {
            optional: true,
            ..action(
                &format!("{lab}/comfyui"),
                "install ComfyUI",
                &format!("lxc exec {lab} -- sh -eu  # the script comfyui"),
                240,
            )
        },
        action(
            &format!("{lab}/verify"),
            "run a calculation on the GPU",
            &format!("lxc exec {lab} -- sh -eu  # the script gpu"),
            12,
        ),
        Action {
            undo: Undo::By("remove the snapshot".into()),
            ..action(
                &format!("{lab}/clean"),
                &format!("take the snapshot clean of {lab}"),
                &format!("lxc snapshot {lab} clean"),
                1,
            )
        },
    ]
}

fn restore(lab: &str, snapshot: &str) -> Vec<Action> {
    vec![
        Action {
            undo: Undo::By("remove the snapshot".into()),
            ..action(
                &format!("{lab}/safety"),
                &format!("take the safety snapshot restore-1 of {lab}"),
                &format!("lxc snapshot {lab} restore-1"),
                1,
            )
        },
        Action {
            destroys: Some(format!("what was changed in {lab} since {snapshot}")),
            undo: Undo::By("restore restore-1".into()),
            ..action(
                &format!("{lab}/restore"),
                &format!("put {lab} back to {snapshot}"),
                &format!("lxc restore {lab} {snapshot}"),
                2,
            )
        },
        action(
            &format!("{lab}/verify"),
            "run a calculation on the GPU",
            &format!("lxc exec {lab} -- sh -eu  # the script gpu"),
            12,
        ),
    ]
}

/// Plans without looking: what creates creates, everything else destroys something.
#[expect(clippy::unnecessary_wraps, reason = "the type of a planner")]
pub(crate) fn planner(_: &World, _: &Catalog, requests: &[Request]) -> Result<Plan, PlanError> {
    let track = |request: &Request| {
        let lab = &request.lab;
        let (actions, loses) = match &request.choice {
            Choice::Create | Choice::Adopt => (create(lab), vec![]),
            Choice::Restore(snapshot) => (
                restore(lab, snapshot),
                vec![
                    format!("what was changed in {lab} since {snapshot}"),
                    "config and devices that were added to the instance itself".into(),
                ],
            ),
            Choice::Remove => (
                vec![Action {
                    destroys: Some(format!("{lab} with its snapshots")),
                    undo: Undo::Never,
                    ..action(
                        &format!("{lab}/delete"),
                        &format!("delete {lab}"),
                        &format!("lxc delete {lab}"),
                        2,
                    )
                }],
                vec![format!("{lab} with its 3 snapshots")],
            ),
            _ => (restore(lab, "clean"), vec![format!("what is in {lab} now")]),
        };
        Track {
            lab: lab.clone(),
            stage: request.stage.clone(),
            choice: request.choice.clone(),
            actions,
            loses,
            keeps: vec![
                "models and package caches, on data mounts".into(),
                "its profile with the GPU".into(),
            ],
            uuid: String::new(),
            notes: vec![],
        }
    };
    Ok(Plan {
        version: 1,
        host: vec![],
        labs: requests.iter().map(track).collect(),
        losses: halolab::plan::Losses::default(),
    })
}
