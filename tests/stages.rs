//! Stages as data: each mistake says where it is and what is allowed; the shipped ones load; folders
//! override; conditions, sizes and answers keep their promises for any input.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

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
        settings.set_snapshot_path("snapshots/stages");
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
        format!(
            "version = 1\nid = \"{id}\"\ntitle = \"{title}\"\nsummary = \"s\"\nbackend = \"host\"\n\
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
            .any(|w| w.contains("broken.toml:8:1: unknown key `titel`")),
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
    let wrong = serde_json::json!({ "titel": "x", "backend": "docker", "image": [{ "id": 1 }] });
    assert_eq!(
        unknown_keys(&schema, &schema, &wrong),
        ["\"docker\"", "1", "titel"]
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

mod answers {
    use super::*;

    #[test]
    fn what_is_not_given_is_its_default_and_what_is_not_asked_is_dropped() {
        let answers = resolve(&full(), &given(&[("name", text("Anna"))]), &amd()).unwrap();
        let expected = given(&[
            ("image", text("arch")),
            ("gpu", text("rocm")),
            ("editors", Answer::List(vec!["cursor".into()])),
            ("jupyter", Answer::Bool(true)),
            ("name", text("Anna")),
            ("swap", text("4GiB")),
        ]);
        assert_eq!(answers, expected);
        // Without an AMD card the default choice is not offered, and then Jupyter is not asked.
        let plain = given(&[("editors", Answer::List(vec![])), ("jupyter", Answer::Bool(true))]);
        let answers = resolve(&full(), &plain, &Facts::new()).unwrap();
        assert_eq!(answers.get("gpu"), Some(&text("cpu")));
        assert_eq!(answers.get("jupyter"), None);
        assert_eq!(answers.get("name"), None);
    }

    #[test]
    fn a_bad_value_names_the_option_the_value_and_what_is_allowed() {
        let cases = [
            ("gpuu", text("rocm")),
            ("gpu", text("rcom")),
            ("gpu", Answer::Bool(true)),
            ("editors", text("cursor")),
            ("editors", Answer::List(vec!["curser".into()])),
            ("jupyter", text("yes")),
            ("swap", text("lots")),
            ("swap", text("512MiB")),
            ("swap", text("1TiB")),
            ("name", text("")),
            ("name", text("two\nlines")),
            ("token", text("hunter2\u{1b}")),
            ("image", text("arhc")),
            ("image", text("file")),
        ];
        let mut all = String::new();
        for (key, value) in cases {
            let mut answers = given(&[("name", text("Anna"))]);
            answers.insert(key.into(), value);
            let error = resolve(&full(), &answers, &amd()).unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "a secret in an error: {error}");
            all.extend([error.as_str(), "\n\n"]);
        }
        snapshot("answers-errors", &all);
    }

    #[test]
    fn scripts_see_every_option_but_no_secret() {
        let stage = full();
        let mut answers = given(&[("name", text("Anna")), ("token", text("hunter2"))]);
        answers.insert(
            "editors".into(),
            Answer::List(vec!["cursor".into(), "code-server".into()]),
        );
        let answers = resolve(&stage, &answers, &amd()).unwrap();
        let variables = env(&stage, &answers, &amd(), image(&stage, &answers));
        let lines: Vec<String> = variables
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        snapshot("answers-env", &lines.join("\n"));
        let none = env(&stage, &Answers::new(), &Facts::new(), None);
        assert_eq!(none.get("OPT_JUPYTER").unwrap(), "0");
        assert_eq!(none.get("OPT_NAME").unwrap(), "", "`set -u` must hold");
    }

    fn labs(stage: &Stage) -> Labs<'_> {
        Labs::from([("full".to_owned(), stage), ("second".to_owned(), stage)])
    }

    #[test]
    fn an_answers_file_is_read_and_written() {
        let stage = full();
        let file = "version = 1\n[full]\nimage = \"debian\"\neditors = [\"cursor\"]\njupyter = false\n\
                    token = \"hunter2\"\nswap = \"2 GiB\"\n";
        let read = read_answers("a.toml", file, &labs(&stage)).unwrap();
        let answers = read.get("full").unwrap();
        assert_eq!(answers.get("swap"), Some(&text("2GiB")));
        let written = export(&[("full", &stage, answers)]);
        assert!(!written.contains("hunter2"), "{written}");
        snapshot("answers-export", &written);
        let mut public = answers.clone();
        public.remove("token");
        assert_eq!(
            read_answers("b.toml", &written, &labs(&stage))
                .unwrap()
                .get("full"),
            Some(&public)
        );
    }

    #[test]
    fn each_mistake_in_an_answers_file_has_its_place() {
        let stage = full();
        let file = "version = 3\n\n[full]\ngpuu = \"rocm\"\ngpu = \"rcom\"\neditors = [\"cursor\", \"curser\"]\n\
                    swap = 5\njupyter = \"yes\"\nimage = \"arhc\"\nimage_file = \"here\"\n\n[fulll]\n";
        let error = read_answers("answers.toml", file, &labs(&stage)).unwrap_err();
        snapshot("answers-file-errors", &error.to_string());
        let error = read_answers("answers.toml", "full = 1", &labs(&stage)).unwrap_err();
        assert!(error.to_string().contains("write [full]"), "{error}");
    }

    #[test]
    fn the_schema_of_answers_knows_labs_and_options() {
        let stage = full();
        let schema = answers_schema(&labs(&stage));
        let good = serde_json::json!({ "full": { "gpu": "rocm", "editors": ["cursor"], "swap": "4GiB" } });
        assert_eq!(unknown_keys(&schema, &schema, &good), Vec::<String>::new());
        let bad = serde_json::json!({ "full": { "gpu": "rcom", "gpuu": "x" } });
        assert_eq!(unknown_keys(&schema, &schema, &bad), ["\"rcom\"", "gpuu"]);
    }

    #[test]
    fn set_is_read_as_the_kind_of_its_option() {
        let stage = full();
        let set = |text: &str| parse_set(&stage, text).unwrap().1;
        assert_eq!(set("jupyter=off"), Answer::Bool(false));
        assert_eq!(
            set("editors=cursor, code-server"),
            Answer::List(vec!["code-server".into(), "cursor".into()])
        );
        assert_eq!(set("editors="), Answer::List(vec![]));
        assert_eq!(set("swap=2048MiB"), text("2GiB"));
        assert_eq!(set("name=a=b"), text("a=b"));
        assert_eq!(set("image=debian"), text("debian"));
        let sets = ["jupyter=no", "second.jupyter=yes"].map(Into::into);
        let all = parse_sets(&sets, &labs(&stage)).unwrap();
        assert_eq!(all.get("full"), Some(&given(&[("jupyter", Answer::Bool(false))])));
        assert_eq!(
            all.get("second"),
            Some(&given(&[("jupyter", Answer::Bool(true))]))
        );
    }

    #[test]
    fn a_set_that_cannot_be_used_says_why() {
        let stage = full();
        let bad = [
            "jupyter",
            "=x",
            "jupyter=maybe",
            "gpu=rcom",
            "thrid.gpu=cpu",
            "gpuu=cpu",
            "token=hunter2",
            "image=x",
        ];
        let mut all = String::new();
        for set in bad {
            let error = parse_sets(&[set.to_owned()], &labs(&stage))
                .unwrap_err()
                .to_string();
            assert!(!error.contains("hunter2"), "a secret in an error: {error}");
            all.extend([error.as_str(), "\n\n"]);
        }
        snapshot("answers-set-errors", &all);
    }
}

mod properties {
    use halolab::stage::{
        condition::{Condition, Expression, Operand, Operator, Scope},
        size,
    };
    use proptest::prelude::*;

    use super::*;

    fn operand() -> impl Strategy<Value = Operand> {
        prop_oneof![
            "[a-z][a-z0-9_]{0,8}".prop_map(Operand::Host),
            "[a-z][a-z0-9_]{0,8}".prop_map(Operand::Option),
            Just(Operand::ImageFamily),
            Just(Operand::ImageId),
            any::<bool>().prop_map(Operand::Bool),
        ]
    }

    fn literal() -> impl Strategy<Value = Operand> {
        prop_oneof![
            operand(),
            any::<u64>().prop_map(Operand::Number),
            "[^'\"]{0,6}\"?[^'\"]{0,3}".prop_map(Operand::Text),
            "[^'\"]{0,6}'?".prop_map(Operand::Text),
        ]
    }

    fn expression() -> impl Strategy<Value = Expression> {
        let operator = prop_oneof![
            Just(Operator::Equal),
            Just(Operator::Unequal),
            Just(Operator::Less),
            Just(Operator::LessOrEqual),
            Just(Operator::Greater),
            Just(Operator::GreaterOrEqual),
        ];
        let leaf = prop_oneof![
            operand().prop_map(Expression::Holds),
            (literal(), operator, literal()).prop_map(|(l, o, r)| Expression::Compare(l, o, r)),
            ("[^'\"]{0,6}", "[a-z][a-z0-9_]{0,8}").prop_map(|(word, id)| Expression::Contains(word, id)),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                inner.clone().prop_map(|part| Expression::Not(Box::new(part))),
                prop::collection::vec(inner.clone(), 2..4).prop_map(Expression::All),
                prop::collection::vec(inner, 2..4).prop_map(Expression::Any),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_condition_is_read_back_as_it_was_shown(expression in expression()) {
            let shown = expression.to_string();
            prop_assume!(shown.len() < 2000);
            let read = Condition::parse(&shown).map_err(|error| TestCaseError::fail(format!("{shown}: {error}")))?;
            prop_assert_eq!(read.expression(), &expression, "{}", shown);
            let (facts, answers) = (Facts::new(), Answers::new());
            let _ = read.holds(&Scope { facts: &facts, answers: &answers, image: None });
        }

        #[test]
        fn no_text_makes_the_parser_of_conditions_panic(text in ".{0,60}") {
            if let Err(error) = Condition::parse(&text) {
                prop_assert!(error.offset <= text.len());
            }
        }

        #[test]
        fn no_mix_of_its_words_makes_it_panic(words in prop::collection::vec(prop::sample::select(vec![
            "host.a", "option.b", "image.family", "image.", "host.", "==", "=", "!", "!=", "(", ")", "&&", "&", "||",
            "in", "\"", "'x'", "\"é\"", "16GiB", "1.", ".", "<=", "true", "é",
        ]), 0..12)) {
            if let Err(error) = Condition::parse(&words.concat()) {
                prop_assert!(error.offset <= words.concat().len());
            }
            let _ = Condition::parse(&words.join(" "));
        }

        #[test]
        fn a_size_is_read_back_as_it_was_written(bytes: u64) {
            prop_assert_eq!(size::parse(&size::format(bytes)), Ok(bytes));
        }

        #[test]
        fn round_sizes_are_read_back_too(number in 0u64..4096, shift in 0u32..6) {
            let bytes = number << (10 * shift);
            prop_assert_eq!(size::parse(&size::format(bytes)), Ok(bytes));
            let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
            let unit = units.get(shift as usize).copied().unwrap_or_default();
            prop_assert_eq!(size::parse(&format!(" {number} {unit}")), Ok(bytes));
            prop_assert_eq!(size::parse(&format!("{number}.5{unit}")).ok(), match shift {
                0 => None,
                _ => Some(bytes + (1 << (10 * shift - 1))),
            });
        }

        #[test]
        fn no_text_makes_the_parser_of_sizes_panic(text in "[0-9.]{0,30}[ a-zA-Z]{0,4}|.{0,20}") {
            let _ = size::parse(&text);
        }

        #[test]
        fn what_is_shown_of_a_size_is_never_more_than_it_is(bytes: u64) {
            let shown = size::parse(&size::human(bytes));
            prop_assert!(matches!(shown, Ok(shown) if shown <= bytes) || matches!(shown, Err(size::SizeError::Fraction)));
        }

        #[test]
        fn no_text_makes_the_loader_panic(text in "(version = 1\n)?.{0,40}\n.{0,40}") {
            let _ = load::parse("any.toml", &text, BTreeMap::new());
            let stage = full();
            let _ = read_answers("any.toml", &text, &Labs::from([("full".to_owned(), &stage)]));
        }

        #[test]
        fn answers_that_were_resolved_resolve_to_themselves(
            gpu in prop::sample::select(vec!["rocm", "cpu"]),
            editors in prop::sample::subsequence(vec!["cursor", "code-server"], 0..=2),
            jupyter: bool,
            amd_card: bool,
            swap in 1u64..=64,
            name in "[^\\p{C}]{1,20}",
        ) {
            let stage = full();
            let facts = Facts::from([("gpu_amd".into(), Fact::Bool(amd_card))]);
            let words: BTreeSet<String> = editors.iter().map(|word| (*word).to_owned()).collect();
            let answers = given(&[
                ("gpu", text(gpu)),
                ("editors", Answer::List(words.into_iter().collect())),
                ("jupyter", Answer::Bool(jupyter)),
                ("swap", text(&format!("{swap}GiB"))),
                ("name", text(&name)),
            ]);
            let Ok(once) = resolve(&stage, &answers, &facts) else {
                prop_assert!(gpu == "rocm" && !amd_card);
                return Ok(());
            };
            prop_assert_eq!(&resolve(&stage, &once, &facts).unwrap(), &once);
            let labs = Labs::from([("full".to_owned(), &stage)]);
            let file = export(&[("full", &stage, &once)]);
            let read = read_answers("x.toml", &file, &labs).map_err(|e| TestCaseError::fail(e.to_string()))?;
            prop_assert_eq!(read.get("full"), Some(&once));
        }
    }
}
