//! What an action does, to the letter: the script with its settings, or what is sent to the engine. For people who
//! read before they agree.

use std::collections::BTreeMap;

use crate::{backend::docker::Build, host::boot};

use super::{Action, Step};

/// The lines of what an action does. Text of stages is in it: to be sanitised, line by line, before it is shown.
pub fn exact(action: &Action) -> Vec<String> {
    match &action.step {
        Step::HostScript { script, check, env } => {
            let mut lines = vec!["Runs on this machine as root, with `sh -eu`.".to_owned()];
            lines.extend(script_lines(script));
            if let Some(check) = check {
                lines.push(String::new());
                lines.push("Left out where this check ends well:".into());
                lines.extend(indented(check));
            }
            lines.extend(settings(env));
            lines
        }
        Step::Exec {
            name,
            script,
            env,
            secrets,
        } => {
            let mut lines = vec![format!("Runs inside {name} as root, with `sh -eu`.")];
            if !secrets.is_empty() {
                let ids = secrets.join(", ");
                lines.push(format!("Handed over as files, and taken back after it: {ids}"));
            }
            lines.extend(script_lines(script));
            lines.extend(settings(env));
            lines
        }
        Step::Verify { name, script, env } => {
            let mut lines = vec![format!(
                "Runs inside {name} as root, with `sh -eu`; its last line is the proof."
            )];
            lines.extend(script_lines(script));
            lines.extend(settings(env));
            lines
        }
        Step::BuildImage { build, files } => recipe(build, files),
        Step::TuneBoot { proposal, .. } => changes(proposal),
        Step::Prove { name } => vec![
            format!("Puts this halolab into {name} as /root/.halolab-prove-PID, runs it there as root, and removes it:"),
            String::new(),
            "    halolab prove --json --inside".to_owned(),
            String::new(),
            "It runs a kernel on each GPU, compares every element that comes back, and stores the verdict on the lab."
                .to_owned(),
        ],
        step => {
            let text = serde_json::to_string_pretty(step).unwrap_or_default();
            let mut lines = vec!["No script: halolab does this itself.".to_owned()];
            lines.push(String::new());
            lines.extend(indented(&text));
            lines
        }
    }
}

/// How an image is built.
fn recipe(build: &Build, files: &BTreeMap<String, String>) -> Vec<String> {
    let mut lines = vec![format!(
        "Builds {} out of {} files of the stage; the engine runs its steps as root in containers of their own.",
        build.alias,
        files.len()
    )];
    let text = files.get(&build.dockerfile).map_or("", String::as_str);
    lines.extend([String::new(), format!("{}:", build.dockerfile)]);
    lines.extend(indented(text));
    lines.extend(settings(&build.arguments));
    lines
}

/// The files as a diff, and what is run afterwards.
fn changes(proposal: &boot::Proposal) -> Vec<String> {
    let mut lines = vec!["Changes these files as root; as they are now they are kept.".to_owned()];
    for change in &proposal.changes {
        lines.extend(indented(&boot::diff(change)));
    }
    if !proposal.refresh.is_empty() {
        lines.push("And then, as root:".into());
        lines.extend(indented(&proposal.refresh));
    }
    lines
}

fn settings(env: &BTreeMap<String, String>) -> Vec<String> {
    if env.is_empty() {
        return vec![];
    }
    let head = [String::new(), "With these settings:".to_owned()];
    // A value may have line breaks; only its first line can be told from the next name.
    let line = |(name, value): (&String, &String)| format!("    {name}={}", value.escape_debug());
    head.into_iter().chain(env.iter().map(line)).collect()
}

fn script_lines(script: &str) -> Vec<String> {
    let head = [String::new(), "The script:".to_owned()];
    head.into_iter().chain(indented(script)).collect()
}

fn indented(text: &str) -> impl Iterator<Item = String> {
    text.lines()
        .map(|line| format!("    {}", line.replace('\t', "    ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn action(step: Step) -> Action {
        Action {
            id: "lab/step".into(),
            sentence: "do it".into(),
            command: "lxc exec lab".into(),
            destroys: None,
            undo: super::super::Undo::Nothing,
            seconds: 1,
            step,
            optional: false,
            engine: crate::backend::Engine::Lxd,
        }
    }

    #[test]
    fn a_script_is_shown_whole_with_its_settings() {
        let lines = exact(&action(Step::Exec {
            name: "lab".into(),
            script: "one\n\ttwo \"$A\"\n".into(),
            env: [("A".to_owned(), "x\ny".to_owned())].into(),
            secrets: vec!["token".into()],
        }));
        let text = lines.join("\n");
        assert!(
            text.contains("inside lab") && text.contains("    A=x\\ny"),
            "{text}"
        );
        assert!(
            text.contains("The script:\n    one\n        two \"$A\"\n"),
            "{text}"
        );
        assert!(text.contains("token"), "{text}");
    }

    #[test]
    fn what_is_no_script_is_shown_as_it_is() {
        let text = exact(&action(Step::Restore {
            name: "lab".into(),
            snapshot: "old".into(),
            uuid: "u".into(),
            keep: None,
            taken: String::new(),
        }))
        .join("\n");
        assert!(text.contains("\"snapshot\": \"old\""), "{text}");
    }
}
