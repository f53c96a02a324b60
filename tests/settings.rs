//! Settings: which layer wins, where each value comes from, what a mistake in a file says, and that writing
//! one value keeps the rest.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{collections::BTreeMap, fs, path::Path};

use halolab::{
    config::{ConfigError, Origin, Settings, set_theme},
    paths::Paths,
};
use rstest::rstest;

/// Writes the two files, where they are not empty.
fn files(home: &Path, system: &str, user: &str) -> Paths {
    let paths = Paths::under(home);
    for (file, text) in [(paths.system_config_file(), system), (paths.config_file(), user)] {
        if !text.is_empty() {
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
    }
    paths
}

fn load(paths: &Paths, variables: &[(&str, &str)], flags: &[(&str, &str)]) -> Result<Settings, ConfigError> {
    let variables: BTreeMap<&str, &str> = variables.iter().copied().collect();
    let flags: Vec<(&str, String)> = flags
        .iter()
        .map(|(key, value)| (*key, (*value).to_owned()))
        .collect();
    Settings::load_with(
        paths,
        |name| variables.get(name).map(|value| (*value).to_owned()),
        &flags,
    )
}

#[test]
fn without_files_everything_is_a_default() {
    let home = tempfile::tempdir().unwrap();
    let settings = load(&Paths::under(home.path()), &[], &[]).unwrap();
    assert_eq!(settings, Settings::default());
    assert_eq!(settings.origin("theme"), &Origin::Default);
}

#[test]
fn flag_over_environment_over_user_over_system_over_default() {
    let home = tempfile::tempdir().unwrap();
    let paths = files(
        home.path(),
        "theme = \"a\"\nascii = true\nkeep-safety = 9\npool = \"tank\"\n\
         [remotes.images]\nlxd = \"https://mirror.example\"\n",
        "theme = \"b\"\nkeep-safety = 8\n[remotes.mine]\nincus = \"https://own.example\"\n",
    );
    let variables = [
        ("HALOLAB_THEME", "c"),
        ("HALOLAB_KEEP_SAFETY", "7"),
        ("HALOLAB_MOUSE", ""),
    ];
    let settings = load(&paths, &variables, &[("theme", "d")]).unwrap();
    let text = settings.show(true);
    let file = |path: &Path| path.display().to_string();
    let text = text
        .replace(&file(&paths.config_file()), "USER")
        .replace(&file(&paths.system_config_file()), "SYSTEM");
    let expected = "theme = \"d\"  # flag --theme\n\
                    ascii = true  # SYSTEM\n\
                    mouse = true  # default\n\
                    data = \"/srv/halolab\"  # default\n\
                    pool = \"tank\"  # SYSTEM\n\
                    keep-days = 14  # default\n\
                    keep-safety = 7  # environment HALOLAB_KEEP_SAFETY\n\
                    notify = false  # default\n\
                    job.stuck-minutes = 10  # default\n\
                    remotes.images.lxd = \"https://mirror.example\"  # SYSTEM\n\
                    remotes.images.incus = \"https://images.linuxcontainers.org\"  # default\n\
                    remotes.mine.incus = \"https://own.example\"  # USER\n\
                    remotes.ubuntu.lxd = \"https://cloud-images.ubuntu.com/releases\"  # default\n\
                    remotes.ubuntu.incus = \"https://cloud-images.ubuntu.com/releases\"  # default\n";
    let sorted = |text: &str| {
        text.lines()
            .map(str::to_owned)
            .collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(sorted(&text), sorted(expected));
    let json = settings.show_json();
    assert_eq!(json.pointer("/theme/value").unwrap(), "d");
    assert_eq!(json.pointer("/theme/origin").unwrap(), "flag --theme");
    // What is shown without origins is a file that gives the same settings.
    let again = tempfile::tempdir().unwrap();
    let paths = files(again.path(), "", &settings.show(false));
    assert_eq!(load(&paths, &[], &[]).unwrap().config, settings.config);
}

#[rstest]
#[case::unknown_key(
    "thme = \"dark\"",
    "config.toml:1:1: unknown key `thme`",
    "hint: did you mean `theme`?"
)]
#[case::unknown_key_of_a_remote(
    "[remotes.x]\nlxc = \"\"",
    "config.toml:2:1: unknown key `lxc`",
    "allowed: lxd, incus, certificate"
)]
#[case::type_of_a_value(
    "ascii = 1",
    "config.toml:1:9: invalid type: integer `1`, expected a boolean",
    "^"
)]
#[case::relative_data("data = \"here\"", "config.toml:1:8: this is not an absolute path", "^^^^^^")]
#[case::url(
    "[remotes.x]\nincus = \"ftp://x\"",
    "config.toml:2:9: this is not a URL of an image server",
    "^^^^^^^^^"
)]
#[case::theme("theme = \"../x\"", "config.toml:1:9: this is not a theme's name", "^^^^^^")]
#[case::not_toml("theme = ", "config.toml:1:9: ", "^")]
fn a_mistake_in_a_file_has_its_place(#[case] text: &str, #[case] place: &str, #[case] more: &str) {
    let home = tempfile::tempdir().unwrap();
    let error = load(&files(home.path(), "", text), &[], &[])
        .unwrap_err()
        .to_string();
    assert!(error.contains(place), "{error}");
    assert!(error.contains(more), "{error}");
}

#[rstest]
#[case(
    "HALOLAB_ASCII",
    "maybe",
    "environment HALOLAB_ASCII: `maybe` is not one of true, false"
)]
#[case(
    "HALOLAB_KEEP_SAFETY",
    "-1",
    "environment HALOLAB_KEEP_SAFETY: `-1` is not a whole number"
)]
#[case(
    "HALOLAB_DATA",
    "here",
    "environment HALOLAB_DATA: `here` is not an absolute path"
)]
fn a_mistake_in_a_variable_names_it(#[case] name: &str, #[case] value: &str, #[case] expected: &str) {
    let home = tempfile::tempdir().unwrap();
    let error = load(&Paths::under(home.path()), &[(name, value)], &[])
        .unwrap_err()
        .to_string();
    assert!(error.contains(expected), "{error}");
}

#[test]
fn setting_the_theme_keeps_everything_else() {
    let home = tempfile::tempdir().unwrap();
    let text = "# mine\ntheme = \"dark\" # at night\n\n[remotes.x] # own\nlxd = 'https://x.example'\n";
    let paths = files(home.path(), "", text);
    set_theme(&paths, "light").unwrap();
    let written = fs::read_to_string(paths.config_file()).unwrap();
    assert_eq!(written, text.replace("\"dark\"", "\"light\""));
    assert!(set_theme(&paths, "../x").is_err());
}

#[test]
fn setting_the_theme_makes_the_file_and_leaves_a_broken_one_alone() {
    let home = tempfile::tempdir().unwrap();
    let paths = Paths::under(home.path());
    set_theme(&paths, "light").unwrap();
    assert_eq!(load(&paths, &[], &[]).unwrap().config.theme, "light");
    fs::write(paths.config_file(), "theme = ").unwrap();
    let error = set_theme(&paths, "dark").unwrap_err().to_string();
    assert!(error.contains("nothing was changed"), "{error}");
    assert_eq!(fs::read_to_string(paths.config_file()).unwrap(), "theme = ");
    fs::write(paths.config_file(), "[remotes.x]\nlxd = \"https://x.example\"\n").unwrap();
    set_theme(&paths, "dark").unwrap();
    assert_eq!(
        load(&paths, &[], &[]).unwrap().origin("theme"),
        &Origin::File(paths.config_file())
    );
}

#[test]
fn a_linked_config_stays_a_link() {
    let home = tempfile::tempdir().unwrap();
    let paths = files(home.path(), "", "theme = \"dark\"\n");
    let elsewhere = home.path().join("dotfiles.toml");
    fs::rename(paths.config_file(), &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, paths.config_file()).unwrap();
    set_theme(&paths, "light").unwrap();
    assert!(fs::symlink_metadata(paths.config_file()).unwrap().is_symlink());
    assert_eq!(fs::read_to_string(elsewhere).unwrap(), "theme = \"light\"\n");
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test, which looks from outside")]
fn an_address_of_another_kind_is_a_usage_error_that_names_what_is_allowed() {
    for address in ["ftp://x", "http://x:8443", "", "host:8443"] {
        let home = tempfile::tempdir().unwrap();
        let ended = std::process::Command::new(env!("CARGO_BIN_EXE_halolab"))
            .args(["--lxd", address, "status"])
            .env("HALOLAB_HOME", home.path())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(2), "{address}: {text}");
        assert!(
            text.contains("unix.socket") && text.contains("https://HOST"),
            "{address}: {text}"
        );
    }
}
