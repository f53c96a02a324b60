//! The keys by which homes are written and put back, and the compose file is written: each asks for a path first.

use crate::{
    app::{
        dialog::{Confirm, Dialog, Prompt, PromptThen, Then},
        entry::Entry,
        model::Model,
        msg::{Effect, Tone},
        workspaces::{Asked, Filed, Standing, Wish},
    },
    workspace::{compose::Extras, files},
};

/// What can stand beside the workspaces in a compose file.
const BESIDE: [&str; 3] = ["traefik", "guacamole", "monitoring"];

/// The words of a line, as what they mean.
fn extras(line: &str) -> Result<Extras, String> {
    let words: Vec<&str> = line.split([',', ' ']).filter(|word| !word.is_empty()).collect();
    if let Some(word) = words.iter().find(|word| !BESIDE.contains(word)) {
        return Err(format!("there is no {word}; there are {}", BESIDE.join(", ")));
    }
    let [traefik, guacamole, monitoring] = BESIDE.map(|name| words.contains(&name));
    Ok(Extras {
        traefik,
        guacamole,
        monitoring,
    })
}

impl Model {
    /// Asks where a user's home is to be written.
    pub(in crate::app) fn ask_for_backup(&mut self, name: &str) {
        let day = i64::try_from(self.now).ok();
        let day = day.and_then(|now| jiff::Timestamp::from_second(now).ok());
        let day = day.map_or_else(String::new, |day| day.strftime("-%Y%m%d").to_string());
        let path = Entry::new(&format!("~/{name}{day}.tar.zst"));
        self.ask_for_path(
            format!("Write the home of {name} to an archive"),
            vec![("Archive", path)],
            Filed::Backup(name.to_owned()),
        );
    }

    /// Asks out of which archive a user's home is to come.
    pub(in crate::app) fn ask_for_archive(&mut self, name: &str) {
        if self.standing(name) == Standing::Running {
            self.say(Tone::Warning, format!("{}; here the key is S", files::runs(name)));
            return;
        }
        self.ask_for_path(
            format!("Put the home of {name} back out of an archive"),
            vec![("Archive", Entry::new(""))],
            Filed::Restore(name.to_owned(), false),
        );
    }

    /// Asks into which folder the compose file is to be written, and with what.
    pub(in crate::app) fn ask_for_compose(&mut self) {
        if self.refuse_read_only() {
            return;
        }
        let beside = "Beside them (traefik, guacamole, monitoring; empty: nothing)";
        self.ask_for_path(
            "Write a compose file of all workspaces".into(),
            vec![("Folder", Entry::new("~/workspaces")), (beside, Entry::new(""))],
            Filed::Compose(Extras::default()),
        );
    }

    fn ask_for_path(&mut self, title: String, lines: Vec<(&str, Entry)>, what: Filed) {
        let prompt = Prompt::new(title, lines, PromptThen::File(what));
        self.dialog = Some(Dialog::Prompt(Box::new(prompt)));
    }

    /// A path was typed.
    pub(in crate::app) fn take_path(&mut self) -> Vec<Effect> {
        let Some(Dialog::Prompt(prompt)) = &mut self.dialog else {
            return vec![];
        };
        let PromptThen::File(what) = prompt.then.clone() else {
            return vec![];
        };
        let (path, second) = (prompt.text(0).to_owned(), prompt.text(1).to_owned());
        if path.is_empty() {
            (prompt.at, prompt.error) = (0, Some("a path is needed".into()));
            return vec![];
        }
        let what = match (what, extras(&second)) {
            (Filed::Compose(..), Err(why)) => {
                (prompt.at, prompt.error) = (1, Some(why));
                return vec![];
            }
            (Filed::Compose(_), Ok(extras)) => Filed::Compose(extras),
            (what, _) => what,
        };
        self.dialog = None;
        match &what {
            Filed::Backup(name) => self.say(Tone::Good, format!("the home of {name} is being written…")),
            Filed::Restore(name, _) => self.say(Tone::Good, format!("the home of {name} is being put back…")),
            Filed::Compose(..) => {}
        }
        vec![Effect::Workspaces(Wish::File(what, path))]
    }

    /// There is a home already: whether it is to make room.
    pub(in crate::app) fn ask_to_replace(&mut self, name: String, path: String) {
        let mut confirm = Confirm::new(
            format!("Replace the home of {name}?"),
            "Replace it",
            Then::Workspace(Asked::Replace(name, path)),
        );
        confirm.text = vec!["There is a home already; the one of the archive takes its place.".into()];
        confirm.keeps = vec!["the home of now, beside it under another name".into()];
        self.dialog = Some(Dialog::Confirm(Box::new(confirm)));
    }
}
