//! Entrypoints: the files of the stage's folder `entrypoints/`, each a small script that runs without halolab, too.

use crate::stage::Catalog;

/// The stage whose entrypoints these are.
pub const STAGE: &str = "zephyr";
/// Where the image has them.
const PLACE: &str = "/opt/zephyr/bin/zephyr-";
/// Files beside the entrypoints that are none.
const HELPERS: [&str; 2] = ["common", "record"];
/// Those that need somebody at the terminal.
const SHELLS: [&str; 2] = ["default", "build-env"];

/// One entrypoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name, as `spack-build`.
    pub name: String,
    /// What it does, in a line.
    pub what: String,
    /// What it takes, as `SPEC...`; empty where nothing has to be said.
    pub takes: String,
}

/// The entrypoints of a lab's stage, by name; none where it has none.
pub fn entries(catalog: &Catalog, stage: &str) -> Vec<Entry> {
    let files = catalog.get(stage).into_iter().flat_map(|stage| &stage.files);
    let found = files.filter_map(|(path, text)| {
        let name = path.strip_prefix("entrypoints/")?.strip_suffix(".sh")?;
        if HELPERS.contains(&name) {
            return None;
        }
        let line = text.lines().find_map(|line| line.strip_prefix("# "))?;
        let usage = format!("zephyr-{name}");
        let (what, usage) = match line.split_once(&format!(": {usage}")) {
            Some((what, usage)) => (what, usage.trim()),
            None => (line, ""),
        };
        Some(Entry {
            name: name.to_owned(),
            what: what.to_owned(),
            takes: needed(usage),
        })
    });
    found.collect()
}

/// The part of a usage that is not optional.
fn needed(usage: &str) -> String {
    let mut depth = 0_u32;
    let outside = usage.chars().filter(|c| {
        match c {
            '[' => depth += 1,
            ']' => {
                depth = depth.saturating_sub(1);
                return false;
            }
            _ => {}
        }
        depth == 0
    });
    let text: String = outside.collect();
    text.split('.').next().unwrap_or_default().trim().to_owned()
}

impl Entry {
    /// Whether somebody has to be at the terminal.
    pub fn is_shell(&self) -> bool {
        SHELLS.contains(&self.name.as_str())
    }

    /// Whether it builds for hours, so that it is shown first what it comes to.
    pub fn is_build(&self) -> bool {
        is_build(&self.name)
    }

    /// The program inside the lab.
    pub fn program(&self) -> String {
        format!("{PLACE}{}", self.name)
    }

    /// The command of a job: `zephyr-record` writes log and status where whoever knows Zephyr without halolab looks for
    /// them, and ends what it runs by SIGINT: builds of Spack would outlive another signal.
    pub fn recorded(&self, arguments: &[String]) -> Vec<String> {
        let mut command = vec![format!("{PLACE}record"), self.name.clone(), self.program()];
        command.extend(arguments.iter().cloned());
        command
    }

    /// What its job is called: as it is typed, and not the paths inside.
    pub fn title(&self, arguments: &[String]) -> String {
        let words = std::iter::once(&self.name).chain(arguments);
        words.map(String::as_str).collect::<Vec<_>>().join(" ")
    }

    /// The command that only concretizes it; `--again` goes along, and what is for Spack's installation does not.
    pub fn planned(&self, arguments: &[String]) -> Vec<String> {
        let mut command = vec![self.program(), "--plan".to_owned()];
        let given = arguments.iter().take_while(|word| *word != "--");
        command.extend(given.filter(|word| *word != "--plan").cloned());
        command
    }
}

/// The same of a name.
pub(super) fn is_build(name: &str) -> bool {
    ["spack-build", "spack-install"].contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_ones_say_what_they_do_and_what_they_take() {
        let all = entries(&Catalog::load(&[]), STAGE);
        let takes = |name: &str| {
            let entry = all.iter().find(|e| e.name == name).unwrap();
            assert!(
                !entry.what.is_empty() && !entry.what.contains("zephyr-"),
                "{entry:?}"
            );
            entry.takes.clone()
        };
        for (name, wanted) in [
            ("default", ""),
            ("spack-build", ""),
            ("spack-install", "SPEC"),
            ("spack-push", ""),
            ("uv-install", "PACKAGE"),
            ("hf-download", "DATASET"),
            ("run-job", "COMMAND ARGUMENT"),
            ("build-env", "PACKAGE"),
            ("verify", ""),
        ] {
            assert_eq!(takes(name), wanted, "{name}");
        }
        assert!(!all.iter().any(|e| HELPERS.contains(&e.name.as_str())));
    }

    #[test]
    fn what_is_planned_is_what_is_built() {
        let entry = Entry {
            name: "spack-build".into(),
            ..Entry {
                name: String::new(),
                what: String::new(),
                takes: String::new(),
            }
        };
        let given = ["--again", "--keep-going", "--", "-j", "4"].map(str::to_owned);
        let planned = entry.planned(&given);
        assert_eq!(
            planned,
            [
                "/opt/zephyr/bin/zephyr-spack-build",
                "--plan",
                "--again",
                "--keep-going"
            ]
        );
    }
}
