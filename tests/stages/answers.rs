//! Answers: defaults, files, `--set`, and what scripts see of them.

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
