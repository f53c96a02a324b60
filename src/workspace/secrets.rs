//! Passwords and public keys of users: files that only their owner can read (0600, in folders 0700), which the container
//! gets as a folder that it can only read. They are in no argument, environment, compose file or log.

use std::{
    fmt::Write as _,
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use crate::paths::{FileError, private_folder, write_private};

/// The password for SSH and the services in a browser.
pub const PASSWORD: &str = "password";
/// The password for VNC, of which only 8 characters count: another one, so that a guess of it opens nothing else.
pub const VNC: &str = "vnc_password";
/// The public keys for SSH, a line each.
pub const KEYS: &str = "authorized_keys";

/// Letters and digits that nobody takes for one another.
const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
/// 5 bits a letter: 80 bits.
const LENGTH: usize = 16;
/// All that VNC takes.
const VNC_LENGTH: usize = 8;
/// Bytes of the longest password.
const LONGEST: usize = 128;

/// A secret that is not kept.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// It cannot be a password.
    #[error(
        "a password has 8 to 128 characters, all of them printable ASCII, so that each client can send it"
    )]
    Password,
    /// It is no public key.
    #[error(
        "line {0} is no public key of SSH; it is as `ssh-ed25519 AAAA… name` (the file that ends with .pub). A private key \
         is never given"
    )]
    Key(usize),
    /// The file cannot be written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The system gives no random numbers, or the file cannot be read.
    #[error("{what} cannot be read: {source}")]
    Io {
        /// Of what.
        what: String,
        /// Why.
        source: io::Error,
    },
}

/// A password that nobody thought of.
///
/// # Errors
/// The system gives no random numbers.
pub fn generate(length: usize) -> Result<String, SecretError> {
    let mut bytes = vec![0; length];
    File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut bytes))
        .map_err(|source| SecretError::Io {
            what: "/dev/urandom".into(),
            source,
        })?;
    // 32 letters: each is as likely as the others.
    let letter = |byte: u8| LETTERS.get(usize::from(byte) % LETTERS.len()).copied();
    Ok(bytes.into_iter().filter_map(letter).map(char::from).collect())
}

/// Secrets of one user.
#[derive(Clone, Debug)]
pub struct Secrets {
    folder: PathBuf,
}

impl Secrets {
    /// In the folder of all.
    pub fn of(all: &Path, user: &str) -> Self {
        Self {
            folder: all.join(user),
        }
    }

    /// Where they are.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Makes what is missing: generated passwords, and an empty list of keys. Who has them keeps them.
    ///
    /// # Errors
    /// They cannot be written.
    pub fn complete(&self) -> Result<(), SecretError> {
        private_folder(&self.folder)?;
        for (name, length) in [(PASSWORD, LENGTH), (VNC, VNC_LENGTH)] {
            if !self.folder.join(name).exists() {
                self.write(name, &generate(length)?)?;
            }
        }
        if !self.folder.join(KEYS).exists() {
            self.write(KEYS, "")?;
        }
        Ok(())
    }

    /// Sets the password: this one, or a generated one. The one of VNC is always generated.
    ///
    /// # Errors
    /// It is none, or cannot be written.
    pub fn rotate(&self, password: Option<&str>) -> Result<(), SecretError> {
        let password = match password {
            Some(given) if is_password(given) => given.to_owned(),
            Some(_) => return Err(SecretError::Password),
            None => generate(LENGTH)?,
        };
        private_folder(&self.folder)?;
        self.write(PASSWORD, &password)?;
        self.write(VNC, &generate(VNC_LENGTH)?)
    }

    /// Sets the public keys.
    ///
    /// # Errors
    /// A line is none, or they cannot be written.
    pub fn set_keys(&self, text: &str) -> Result<usize, SecretError> {
        let mut kept = String::new();
        let mut count = 0;
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if !is_key(line) {
                return Err(SecretError::Key(number + 1));
            }
            count += 1;
            // Writing to memory does not fail.
            let _ = writeln!(kept, "{line}");
        }
        private_folder(&self.folder)?;
        self.write(KEYS, &kept)?;
        Ok(count)
    }

    /// One of them.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn read(&self, name: &str) -> Result<String, SecretError> {
        let path = self.folder.join(name);
        let text = std::fs::read_to_string(&path).map_err(|source| SecretError::Io {
            what: path.display().to_string(),
            source,
        })?;
        Ok(text.trim_end_matches('\n').to_owned())
    }

    /// Removes them all.
    ///
    /// # Errors
    /// They stay.
    pub fn remove(&self) -> io::Result<()> {
        match std::fs::remove_dir_all(&self.folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn write(&self, name: &str, text: &str) -> Result<(), SecretError> {
        Ok(write_private(&self.folder.join(name), text.as_bytes())?)
    }
}

fn is_password(text: &str) -> bool {
    (8..=LONGEST).contains(&text.len()) && text.chars().all(|c| c.is_ascii_graphic() || c == ' ')
}

/// A type, the key itself and a comment. Options before the type are refused: they run commands.
fn is_key(line: &str) -> bool {
    let mut words = line.split_whitespace();
    let (kind, key) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let known = ["ssh-", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-"]
        .iter()
        .any(|known| kind.starts_with(known));
    let base64 = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=');
    known && key.len() >= 32 && key.chars().all(base64) && !line.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ3n2l0x5zq0o8y1m8b1o0xw1Yk0v7a8fQ2 anna@box";

    #[test]
    fn secrets_are_private_and_stay_until_they_are_rotated() {
        let home = tempfile::tempdir().unwrap();
        let secrets = Secrets::of(&home.path().join("secrets"), "anna");
        secrets.complete().unwrap();
        let first = secrets.read(PASSWORD).unwrap();
        assert_eq!((first.len(), secrets.read(VNC).unwrap().len()), (16, 8));
        secrets.complete().unwrap();
        assert_eq!(secrets.read(PASSWORD).unwrap(), first);
        secrets.rotate(None).unwrap();
        assert_ne!(secrets.read(PASSWORD).unwrap(), first);
        secrets.rotate(Some("a password of hers")).unwrap();
        assert_eq!(secrets.read(PASSWORD).unwrap(), "a password of hers");
        for name in [PASSWORD, VNC, KEYS] {
            let mode = std::fs::metadata(secrets.folder().join(name)).unwrap().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
        assert_eq!(std::fs::metadata(secrets.folder()).unwrap().mode() & 0o777, 0o700);
        for bad in ["short", "tab\tin the middle", "späße-und-mehr", &"x".repeat(129)] {
            assert!(secrets.rotate(Some(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_public_keys_are_taken() {
        let home = tempfile::tempdir().unwrap();
        let secrets = Secrets::of(home.path(), "anna");
        assert_eq!(secrets.set_keys(&format!("# hers\n\n{KEY}\n")).unwrap(), 1);
        assert_eq!(secrets.read(KEYS).unwrap(), KEY);
        for bad in [
            "-----BEGIN OPENSSH PRIVATE KEY-----".to_owned(),
            format!("command=\"evil\" {KEY}"),
            "ssh-ed25519 short".to_owned(),
            format!("{KEY}\x1b[2J"),
        ] {
            assert!(secrets.set_keys(&bad).is_err(), "{bad}");
        }
        assert_eq!(secrets.read(KEYS).unwrap(), KEY, "what was there stays");
    }
}
