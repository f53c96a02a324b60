//! Changing `workspaces.toml`: what people wrote beside it, comments and order too, stays. A text that could not be read
//! again is never written.

use std::{fs, io::ErrorKind, path::Path};

use toml_edit::{DocumentMut, Item, Table};

use super::{Settings, User};
use crate::{
    document::{Problem, read_text},
    paths::{FileError, write_private},
    stage::LoadError,
};

/// Why the file was not changed.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// It could not be used before, or could not be afterwards.
    #[error("{0}")]
    Text(#[from] LoadError),
    /// It cannot be written.
    #[error(transparent)]
    File(#[from] FileError),
}

/// What a new file begins with.
const HEAD: &str = "# Workspaces: a container for each user. `halolab workspace --help`; comments in here stay.\nversion = 1\n";

/// Writes a user, new or changed.
///
/// # Errors
/// The user's settings are wrong, or the file cannot be read or written.
pub fn put_user(path: &Path, name: &str, user: &User) -> Result<Settings, EditError> {
    change(path, |document| lay_user(document, name, user))
}

fn lay_user(document: &mut DocumentMut, name: &str, user: &User) {
    let Some(users) = table(document.as_table_mut(), "user") else {
        return;
    };
    users.set_implicit(true);
    if let Some(entry) = table(users, name) {
        lay(entry, user, &User::default());
    }
}

/// Takes a user out.
///
/// # Errors
/// The file cannot be read or written.
pub fn remove_user(path: &Path, name: &str) -> Result<Settings, EditError> {
    change(path, |document| {
        if let Some(users) = document.get_mut("user").and_then(Item::as_table_mut) {
            users.remove(name);
        }
    })
}

/// Writes what is not a user's.
///
/// # Errors
/// The settings are wrong, or the file cannot be read or written.
pub fn put_settings(path: &Path, settings: &Settings) -> Result<Settings, EditError> {
    let bare = Settings {
        users: std::collections::BTreeMap::new(),
        ..settings.clone()
    };
    change(path, |document| {
        let default = Settings::default();
        lay(document.as_table_mut(), &bare, &default);
        if (bare.build != default.build || document.contains_key("build"))
            && let Some(build) = table(document.as_table_mut(), "build")
        {
            lay(build, &bare.build, &default.build);
        }
    })
}

fn change(path: &Path, edit: impl FnOnce(&mut DocumentMut)) -> Result<Settings, EditError> {
    // Many keep their dotfiles elsewhere: their link stays one, and the file behind it is written.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let text = match fs::symlink_metadata(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => HEAD.to_owned(),
        _ => read_text(&path).map_err(LoadError::from)?,
    };
    let file = path.display().to_string();
    let (text, settings) = changed(&file, &text, edit)?;
    write_private(&path, text.as_bytes())?;
    Ok(settings)
}

/// A text with a change in it, and what it says then.
fn changed(
    file: &str,
    text: &str,
    edit: impl FnOnce(&mut DocumentMut),
) -> Result<(String, Settings), LoadError> {
    let mut document: DocumentMut = text.parse().map_err(|error: toml_edit::TomlError| {
        let span = error.span().unwrap_or(0..0);
        LoadError::from(Problem::at(file, text, span, error.message()))
    })?;
    edit(&mut document);
    let text = document.to_string();
    let settings = Settings::parse(file, &text)?;
    Ok((text, settings))
}

/// A text with a user in it, new or changed, for the fuzzer.
#[cfg(fuzzing)]
pub fn with_user(text: &str, name: &str, user: &User) -> Result<(String, Settings), LoadError> {
    changed("workspaces.toml", text, |document| lay_user(document, name, user))
}

/// The table of a key, made where there is none. What is no table is refused when the file is read.
fn table<'t>(parent: &'t mut Table, key: &str) -> Option<&'t mut Table> {
    let item = parent.entry(key).or_insert_with(|| Item::Table(Table::new()));
    if let Item::Value(toml_edit::Value::InlineTable(inline)) = item {
        *item = Item::Table(inline.clone().into_table());
    }
    item.as_table_mut()
}

/// Lays values over a table: those that are as they would be without a word are not written, unless a person did.
fn lay<T: serde::Serialize>(table: &mut Table, wanted: &T, default: &T) {
    let of = |value: &T| toml::Table::try_from(value).unwrap_or_default();
    let (wanted, default) = (of(wanted), of(default));
    for (key, value) in &wanted {
        if value.is_table() || (default.get(key) == Some(value) && !table.contains_key(key)) {
            continue;
        }
        let Ok(mut new) = value.to_string().parse::<toml_edit::Value>() else {
            continue;
        };
        match table.get_mut(key).and_then(Item::as_value_mut) {
            Some(old) => {
                let same =
                    old.clone().decorated("", "").to_string() == new.clone().decorated("", "").to_string();
                if !same {
                    new.decor_mut().clone_from(old.decor());
                    *old = new;
                }
            }
            None => {
                table.insert(key, Item::Value(new));
            }
        }
    }
    let gone: Vec<String> = table
        .iter()
        .filter(|(key, item)| item.is_value() && !wanted.contains_key(*key))
        .map(|(key, _)| key.to_owned())
        .collect();
    for key in gone {
        table.remove(&key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_wrote_stays_and_only_what_changed_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("workspaces.toml");
        put_user(&path, "anna", &User::default()).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert!(
            text.starts_with("# Workspaces") && text.ends_with("[user.anna]\n"),
            "{text}"
        );
        let written =
            format!("{text}# she trains at night\nmemory = \"32GiB\" # of 64\ndocker-inside = true\n");
        fs::write(&path, &written).unwrap();
        let mut anna = Settings::read(&path).unwrap().unwrap().users["anna"].clone();
        anna.cpus = Some(4.0);
        anna.docker = false;
        put_user(&path, "anna", &anna).unwrap();
        put_user(
            &path,
            "bob",
            &User {
                gpus: vec!["all".into()],
                ..User::default()
            },
        )
        .unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert!(
            text.contains("# she trains at night\nmemory = \"32GiB\" # of 64\n"),
            "{text}"
        );
        assert!(text.contains("cpus = 4.0") && !text.contains("docker"), "{text}");
        assert!(text.contains("[user.bob]\ngpus = [\"all\"]"), "{text}");
        let mut settings = Settings::read(&path).unwrap().unwrap();
        assert_eq!(settings.users["anna"], anna);
        settings.base_port = 12000;
        put_settings(&path, &settings).unwrap();
        remove_user(&path, "bob").unwrap();
        let settings = Settings::read(&path).unwrap().unwrap();
        assert_eq!((settings.base_port, settings.users.len()), (12000, 1));
        let mode = std::os::unix::fs::MetadataExt::mode(&fs::metadata(&path).unwrap());
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_change_that_could_not_be_read_again_is_not_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("workspaces.toml");
        put_user(&path, "anna", &User::default()).unwrap();
        let before = fs::read_to_string(&path).unwrap();
        let wrong = User {
            memory: Some("lots".into()),
            ..User::default()
        };
        let error = put_user(&path, "anna", &wrong).unwrap_err().to_string();
        assert!(error.contains("a size is a number"), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), before);
    }
}
