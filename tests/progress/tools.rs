//! Other tools than Spack, by what they really print.

use halolab::progress::{Counts, Inside, Reader, State, Summary, Times, Tool, Tree};
use rstest::rstest;

use crate::fixtures::{bytes, events, tree, tree_of};

fn of(name: &str) -> Tree {
    tree(
        &events(&bytes(&format!("progress/{name}.log"))),
        &Times::default(),
    )
}

fn tools(tree: &Tree) -> Vec<Tool> {
    tree.sections().iter().map(|section| section.tool).collect()
}

fn counted(tree: &Tree) -> (u32, Option<u32>) {
    let Counts { done, total, .. } = tree.counts();
    (done, total)
}

#[rstest]
#[case::ninja("ninja", &[Tool::Ninja], (8, Some(8)), 0)]
#[case::ninja_that_fails("ninja-fail", &[Tool::Ninja], (1, Some(2)), 3)]
#[case::make("make", &[Tool::Make], (100, Some(100)), 0)]
#[case::make_that_fails("make-fail", &[Tool::Make], (12, Some(100)), 4)]
#[case::meson("meson", &[Tool::Meson, Tool::Ninja], (5, Some(5)), 0)]
#[case::cargo("cargo", &[Tool::Cargo], (3, Some(3)), 0)]
#[case::cargo_that_fails("cargo-fail", &[Tool::Cargo], (0, None), 2)]
#[case::pip("pip", &[Tool::Pip], (3, None), 0)]
#[case::uv("uv", &[Tool::Uv], (3, Some(3)), 0)]
#[case::apt("apt-install", &[Tool::Apt], (2, Some(2)), 0)]
#[case::apt_update("apt-update", &[Tool::Apt], (0, None), 0)]
#[case::pacman("pacman", &[Tool::Pacman], (3, Some(3)), 0)]
#[case::dnf("dnf", &[Tool::Dnf], (2, Some(2)), 0)]
#[case::docker("docker-buildkit", &[Tool::Docker], (3, Some(4)), 3)]
#[case::docker_of_before("docker-classic", &[Tool::Docker], (3, Some(3)), 0)]
fn a_tool_is_known_by_its_lines(
    #[case] name: &str,
    #[case] expected: &[Tool],
    #[case] counts: (u32, Option<u32>),
    #[case] errors: u64,
) {
    let tree = of(name);
    assert_eq!(tools(&tree), expected);
    assert_eq!(counted(&tree), counts);
    assert_eq!(tree.noted().0, errors, "{:?}", tree.notes());
}

#[test]
fn packages_of_a_distribution_and_of_python_have_states() {
    let apt = of("apt-install");
    let names: Vec<_> = apt.packages().iter().map(|p| (p.title(), p.state)).collect();
    let installed = State::Installed;
    assert_eq!(
        names,
        [
            ("hello 2.10-3".into(), installed),
            ("sl 5.02-1+b1".into(), installed)
        ]
    );
    let pip = of("pip");
    let names: Vec<_> = pip.packages().iter().map(|p| (p.title(), p.state)).collect();
    assert_eq!(
        names,
        [
            ("six 1.17.0".into(), installed),
            ("docopt 0.6.2".into(), installed),
            ("idna 3.20".into(), installed)
        ]
    );
    assert_eq!(Summary::of(&pip, None, None).phase, "done");
    let half = tree_of(
        "Collecting numpy>=1.2\n  Downloading numpy-2.0-cp312.whl (18 MB)\nCollecting docopt\n  Building wheel for docopt (setup.py): started\n",
    );
    let states: Vec<_> = half.packages().iter().map(|p| p.state).collect();
    assert_eq!(states, [State::Fetching, State::Building]);
}

#[test]
fn one_log_may_hold_several_tools_one_after_the_other() {
    let mut log = bytes("progress/apt-install.log");
    let pip_from = log.len() as u64;
    log.extend(bytes("progress/pip.log"));
    log.extend(bytes("progress/ninja.log"));
    let tree = tree(&events(&log), &Times::default());
    assert_eq!(tools(&tree), [Tool::Apt, Tool::Pip, Tool::Ninja]);
    assert_eq!(tree.sections()[1].offset, pip_from);
    assert_eq!(counted(&tree), (8, Some(8)), "of the tool that wrote last");
}

#[test]
fn a_forced_tool_hears_nothing_else() {
    let log = bytes("progress/ninja.log");
    let mut reader = Reader::of(Tool::Make);
    let mut tree = Tree::new();
    for event in reader.feed(&log, 0) {
        tree.apply(&event, None);
    }
    assert_eq!(counted(&tree), (0, None));
    assert_eq!(tree.noted(), (0, 6), "warnings are everybody's");
}

#[test]
fn steps_inside_a_package_of_spack_are_that_packages() {
    let hash = "ttzpb4xm6vxalkclyjyxzylgovt7zydp";
    let tree = tree_of(&format!(
        "==> Installing lab-a-1.0-{hash} [1/2]\n==> lab-a: Executing phase: 'build'\n[12/48] Building C object x.o\n\
         Collecting six\n"
    ));
    assert_eq!(tools(&tree), [Tool::Spack]);
    assert_eq!(
        tree.packages().len(),
        1,
        "pip inside of a build is not a tool of its own"
    );
    assert_eq!(tree.packages()[0].inside, Some(Inside { done: 12, total: 48 }));
    assert!(Summary::of(&tree, None, None).text().contains("(build 25%)"));
}

#[rstest]
#[case::too_far("[9/8] Building")]
#[case::nothing("[/] x")]
#[case::percent("[101%] Building")]
#[case::glued("[1/2]x")]
#[case::list("[1/2, 3] x")]
#[case::dash("(3/17) apples in a box")]
#[case::cargo("  Compiling x v1")]
#[case::installed("Successfully installed nothing-1.0")]
#[case::hash("#12 not a step")]
fn lines_that_only_look_alike_are_left_alone(#[case] line: &str) {
    assert!(events(format!("{line}\n").as_bytes()).is_empty());
}

#[test]
fn a_bar_that_is_rewritten_is_read_at_each_state() {
    let tree = tree_of("    Building [=>       ] 3/12: serde\r    Building [=====>   ] 7/12: serde, syn\r");
    assert_eq!(counted(&tree), (7, Some(12)));
    assert_eq!(tree.sections()[0].doing, "serde, syn");
}
