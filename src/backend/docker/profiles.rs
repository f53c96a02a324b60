//! Profiles: records, one each. A device or limit that is written to one counts from the next start of its instances on,
//! which are made anew for it: the engine cannot change a container.

use super::{
    Docker,
    instance::{DEFAULT, default_profile},
    instances::RACES,
    record::Kind,
};
use crate::backend::{
    Error, Profile, ProfileEdit, Result,
    about::{About, check_known, check_new},
};

/// "to {verb} a profile", for errors.
fn about(verb: &str, name: &str) -> About {
    About::new(
        format!("{verb} the profile `{name}`"),
        format!("profile `{name}`"),
    )
}

impl Docker {
    /// A profile.
    pub(super) async fn find_profile(&self, name: &str) -> Result<Option<Profile>> {
        check_known(name, &about("look at", name))?;
        let found = self.record::<Profile>(Kind::Profile, name).await?;
        let default = (name == DEFAULT).then(default_profile);
        Ok(found.map(|record| record.content).or(default))
    }

    /// All profiles by their name.
    pub(super) async fn all_profiles(&self) -> Result<std::collections::HashMap<String, Profile>> {
        let mut all = self.records::<Profile>(Kind::Profile).await?;
        all.entry(DEFAULT.to_owned()).or_insert_with(default_profile);
        Ok(all)
    }

    /// Makes or replaces a profile.
    pub(super) async fn write_profile(&self, profile: &Profile) -> Result<()> {
        let about = about("write", &profile.name);
        check_new(&profile.name, &about)?;
        for _ in 0..RACES {
            let now = self.record::<Profile>(Kind::Profile, &profile.name).await?;
            let read = now.as_ref().map(|record| record.image.as_str());
            if self
                .write_record(Kind::Profile, &profile.name, profile, read)
                .await?
            {
                return Ok(());
            }
        }
        Err(about.no("somebody else changes it all the time"))
    }

    /// Changes a profile; the change is made again on what somebody else wrote first.
    pub(super) async fn change_profile(&self, name: &str, edit: ProfileEdit<'_>) -> Result<bool> {
        let about = about("change", name);
        check_known(name, &about)?;
        for _ in 0..RACES {
            let now = self.record::<Profile>(Kind::Profile, name).await?;
            let read = now.as_ref().map(|record| record.image.clone());
            let default = (name == DEFAULT).then(default_profile);
            let Some(mut profile) = now.map(|record| record.content).or(default) else {
                return Ok(false);
            };
            edit(&mut profile);
            if self
                .write_record(Kind::Profile, name, &profile, read.as_deref())
                .await?
            {
                return Ok(true);
            }
        }
        Err(about.no("somebody else changes it all the time"))
    }

    /// Removes a profile that no instance has.
    pub(super) async fn remove_profile(&self, name: &str) -> Result<()> {
        let about = about("remove", name);
        check_known(name, &about)?;
        if self.record::<Profile>(Kind::Profile, name).await?.is_none() {
            return Err(Error::Missing {
                what: format!("profile `{name}`"),
            });
        }
        let instances = self.list_instances().await?;
        if let Some(user) = instances.iter().find(|i| i.profiles.iter().any(|p| p == name)) {
            return Err(about.no(format!("`{}` has it", user.name)));
        }
        self.drop_record(Kind::Profile, name).await
    }
}
