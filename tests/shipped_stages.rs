//! The labs that we ship: their files parse, name only scripts that exist, and leave none unused.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{collections::BTreeSet, fs, path::PathBuf};

use halolab::stage::{FieldKind, Script, Stage};

fn folder(id: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("stages").join(id)
}

fn read(id: &str) -> Stage {
    let file = folder(id).join("stage.toml");
    let text = fs::read_to_string(&file).unwrap();
    toml::from_str(&text).unwrap_or_else(|error| panic_in(&file.display().to_string(), &error.to_string()))
}

#[expect(clippy::panic, reason = "a test fails by panicking")]
fn panic_in(file: &str, error: &str) -> Stage {
    panic!("{file}: {error}")
}

fn scripts(stage: &Stage) -> BTreeSet<String> {
    let steps = stage.steps.iter().chain(&stage.updates).chain(&stage.verifies);
    steps
        .flat_map(|step| step.run.values())
        .filter_map(|script| match script {
            Script::File(name) => Some(name.clone()),
            Script::Inline(_) => None,
        })
        .collect()
}

#[test]
fn each_script_exists_and_is_used() {
    for id in ["ai-lab", "dev-lab"] {
        let stage = read(id);
        assert_eq!(stage.id, id);
        let there: BTreeSet<String> = fs::read_dir(folder(id))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name != "stage.toml")
            .collect();
        assert_eq!(
            scripts(&stage),
            there,
            "{id}: left are the named scripts, right the files"
        );
    }
}

#[test]
fn every_step_has_a_script_for_each_offered_image() {
    for id in ["ai-lab", "dev-lab"] {
        let stage = read(id);
        for step in stage.steps.iter().chain(&stage.updates).chain(&stage.verifies) {
            for image in &stage.images {
                assert!(
                    step.script(image.family).is_some(),
                    "{id}: {} has none for {}",
                    step.id,
                    image.id
                );
            }
        }
    }
}

#[test]
fn defaults_are_among_the_choices() {
    for id in ["ai-lab", "dev-lab"] {
        for option in read(id).options {
            let picks = matches!(option.kind, FieldKind::Choice | FieldKind::Multi);
            assert_eq!(picks, !option.choices.is_empty(), "{id}: {}", option.id);
            let known = |word: &String| option.choices.iter().any(|choice| choice.id == *word);
            match (&option.default, option.kind) {
                // A fact of the machine; tests/gpu_choices.rs looks at what comes of it.
                (Some(halolab::stage::Answer::Text(word)), FieldKind::Choice)
                    if word.starts_with("${host.") => {}
                (Some(halolab::stage::Answer::Text(word)), FieldKind::Choice) => {
                    assert!(known(word), "{id}: {word}");
                }
                (Some(halolab::stage::Answer::List(words)), FieldKind::Multi) => {
                    assert!(words.iter().all(known), "{id}: {words:?}");
                }
                (_, FieldKind::Choice | FieldKind::Multi) => {
                    panic!("{id}: the choice {} has no usable default", option.id);
                }
                _ => {}
            }
        }
    }
}
