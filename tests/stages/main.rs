//! Stages as data: each mistake says where it is and what is allowed; the shipped ones load; folders
//! override; conditions, sizes and answers keep their promises for any input.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod answers;
mod properties;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use halolab::{
    host::{Fact, Facts},
    stage::{
        Answer, Answers, Catalog, Stage,
        answers::{env, image},
        given::{Labs, answers_schema, export, parse_set, parse_sets, read_answers},
        load, report, resolve,
    },
};

const BAD: &str = "tests/fixtures/stages/bad";

fn full() -> Stage {
    load::read(Path::new("tests/fixtures/stages/good/full")).unwrap()
}

fn amd() -> Facts {
    Facts::from([
        ("gpu_amd".into(), Fact::Bool(true)),
        ("memory".into(), Fact::Number(64 << 30)),
        ("family".into(), Fact::Text("debian".into())),
    ])
}

fn text(value: &str) -> Answer {
    Answer::Text(value.into())
}

fn given(pairs: &[(&str, Answer)]) -> Answers {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), value.clone()))
        .collect()
}

/// Asserts that a text is as in `tests/snapshots/NAME.snap`.
fn snapshot(name: &str, text: &str) {
    let settings = {
        let mut settings = insta::Settings::clone_current();
        settings.set_prepend_module_to_snapshot(false);
        settings.set_snapshot_path("../snapshots/stages");
        settings.set_omit_expression(true);
        settings
    };
    settings.bind(|| insta::assert_snapshot!(name, text));
}

#[test]
fn each_mistake_is_shown_with_its_place() {
    let mut files: Vec<PathBuf> = fs::read_dir(BAD)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    assert!(files.len() >= 40, "fixtures are missing");
    for file in files {
        let name = file.file_stem().unwrap().to_str().unwrap().to_owned();
        let Err(error) = load::read(&file) else {
            panic!("{} was accepted", file.display());
        };
        for problem in &error.problems {
            assert!(problem.line > 0 && problem.column > 0, "no place: {problem}");
        }
        snapshot(&name, &error.to_string());
    }
}

#[test]
fn a_mistake_in_a_script_beside_a_stage_is_shown_in_its_own_file() {
    let folder = tempfile::tempdir().unwrap();
    let stage = fs::read_to_string("tests/fixtures/stages/bad/family-without-script.toml").unwrap();
    let stage = stage.replace(
        "run.arch = { inline = \"true\" }",
        "run.any = { file = \"packages.sh\" }",
    );
    fs::write(folder.path().join("stage.toml"), stage).unwrap();
    fs::write(
        folder.path().join("packages.sh"),
        "set -eu\necho \"${OPT_PROXY:-}\"\n",
    )
    .unwrap();
    let error = load::read(folder.path()).unwrap_err().to_string();
    let first = error.lines().next().unwrap();
    assert!(
        first.ends_with("/packages.sh:2:9: `OPT_PROXY` is no option of this stage"),
        "{error}"
    );
    assert!(error.contains("hint: the stage has no options"), "{error}");
}

#[test]
fn a_file_that_is_no_stage_file_is_refused_without_reading_it() {
    let folder = tempfile::tempdir().unwrap();
    let large = folder.path().join("large.toml");
    fs::write(&large, " ".repeat(1024 * 1024 + 1)).unwrap();
    assert!(
        load::read(&large)
            .unwrap_err()
            .to_string()
            .contains("larger than 1 MiB")
    );
    let missing = folder.path().join("missing.toml");
    assert!(
        load::read(&missing)
            .unwrap_err()
            .to_string()
            .contains("cannot be read")
    );
    let pipe = folder.path().join("pipe.toml");
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RWXU).unwrap();
    assert!(
        load::read(&pipe)
            .unwrap_err()
            .to_string()
            .contains("not a plain file")
    );
    for number in 0..65 {
        fs::write(folder.path().join(format!("{number}.sh")), "").unwrap();
    }
    fs::write(folder.path().join("stage.toml"), "").unwrap();
    assert!(
        load::read(folder.path())
            .unwrap_err()
            .to_string()
            .contains("a folder of its own")
    );
}

#[test]
fn what_is_no_text_beside_a_stage_is_told_where_it_belongs() {
    let folder = tempfile::tempdir().unwrap();
    let stage = Path::new("tests/fixtures/docker-labs/box-lab/stage.toml");
    fs::copy(stage, folder.path().join("stage.toml")).unwrap();
    let packs = folder.path().join("sources/spack.git");
    fs::create_dir_all(&packs).unwrap();
    fs::write(packs.join("pack.idx"), b"\xfftOc\x00").unwrap();
    let error = load::read(folder.path()).unwrap_err().to_string();
    for part in [
        "sources/spack.git/pack.idx",
        "a stage's files are text",
        "fetch the rest",
    ] {
        assert!(error.contains(part), "{part}: {error}");
    }
}

#[test]
fn deep_nesting_is_an_error_and_not_a_crash() {
    let deep = 200_000;
    for bomb in [
        format!("title = {}", "[".repeat(deep)),
        format!("title = {}", "{a=".repeat(deep)),
        format!("{}a = 1", "a.".repeat(deep)),
        format!("[{}a]", "a.".repeat(deep)),
    ] {
        let error = load::parse("bomb.toml", &bomb, BTreeMap::new()).unwrap_err();
        assert!(error.to_string().len() < 2000, "{error}");
    }
    let when = format!("version = 1\n[[step]]\nwhen = '{}host.x'", "!".repeat(1500));
    let error = load::parse("bomb.toml", &when, BTreeMap::new()).unwrap_err();
    assert!(error.to_string().contains("nested too deep"), "{error}");
}

#[test]
fn shipped_stages_load() {
    let catalog = Catalog::shipped();
    let warnings: Vec<String> = catalog.warnings().iter().map(ToString::to_string).collect();
    assert_eq!(warnings, Vec::<String>::new());
    let ids: Vec<&str> = catalog.iter().map(|stage| stage.id.as_str()).collect();
    for id in ["host", "ai-lab", "dev-lab"] {
        assert!(ids.contains(&id), "{id} is not among {ids:?}");
    }
    for stage in catalog.iter() {
        for image in &stage.images {
            let mut answers = given(&[("image", text(&image.id))]);
            if image.source == (halolab::stage::ImageSource::File {}) {
                answers.insert("image_file".into(), text("/image.tar.xz"));
            }
            // An image that this machine does not offer is refused by name; anything else is a mistake.
            if let Err(error) = resolve(stage, &answers, &Facts::new()) {
                assert_eq!(error.option, "image", "{error}");
            }
        }
    }
}

#[test]
fn no_shipped_stage_has_a_warning() {
    for stage in ["host", "ai-lab", "dev-lab"] {
        let checked = report::check(&Path::new("stages").join(stage), halolab::host::KNOWN).unwrap();
        let warnings: Vec<String> = checked.warnings.iter().map(ToString::to_string).collect();
        assert_eq!(warnings, Vec::<String>::new());
    }
}

#[test]
fn a_later_folder_overrides_and_adds() {
    let home = tempfile::tempdir().unwrap();
    let (system, user) = (home.path().join("etc"), home.path().join("user"));
    let stage = |id: &str, title: &str| {
        let backend = match id {
            "host" => "\"host\"\n",
            _ => {
                "\"lxd\"\n[[image]]\nid = \"i\"\ntitle = \"i\"\nfamily = \"any\"\nsource.local = { alias = \"i\" }\n"
            }
        };
        format!(
            "version = 1\nid = \"{id}\"\ntitle = \"{title}\"\nsummary = \"s\"\nbackend = {backend}\
             [[step]]\nid = \"s\"\ntitle = \"t\"\nrun.any = {{ inline = \"true\" }}\n"
        )
    };
    fs::create_dir_all(&system).unwrap();
    fs::create_dir_all(user.join("mine")).unwrap();
    fs::write(system.join("one.toml"), stage("one", "from etc")).unwrap();
    fs::write(system.join("two.toml"), stage("two", "from etc")).unwrap();
    fs::write(user.join("two.toml"), stage("two", "from the user")).unwrap();
    fs::write(user.join("mine/stage.toml"), stage("host", "my own host")).unwrap();
    fs::write(
        user.join("broken.toml"),
        stage("one", "broken").replace("title = \"t\"", "titel = \"t\""),
    )
    .unwrap();
    fs::write(user.join("two2.toml"), stage("two", "again")).unwrap();
    fs::write(user.join(".hidden.toml"), "not TOML").unwrap();
    fs::write(user.join("notes.txt"), "not TOML").unwrap();
    let catalog = Catalog::load(&[system, user.clone(), home.path().join("missing")]);
    let title = |id: &str| catalog.get(id).unwrap().title.clone();
    assert_eq!(title("one"), "from etc", "a broken file replaces nothing");
    assert_eq!(title("two"), "from the user");
    assert_eq!(title("host"), "my own host");
    assert_eq!(
        catalog.get("two").unwrap().origin,
        user.join("two.toml").display().to_string()
    );
    let warnings: Vec<String> = catalog.warnings().iter().map(ToString::to_string).collect();
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(
        warnings
            .iter()
            .any(|w| w.contains("broken.toml:13:1: unknown key `titel`")),
        "{warnings:?}"
    );
    assert!(
        warnings
            .iter()
            .any(|w| w.contains("two2.toml: the stage `two` is in")),
        "{warnings:?}"
    );
}

#[test]
fn a_stage_is_shown_and_checked_for_people() {
    let checked = report::check(Path::new("tests/fixtures/stages/good/full"), &["gpu_amd"]).unwrap();
    snapshot("report-check", &checked.to_string());
    snapshot("report-show", &report::show(&checked.stage));
    let list = report::list_text(&Catalog::of(vec![checked.stage]));
    assert_eq!(
        list,
        "full  Everything  tests/fixtures/stages/good/full/stage.toml\n"
    );
}

/// Keys of the objects in a JSON value that the schema does not know: a small validator for what the schema uses.
fn unknown_keys(
    schema: &serde_json::Value,
    root: &serde_json::Value,
    value: &serde_json::Value,
) -> Vec<String> {
    if let Some(name) = schema.get("$ref").and_then(|name| name.as_str()) {
        let target = root
            .pointer(name.trim_start_matches('#'))
            .expect("the schema refers to itself");
        return unknown_keys(target, root, value);
    }
    for word in ["anyOf", "oneOf"] {
        if let Some(variants) = schema.get(word).and_then(|variants| variants.as_array()) {
            let tries = variants.iter().map(|variant| unknown_keys(variant, root, value));
            return tries.min_by_key(Vec::len).unwrap_or_default();
        }
    }
    match value {
        serde_json::Value::Object(fields) => fields
            .iter()
            .flat_map(|(key, value)| {
                let property = schema.get("properties").and_then(|all| all.get(key));
                let other = schema
                    .get("additionalProperties")
                    .filter(|other| other.is_object());
                match property.or(other) {
                    Some(schema) => unknown_keys(schema, root, value),
                    None => vec![key.clone()],
                }
            })
            .collect(),
        serde_json::Value::Array(items) => {
            let schema = schema.get("items").cloned().unwrap_or_default();
            items
                .iter()
                .flat_map(|item| unknown_keys(&schema, root, item))
                .collect()
        }
        scalar => {
            let expected = schema.get("type").map(ToString::to_string).unwrap_or_default();
            let kind = match scalar {
                serde_json::Value::Bool(_) => "boolean",
                serde_json::Value::Number(_) => "integer",
                _ => "string",
            };
            let listed = schema.get("enum").and_then(|all| all.as_array());
            let fits = match (schema.get("const"), listed) {
                (Some(only), _) => only == scalar,
                (None, Some(all)) => all.contains(scalar),
                (None, None) => expected.contains(kind),
            };
            if fits { vec![] } else { vec![scalar.to_string()] }
        }
    }
}

#[test]
fn the_schema_describes_what_is_read() {
    let schema = report::schema();
    let mut files: Vec<PathBuf> = fs::read_dir("stages")
        .unwrap()
        .map(|entry| entry.unwrap().path().join("stage.toml"))
        .filter(|file| file.exists())
        .collect();
    files.push("tests/fixtures/stages/good/full/stage.toml".into());
    for file in files {
        let table: toml::Table = toml::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
        let value = serde_json::to_value(table).unwrap();
        assert_eq!(
            unknown_keys(&schema, &schema, &value),
            Vec::<String>::new(),
            "{}",
            file.display()
        );
    }
    let wrong = serde_json::json!({ "titel": "x", "backend": "podman", "image": [{ "id": 1 }] });
    assert_eq!(
        unknown_keys(&schema, &schema, &wrong),
        ["\"podman\"", "1", "titel"]
    );
}

#[test]
fn the_schema_in_assets_is_the_current_one() {
    let path = "assets/schemas/stage.schema.json";
    let current = format!("{:#}\n", report::schema());
    if std::env::var_os("HALOLAB_UPDATE_ASSETS").is_some() {
        fs::write(path, &current).unwrap();
    }
    let written = fs::read_to_string(path).unwrap();
    assert!(
        written == current,
        "run: HALOLAB_UPDATE_ASSETS=1 cargo test --test stages the_schema_in_assets"
    );
}

#[test]
fn the_words_of_a_mistake_hold_nothing_that_drives_a_terminal() {
    let option = "[[option]]\nid = \"a\"\ntitle = \"b\"\nkind = \"se\\u001b]0;x\\u0007\\tret\"\n";
    let text =
        format!("version = 1\nid = \"a\"\ntitle = \"x\"\nsummary = \"y\"\nbackend = \"lxd\"\n{option}");
    let said = load::parse("a.toml", &text, BTreeMap::new())
        .unwrap_err()
        .to_string();
    assert!(said.contains("unknown word `se"), "{said:?}");
    assert!(!said.chars().any(|c| c.is_control() && c != '\n'), "{said:?}");
}
