//! The host's screen: the machine, its findings, the GPU's memory, and a change from its diff to its inverse.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking"
)]

#[path = "common/sample/mod.rs"]
mod sample;

use std::{fs, path::Path};

use halolab::{
    app::{
        Effect, Model, Msg, Screen,
        dialog::Dialog,
        machine::{Agreed, Aim, Machine, Row},
        tuning::propose,
    },
    backend::Profile,
    host::{Root, boot::Way},
    labs::World,
    plan::{Plan, PlanError, Request, Step},
    run::receipt::{Keeper, Standing},
    stage::Catalog,
};
use rstest::rstest;
use sample::{box_of, draw, host_of, open_host, press};

const UNTUNED: &str = "strix-halo-128-untuned-badfw";
const GRUB: &str = "GRUB_DEFAULT=0\nGRUB_CMDLINE_LINUX_DEFAULT=\"quiet splash\"\n";
const BOOT_ID: &str = "proc/sys/kernel/random/boot_id";
const LIMIT: &str = "sys/module/ttm/parameters/pages_limit";
const POOL: &str = "sys/module/ttm/parameters/page_pool_size";

/// A copy of a captured host with a boot configuration, and a state folder.
struct Copy {
    host: tempfile::TempDir,
    state: tempfile::TempDir,
}

impl Copy {
    fn of(name: &str) -> Self {
        let host = tempfile::tempdir().unwrap();
        let from = Path::new("tests/fixtures/hosts").join(name);
        let copied = std::process::Command::new("cp")
            .arg("-a")
            .arg(from.join("."))
            .arg(host.path())
            .status();
        assert!(copied.unwrap().success());
        let copy = Self {
            host,
            state: tempfile::tempdir().unwrap(),
        };
        copy.put("etc/default/grub", GRUB);
        copy.put("usr/sbin/update-grub", "");
        copy.put(BOOT_ID, "first\n");
        copy
    }

    fn put(&self, path: &str, text: &str) {
        let path = self.host.path().join("root").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn grub(&self) -> String {
        fs::read_to_string(self.host.path().join("root/etc/default/grub")).unwrap()
    }

    fn keeper(&self) -> Keeper {
        Keeper::new(self.state.path(), self.host.path())
    }

    /// What the program would tell after a look.
    fn look(&self) -> Box<Machine> {
        let mut machine = box_of(self.host.path());
        machine.changes = self.keeper().open().unwrap();
        Box::new(machine)
    }

    fn screen(&self, width: u16, height: u16) -> Model {
        open_host(*self.look(), width, height)
    }

    /// Does what the screen asked for, as the program would; the boot menu is not made anew here.
    fn perform(&self, model: &mut Model, effects: Vec<Effect>) {
        for effect in effects {
            let more = match effect {
                Effect::Propose(what, aim) => {
                    let proposed = propose(self.host.path(), &self.keeper(), what, aim);
                    model.update(Msg::Proposed(proposed))
                }
                Effect::Change(agreed) => {
                    let said = format!("done: {}", agreed.what);
                    self.make(*agreed);
                    model.update(Msg::Changed(Ok(said)))
                }
                Effect::LookAtMachine => model.update(Msg::Machine(self.look())),
                Effect::Look => vec![],
                other => panic!("{other:?}"),
            };
            self.perform(model, more);
        }
    }

    fn make(&self, agreed: Agreed) {
        let mut proposal = agreed.proposal.unwrap();
        proposal.refresh.clear();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            match agreed.aim {
                Aim::Make(wish) => {
                    self.keeper().make(&agreed.what, &wish, &proposal).await.unwrap();
                }
                Aim::TakeBack(entry) => self.keeper().undo(&entry, &proposal).await.unwrap(),
                Aim::Firewall(_) => panic!("no firewall here"),
            }
        });
    }

    fn press(&self, model: &mut Model, keys: &str) {
        for key in keys.split_whitespace() {
            let effects = press(model, key);
            self.perform(model, effects);
        }
    }
}

/// Moves to the row of a finding.
fn go_to(model: &mut Model, id: &str) {
    press(model, "home");
    for _ in 0..40 {
        if draw(model).contains(&format!("╭ {id} ─")) {
            return;
        }
        press(model, "down");
    }
    panic!("no {id}:\n{}", draw(model));
}

#[rstest]
#[case::good("host_good", "strix-halo-128-good", "")]
#[case::untuned("host_untuned", UNTUNED, "down down")]
#[case::memory("host_memory", UNTUNED, "down right right -")]
#[case::nvidia("host_nvidia", "nvidia-h200-vm", "")]
#[case::vm("host_vm", "vm-no-gpu", "")]
fn screen(#[case] name: &str, #[case] host: &str, #[case] keys: &str) {
    for (width, height) in [(60, 15), (80, 24), (120, 40), (200, 60)] {
        let mut model = open_host(host_of(host), width, height);
        press(&mut model, keys);
        insta::assert_snapshot!(format!("{name}_{width}x{height}"), draw(&model));
    }
}

#[test]
fn a_change_is_shown_as_a_diff_with_cancel_marked() {
    let copy = Copy::of(UNTUNED);
    for (width, height) in [(60, 15), (80, 24), (120, 40), (200, 60)] {
        let mut model = copy.screen(width, height);
        copy.press(&mut model, "down w w enter w");
        insta::assert_snapshot!(format!("host_change_{width}x{height}"), draw(&model));
        copy.press(&mut model, "enter");
        assert!(model.dialog.is_none());
    }
    assert_eq!(copy.grub(), GRUB);
}

#[test]
fn the_pool_is_set_counted_after_the_restart_and_taken_back() {
    let copy = Copy::of(UNTUNED);
    let mut model = copy.screen(120, 40);
    copy.press(&mut model, "down right right - enter");
    let Some(Dialog::Change(view)) = &model.dialog else {
        panic!("{}", draw(&model))
    };
    let ways: Vec<Way> = view.proposed.ways.iter().map(|(way, _)| *way).collect();
    assert_eq!(ways, [Way::Modprobe, Way::Grub]);
    assert_eq!(view.proposed.at, 0, "AMD's own way where nothing says otherwise");
    copy.press(&mut model, "w tab enter");
    let pages = 103 * 262_144;
    assert!(
        copy.grub()
            .contains(&format!("quiet splash ttm.pages_limit={pages} ")),
        "{}",
        copy.grub()
    );
    let change = model.host_view.machine.as_ref().unwrap().changes[0].clone();
    assert_eq!(change.standing, Standing::RestartNeeded);
    assert!(model.host_rows().contains(&Row::Change(0)));
    insta::assert_snapshot!("host_changed_120x40", draw(&model));

    // After the restart the kernel runs with it, or not.
    copy.put(BOOT_ID, "second\n");
    copy.perform(&mut model, vec![Effect::LookAtMachine]);
    assert_eq!(
        model.host_view.machine.as_ref().unwrap().changes[0].standing,
        Standing::DoesNotCount
    );
    copy.put(LIMIT, &format!("{pages}\n"));
    copy.put(POOL, &format!("{pages}\n"));
    copy.perform(&mut model, vec![Effect::LookAtMachine]);
    assert_eq!(
        model.host_view.machine.as_ref().unwrap().changes[0].standing,
        Standing::Counts
    );

    copy.press(&mut model, "u");
    let shown = draw(&model);
    assert!(
        shown.contains("take back") && shown.contains("-GRUB_CMDLINE_LINUX_DEFAULT"),
        "{shown}"
    );
    copy.press(&mut model, "enter");
    assert_ne!(copy.grub(), GRUB, "Cancel is marked at first");
    copy.press(&mut model, "u tab enter");
    assert_eq!(copy.grub(), GRUB);
    let changes = &model.host_view.machine.as_ref().unwrap().changes;
    assert_eq!(changes[0].standing, Standing::UndoRestartNeeded);
    copy.put(BOOT_ID, "third\n");
    copy.perform(&mut model, vec![Effect::LookAtMachine]);
    assert!(model.host_view.machine.as_ref().unwrap().changes.is_empty());
}

#[test]
fn a_finding_that_only_a_person_can_mend_says_so() {
    let copy = Copy::of(UNTUNED);
    let mut model = copy.screen(120, 40);
    go_to(&mut model, "amd.fw.mes_0x83");
    assert_eq!(press(&mut model, "x"), vec![]);
    assert!(draw(&model).contains("only you can do this"), "{}", draw(&model));
    go_to(&mut model, "amd.mem.gtt_default");
    assert!(matches!(&press(&mut model, "x")[..], [Effect::Propose(what, _)] if what.contains("96 GiB")));
}

#[test]
fn the_size_stays_between_one_and_the_most_of_this_box() {
    let mut model = open_host(host_of(UNTUNED), 80, 24);
    press(&mut model, "right");
    assert_eq!(model.host_view.gib, None, "only on its own row");
    press(&mut model, "down");
    for _ in 0..40 {
        press(&mut model, "right");
    }
    assert_eq!(model.host_view.gib, Some(124));
    for _ in 0..140 {
        press(&mut model, "-");
    }
    assert_eq!(model.host_view.gib, Some(1));
}

#[test]
fn a_machine_without_a_shared_gpu_has_no_planner() {
    for name in [
        "nvidia-h200-vm",
        "vm-no-gpu",
        "mi300x-spx",
        "strix-halo-inside-lxc",
        "wsl2-nvidia",
    ] {
        assert_eq!(host_of(name).pool, None, "{name}");
    }
    let good = host_of("strix-halo-128-good").pool.unwrap();
    assert!(!good.is_default);
    assert_eq!((good.start, good.most), (Some(96), 124));
}

#[test]
fn read_only_shows_the_diff_and_changes_nothing() {
    let copy = Copy::of(UNTUNED);
    let mut model = copy.screen(80, 24);
    model.setup.read_only = true;
    copy.press(&mut model, "down enter tab enter");
    assert_eq!(copy.grub(), GRUB);
    assert!(draw(&model).contains("read-only"), "{}", draw(&model));
}

#[test]
fn while_the_boot_configuration_is_written_the_program_stays() {
    let copy = Copy::of(UNTUNED);
    let mut model = copy.screen(80, 24);
    copy.press(&mut model, "down enter");
    assert!(matches!(&press(&mut model, "tab enter")[..], [Effect::Change(_)]));
    press(&mut model, "q");
    press(&mut model, "ctrl-c");
    assert_eq!(model.done, None);
    assert!(draw(&model).contains("being written"), "{}", draw(&model));
    model.update(Msg::Changed(Ok("done".into())));
    press(&mut model, "q");
    assert_eq!(model.done, Some(0));
}

#[test]
fn it_opens_from_the_first_screens_and_goes_back() {
    let mut model = sample::labs(80, 24);
    press(&mut model, "i");
    assert_eq!(model.screen(), Screen::Host);
    assert!(draw(&model).contains("being looked at"));
    press(&mut model, "esc");
    assert_eq!(model.screen(), Screen::Labs);
    press(&mut model, "esc i");
    assert_eq!(model.screen(), Screen::Host);
}

/// The sample's planner, with a GPU in the lab.
fn with_gpu(world: &World, catalog: &Catalog, requests: &[Request]) -> Result<Plan, PlanError> {
    let mut plan = sample::planner(world, catalog, requests)?;
    let device = [("type", "gpu")].map(|(key, value)| (key.to_owned(), value.to_owned()));
    let profile = Profile {
        devices: [("gpu".to_owned(), device.into())].into(),
        ..Profile::default()
    };
    plan.labs[0].actions[0].step = Step::PutProfile { profile, over: None };
    Ok(plan)
}

/// The plan of a first lab with a GPU, on a machine.
fn first_lab(machine: Machine, planner: halolab::app::model::Planner) -> Model {
    let mut model = sample::first_run(80, 24);
    model.setup.planner = planner;
    model.update(Msg::Machine(Box::new(machine)));
    press(&mut model, "enter enter ctrl-s");
    assert_eq!(model.screen(), Screen::Review);
    model
}

#[test]
fn a_plan_for_a_gpu_lab_offers_to_tune_first_and_does_not_unless_told() {
    let copy = Copy::of(UNTUNED);
    let mut model = first_lab(*copy.look(), with_gpu);
    assert!(draw(&model).contains("t: first"), "{}", draw(&model));
    let before = model.review.as_ref().unwrap().plan.clone();
    assert!(!before.is_tuned());
    copy.press(&mut model, "t");
    let review = model.review.as_ref().unwrap();
    assert!(review.plan.is_tuned() && !review.apply);
    insta::assert_snapshot!("host_tune_first_80x24", draw(&model));
    copy.press(&mut model, "t");
    assert_eq!(model.review.as_ref().unwrap().plan, before);
    assert_eq!(copy.grub(), GRUB, "a plan changes nothing");
}

#[rstest]
#[case::a_lab_without_a_gpu(UNTUNED, sample::planner)]
#[case::a_machine_that_is_tuned("strix-halo-128-good", with_gpu)]
#[case::another_machine("nvidia-h200-vm", with_gpu)]
fn nothing_is_offered_to(#[case] host: &str, #[case] planner: halolab::app::model::Planner) {
    let mut model = first_lab(host_of(host), planner);
    assert!(!draw(&model).contains("t: first"), "{}", draw(&model));
    assert_eq!(press(&mut model, "t"), vec![]);
}

#[test]
fn several_boot_loaders_are_said_and_can_be_chosen() {
    let copy = Copy::of(UNTUNED);
    copy.put("boot/limine.conf", "/Arch\n    cmdline: quiet amd_iommu=off\n");
    copy.put("proc/cmdline", "quiet amd_iommu=off");
    let wish = halolab::host::boot::Wish {
        set: vec![("amd_iommu".into(), "on".into())],
        remove: vec![],
    };
    let proposed = propose(copy.host.path(), &copy.keeper(), "x".into(), Aim::Make(wish)).unwrap();
    let ways: Vec<Way> = proposed.ways.iter().map(|(way, _)| *way).collect();
    assert_eq!(ways, [Way::Grub, Way::Limine]);
    assert!(proposed.hint.unwrap().contains("more than one boot loader"));
    assert!(Root::new(copy.host.path()).has("/boot/limine.conf"));
}
