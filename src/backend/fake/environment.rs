//! What the daemon in memory holds beside instances: images, profiles, pools and bridges.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use super::world::{World, check_name, missing, refused};
use crate::backend::{Error, ImageInfo, Network, Pool, Profile, Result};

impl World {
    pub(super) fn add_image(&mut self, alias: &str, content: &[u8]) {
        let digest = Sha256::digest(content);
        let fingerprint = hex::encode(digest);
        let uploaded = self.now();
        self.aliases.insert(alias.to_owned(), fingerprint.clone());
        self.images.entry(fingerprint.clone()).or_insert(ImageInfo {
            fingerprint,
            size: content.len() as u64,
            uploaded,
            properties: BTreeMap::new(),
        });
    }

    pub(super) fn image(&self, alias: &str) -> Option<ImageInfo> {
        let fingerprint = self.aliases.get(alias).map_or(alias, String::as_str);
        self.images.get(fingerprint).cloned()
    }

    pub(super) fn delete_image(&mut self, alias: &str) -> Result<()> {
        let image = self
            .image(alias)
            .ok_or_else(|| missing(format!("image `{alias}`")))?;
        self.aliases.remove(alias);
        if !self.aliases.values().any(|target| *target == image.fingerprint) {
            self.images.remove(&image.fingerprint);
        }
        Ok(())
    }

    pub(super) fn put_profile(&mut self, profile: &Profile) -> Result<()> {
        check_name(&profile.name)?;
        self.profiles.insert(profile.name.clone(), profile.clone());
        Ok(())
    }

    pub(super) fn delete_profile(&mut self, name: &str) -> Result<()> {
        if self
            .machines
            .values()
            .any(|m| m.instance.profiles.iter().any(|p| p == name))
        {
            return Err(refused(
                &format!("delete profile `{name}`"),
                "Profile is currently in use",
            ));
        }
        let removed = self.profiles.remove(name);
        removed
            .map(drop)
            .ok_or_else(|| missing(format!("profile `{name}`")))
    }

    pub(super) fn create_pool(&mut self, name: &str, driver: &str, size: Option<u64>) -> Result<()> {
        check_name(name)?;
        if self.pools.contains_key(name) {
            return Err(Error::Exists {
                what: format!("storage pool `{name}`"),
            });
        }
        let pool = Pool {
            name: name.to_owned(),
            driver: driver.to_owned(),
            used: 0,
            total: size.unwrap_or(100 << 30),
            status: "Created".into(),
        };
        self.pools.insert(name.to_owned(), pool);
        Ok(())
    }

    pub(super) fn create_network(&mut self, name: &str) -> Result<()> {
        check_name(name)?;
        if self.networks.contains_key(name) {
            return Err(Error::Exists {
                what: format!("network `{name}`"),
            });
        }
        let network = Network {
            name: name.to_owned(),
            kind: "bridge".into(),
            managed: true,
            ipv4: "10.0.0.1/24".into(),
        };
        self.networks.insert(name.to_owned(), network);
        Ok(())
    }
}
