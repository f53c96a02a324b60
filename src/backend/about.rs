//! What a call to an engine is about, for the texts of its errors; and which names a call may have.

use super::{Error, Result, error::fold, types::is_name};

/// What a call is about, for the texts of its errors.
#[derive(Clone, Debug)]
pub(in crate::backend) struct About {
    /// As in "failed to {what}".
    pub(in crate::backend) what: String,
    /// As in "there is no {object}" and "{object} exists already".
    pub(in crate::backend) object: String,
    /// The call makes the object: what is not found then is something else that it needs.
    making: bool,
}

impl About {
    /// Both texts, sanitised: names in them may be a daemon's.
    pub(in crate::backend) fn new(what: impl AsRef<str>, object: impl AsRef<str>) -> Self {
        Self {
            what: fold(what.as_ref()),
            object: fold(object.as_ref()),
            making: false,
        }
    }

    /// The same for a call that makes the object.
    pub(in crate::backend) fn making(what: impl AsRef<str>, object: impl AsRef<str>) -> Self {
        Self {
            making: true,
            ..Self::new(what, object)
        }
    }

    /// The daemon's no, in our words. Its errors are prose; only these few are told apart.
    pub(in crate::backend) fn refused(&self, code: u16, text: &str) -> Error {
        let says = |words: &[&str]| words.iter().any(|w| text.contains(w));
        let missing = code == 404 || (text.contains("napshot") && text.ends_with("does not exist"));
        if missing && !self.making {
            return Error::Missing {
                what: self.object.clone(),
            };
        }
        if says(&[
            "already exists",
            "already in use",
            "UNIQUE constraint failed: instances",
        ]) {
            return Error::Exists {
                what: self.object.clone(),
            };
        }
        self.no(text)
    }

    /// The daemon's no, as it is.
    pub(in crate::backend) fn no(&self, message: impl AsRef<str>) -> Error {
        Error::Refused {
            what: self.what.clone(),
            message: fold(message.as_ref()),
        }
    }
}

/// A name that we make.
pub(in crate::backend) fn check_new(name: &str, about: &About) -> Result<()> {
    if is_name(name) {
        Ok(())
    } else {
        Err(about.no(format!(
            "`{name}` cannot be a name: take 1 to 63 of a-z, 0-9 and `-`, not beginning with `-`"
        )))
    }
}

/// A name that exists: anything that can be addressed. The daemons accept names such as `..` for
/// snapshots, which no URL can carry, percent-encoded or not.
pub(in crate::backend) fn check_known(name: &str, about: &About) -> Result<()> {
    if name.is_empty() || name == "." || name == ".." || name.contains('/') {
        Err(about.no(format!("`{name}` cannot be addressed")))
    } else {
        Ok(())
    }
}
