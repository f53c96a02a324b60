//! What the shipped labs make of a machine's GPUs: what they compute on, which CUDA, how the driver gets in, and what
//! is said where something does not fit.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::{collections::BTreeMap, path::Path};

use halolab::{
    app::form::Form,
    backend::{Network, Pool, Server},
    host::{self, Fact, Facts},
    labs::World,
    plan::{self, Choice, Plan, PlanError, Request, Step},
    stage::{Answer, Answers, Catalog},
};
use rstest::rstest;

/// The facts of a captured machine, with a network.
fn machine(name: &str) -> Facts {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/hosts");
    host::probe(&folder.join(name))
}

fn with(mut facts: Facts, more: &[(&str, Fact)]) -> Facts {
    facts.extend(more.iter().map(|(name, fact)| ((*name).to_owned(), fact.clone())));
    facts
}

/// A machine whose daemon has these extensions.
fn world(mut facts: Facts, extensions: &[&str]) -> World {
    let extensions: Vec<String> = extensions.iter().map(|name| (*name).to_owned()).collect();
    host::facts::daemon(&mut facts, Some(&extensions), true);
    World {
        server: Some(Server {
            product: "lxd".into(),
            address: "/var/lib/lxd/unix.socket".into(),
            trusted: true,
            extensions,
            ..Server::default()
        }),
        facts,
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
        ..World::default()
    }
}

fn make(world: &World, answers: &[(&str, &str)]) -> Result<Plan, PlanError> {
    let answers: Answers = answers
        .iter()
        .chain(&[("image", "debian-bootstrap")])
        .map(|(id, value)| ((*id).to_owned(), Answer::Text((*value).to_owned())))
        .collect();
    let request = Request {
        lab: "ai-lab".into(),
        stage: "ai-lab".into(),
        choice: Choice::Create,
        answers,
    };
    plan::plan(world, &Catalog::shipped(), &[request])
}

type Devices = BTreeMap<String, BTreeMap<String, String>>;

/// Devices and config of the lab's profile, and the environment of its scripts.
fn made(plan: &Plan) -> (Devices, BTreeMap<String, String>, BTreeMap<String, String>) {
    let steps = || plan.labs[0].actions.iter().map(|action| &action.step);
    let profile = steps().find_map(|step| match step {
        Step::PutProfile { profile, .. } => Some(profile.clone()),
        _ => None,
    });
    let env = steps().find_map(|step| match step {
        Step::Exec { env, .. } => Some(env.clone()),
        _ => None,
    });
    let profile = profile.unwrap();
    (profile.devices, profile.config, env.unwrap())
}

#[rstest]
#[case::strix_halo("strix-halo-128-good", "rocm", "")]
#[case::ada("nvidia-rtx4090-580", "cuda", "cu130")]
#[case::hopper("nvidia-h200-vm", "cuda", "cu130")]
#[case::old_driver("nvidia-rtx4090-525", "cuda", "cu126")]
#[case::no_gpu("vm-no-gpu", "cpu", "")]
#[case::intel("intel-only", "cpu", "")]
fn a_lab_computes_on_what_the_machine_has(#[case] name: &str, #[case] gpu: &str, #[case] line: &str) {
    let plan = make(&world(machine(name), &[]), &[]).unwrap();
    let (_, _, env) = made(&plan);
    assert_eq!(
        (env["OPT_GPU"].as_str(), env["OPT_CUDA_LINE"].as_str()),
        (gpu, line)
    );
}

#[test]
fn a_machine_with_both_kinds_has_no_silent_default() {
    let world = world(machine("hybrid-strix-halo-rtx4090"), &[]);
    let error = make(&world, &[]).unwrap_err();
    let PlanError::Answer { source, .. } = &error else {
        unreachable!("{error}")
    };
    assert!(source.complaint.unanswered);
    let said = error.to_string();
    assert!(
        said.contains("option `gpu`") && said.contains("--set gpu=rocm, --set gpu=cuda"),
        "{said}"
    );
    for gpu in ["rocm", "cuda", "cpu"] {
        let (devices, _, env) = made(&make(&world, &[("gpu", gpu)]).unwrap());
        assert_eq!(env["OPT_GPU"], gpu);
        let has = |name: &str| devices.contains_key(name);
        assert_eq!(
            (has("kfd"), has("gpu-nvidia")),
            (gpu == "rocm", gpu == "cuda"),
            "{gpu}"
        );
    }
}

#[test]
fn the_form_of_such_a_machine_asks() {
    let facts = machine("hybrid-strix-halo-rtx4090");
    let catalog = Catalog::shipped();
    let stage = catalog.get("ai-lab").unwrap();
    let mut form = Form::new("ai-lab", stage, &facts, &Answers::new());
    assert_eq!(form.answers().get("gpu"), None);
    assert!(!form.check());
    assert!(form.errors["gpu"].contains("more than one"), "{:?}", form.errors);
    form.change(true);
    assert_eq!(form.answers()["gpu"], Answer::Text("rocm".into()));
    form.change(true);
    assert_eq!(form.answers()["gpu"], Answer::Text("cuda".into()));
    assert!(form.check(), "{:?}", form.errors);
    // Who answered before is not asked again.
    let former = Answers::from([("gpu".to_owned(), Answer::Text("cuda".into()))]);
    assert!(Form::new("ai-lab", stage, &facts, &former).check());
}

#[test]
fn a_driver_that_is_too_old_turns_the_line_off_and_says_why() {
    let facts = machine("nvidia-rtx4090-525");
    let why = "CUDA 13.0 needs NVIDIA's driver 580.65.06 or later; this machine has 525";
    let plan = make(&world(facts.clone(), &[]), &[]).unwrap();
    let notes = plan.labs[0].notes.join("\n");
    assert!(notes.starts_with(&format!("13.0 is off: {why}")), "{notes}");
    let error = make(&world(facts.clone(), &[]), &[("cuda_line", "cu130")]).unwrap_err();
    assert!(error.to_string().contains(why), "{error}");
    let catalog = Catalog::shipped();
    let form = Form::new("ai-lab", catalog.get("ai-lab").unwrap(), &facts, &Answers::new());
    assert_eq!(form.answers()["cuda_line"], Answer::Text("cu126".into()));
    let at = form
        .fields
        .iter()
        .position(|f| f.field.id == "cuda_line")
        .unwrap();
    assert!(form.refusals(at)[0].contains(why), "{:?}", form.refusals(at));
}

#[test]
fn without_any_cuda_that_fits_the_gpu_is_off_with_the_reason() {
    let why = "CUDA 12.6 needs NVIDIA's driver 525.60.13 or later; this machine has 470.1";
    let old = with(
        machine("nvidia-rtx4090-580"),
        &["cuda", "cu126", "cu128", "cu130"].map(|name| {
            (
                Box::leak(format!("unfit_{name}").into_boxed_str()) as &str,
                why.into(),
            )
        }),
    );
    let plan = make(&world(old.clone(), &[]), &[]).unwrap();
    let (devices, _, env) = made(&plan);
    assert_eq!(env["OPT_GPU"], "cpu");
    assert!(!devices.contains_key("gpu-nvidia"));
    assert_eq!(plan.labs[0].notes, [format!("NVIDIA GPU (CUDA) is off: {why}")]);
    let error = make(&world(old, &[]), &[("gpu", "cuda")])
        .unwrap_err()
        .to_string();
    assert!(error.contains(&format!("`cuda` is off here: {why}")), "{error}");
}

#[rstest]
#[case::cdi(&["gpu_cdi", "nvidia_runtime"], &["nvidia_cdi", "nvidia_container_cli"], "cdi")]
#[case::runtime(&["nvidia_runtime"], &["nvidia_cdi", "nvidia_container_cli"], "runtime")]
#[case::no_toolkit(&["gpu_cdi", "nvidia_runtime"], &[], "plain")]
fn the_driver_gets_in_as_daemon_and_machine_can(
    #[case] extensions: &[&str],
    #[case] there: &[&str],
    #[case] way: &str,
) {
    let mut facts = machine("nvidia-rtx4090-580");
    facts.extend(there.iter().map(|name| ((*name).to_owned(), true.into())));
    let facts = with(facts, &[("nvidia_libraries", "/usr/lib64".into())]);
    let world = world(facts, extensions);
    for (answer, way) in [
        ("auto", way),
        ("cdi", "cdi"),
        ("runtime", "runtime"),
        ("plain", "plain"),
    ] {
        let plan = make(&world, &[("nvidia_passthrough", answer)]).unwrap();
        let (devices, config, _) = made(&plan);
        let nodes = devices
            .get("gpu-nvidia")
            .map(|d| (d["vendorid"].as_str(), d["gid"].as_str()));
        assert_eq!(nodes.is_some(), way != "cdi", "{answer}");
        assert!(nodes.is_none_or(|found| found == ("10de", "2990")));
        let cdi = devices.get("gpu-nvidia-cdi").map(|d| d["id"].as_str());
        assert_eq!(cdi, (way == "cdi").then_some("nvidia.com/gpu=all"), "{answer}");
        assert_eq!(
            config.contains_key("nvidia.runtime"),
            way == "runtime",
            "{answer}"
        );
        let driver = devices.get("nvidia-driver").map(|d| d["source"].as_str());
        assert_eq!(driver, (way == "plain").then_some("/usr/lib64"), "{answer}");
    }
}

#[test]
fn the_form_shows_which_way_auto_is() {
    let facts = world(machine("nvidia-rtx4090-580"), &[]).facts;
    let catalog = Catalog::shipped();
    let form = Form::new("ai-lab", catalog.get("ai-lab").unwrap(), &facts, &Answers::new());
    let field = form
        .fields
        .iter()
        .find(|f| f.field.id == "nvidia_passthrough")
        .unwrap();
    assert_eq!(field.field.choices[0].title, "auto (here: plain)");
}
