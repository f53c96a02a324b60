//! Replaces files as root: looked at right before, each one by renaming a whole new one over it, all of them or none.

use std::{
    collections::BTreeMap,
    path::{Component, Path, PathBuf},
};

use tokio_util::sync::CancellationToken;

use crate::{
    host::{
        Root,
        boot::{Change, Proposal, exact},
        command::{self, Command, quote},
    },
    paths::{FileError, private_folder, write_private},
};

use super::ReceiptError;

/// Exit code of a script that found a file changed.
const MEANWHILE: i32 = 93;

/// What the script is made of. Nothing but POSIX: the rescue system of a distribution has no `cmp`.
const FUNCTIONS: &str = r#"look() {
  if [ -z "$1" ]; then
    if [ -e "$2" ]; then echo "$2 has appeared meanwhile"; exit 93; fi
    return 0
  fi
  old=$(cat "$1"; echo .) && now=$(cat "$2"; echo .) || exit 94
  [ "$old" = "$now" ] || { echo "$2 was changed meanwhile"; exit 93; }
}
put() {
  if [ -z "$1" ]; then rm -f "$2"; return; fi
  mkdir -p "$(dirname "$2")"
  new="$2.halolab-new"
  rm -f "$new"
  if [ -e "$2" ]; then cp -p "$2" "$new" 2>/dev/null || cp "$2" "$new"; else : > "$new"; chmod 644 "$new"; fi
  cat "$1" > "$new"
  sync "$new"
  mv -f "$new" "$2"
}
"#;

/// Changes of files below a root, with the texts of before and after in a folder.
pub(super) struct Files<'a> {
    pub(super) root: &'a Root,
    pub(super) folder: PathBuf,
    pub(super) what: &'a str,
}

#[derive(Clone, Copy)]
enum Direction {
    Forth,
    Back,
}

impl Files<'_> {
    /// Replaces the files and makes them count; where that fails, puts them back and makes those count.
    pub(super) async fn replace(&self, proposal: &Proposal) -> Result<(), ReceiptError> {
        private_folder(&self.folder)?;
        let script = self.script(&proposal.changes, Direction::Forth)?;
        let (code, said) = self.run(&script).await?;
        if code == MEANWHILE {
            return Err(ReceiptError::Meanwhile(said));
        }
        let why = match code {
            0 => match self.refresh(proposal).await? {
                None => return Ok(()),
                Some(why) => why,
            },
            _ => said,
        };
        let back = self.script(&proposal.changes, Direction::Back)?;
        self.run(&back).await?;
        let mut kept = if is_as_before(self.root, proposal) {
            "the files are as they were".to_owned()
        } else {
            format!("what was in the files is in {}", self.folder.display())
        };
        // What was made of the new files before it failed.
        if code == 0 && self.refresh(proposal).await?.is_some() {
            kept.push_str(", but what is made of them may not be; run again as root: ");
            kept.push_str(&proposal.refresh.replace('\n', "; "));
        }
        Err(ReceiptError::Failed {
            what: self.what.to_owned(),
            why,
            kept,
        })
    }

    /// Makes the files count; why not, where it failed. In a tree that does not run there is nothing to make.
    async fn refresh(&self, proposal: &Proposal) -> Result<Option<String>, ReceiptError> {
        if !self.root.is_live() {
            return Ok(None);
        }
        for command in proposal.refresh.lines() {
            let (code, said) = self.run(command).await?;
            if code != 0 {
                return Ok(Some(format!("`{command}` ended with {code}: {said}")));
            }
        }
        Ok(None)
    }

    async fn run(&self, script: &str) -> Result<(i32, String), ReceiptError> {
        let mut command = Command::script(self.what, script, BTreeMap::new());
        command.root = self.root.is_live();
        let mut said = vec![];
        let code = command
            .run(
                &mut |_, bytes| said.extend_from_slice(bytes),
                &CancellationToken::new(),
            )
            .await?;
        let text = String::from_utf8_lossy(&said);
        Ok((code, crate::log::sanitize(&command::last_lines(&text, 3))))
    }

    /// A script that looks whether the files are as they were seen, and then replaces them.
    fn script(&self, changes: &[Change], direction: Direction) -> Result<String, FileError> {
        let mut looks = String::new();
        let mut puts = String::new();
        for (index, change) in changes.iter().enumerate() {
            let (old, new) = (
                self.stage(&format!("{index}.before"), change.before.as_deref())?,
                self.stage(&format!("{index}.after"), change.after.as_deref())?,
            );
            let path = quote(&self.place(&change.path).display().to_string());
            match direction {
                Direction::Forth => {
                    looks.extend(["look ", &old, " ", &path, "\n"]);
                    puts.extend(["put ", &new, " ", &path, "\n"]);
                }
                Direction::Back => puts.extend(["put ", &old, " ", &path, "\n"]),
            }
        }
        Ok(format!("{FUNCTIONS}{looks}{puts}sync\n"))
    }

    /// Writes a text beside the receipt, and answers its path as a word of the shell; empty for no file.
    fn stage(&self, name: &str, text: Option<&str>) -> Result<String, FileError> {
        let Some(text) = text else { return Ok("''".into()) };
        let path = self.folder.join(name);
        write_private(&path, text.as_bytes())?;
        Ok(quote(&path.display().to_string()))
    }

    /// Where a file really is: a link stays a link, and one that leaves the root is not followed.
    fn place(&self, path: &str) -> PathBuf {
        let plain = || {
            let names = Path::new(path).components().filter_map(|part| match part {
                Component::Normal(name) => Some(name),
                _ => None,
            });
            names.fold(self.root.base().to_owned(), |place, name| place.join(name))
        };
        self.root.find(path).unwrap_or_else(plain)
    }
}

/// Whether all files are as they were before a change.
pub(super) fn is_as_before(root: &Root, proposal: &Proposal) -> bool {
    let is = |c: &Change| exact(root, &c.path).is_ok_and(|now| now == c.before);
    proposal.changes.iter().all(is)
}
