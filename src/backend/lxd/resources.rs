//! Profiles, storage pools and networks.

use std::path::Path;

use futures_util::future::join_all;
use reqwest::{Method, StatusCode};
use serde_json::json;

use super::{
    Lxd,
    instances::{check_known, check_new},
    transport::{About, Ask, Target, segment},
    wire,
};
use crate::{
    backend::{Error, Network, Pool, Profile, ProfileEdit, Result},
    host::{Root, subnet},
};

/// How often a change is tried again after somebody else's came first.
const RACES: u32 = 8;

/// What `POST` and `PUT` take of a profile.
fn body_of(profile: &Profile) -> serde_json::Value {
    json!({
        "name": profile.name,
        "description": profile.description,
        "config": profile.config,
        "devices": profile.devices,
    })
}

/// The path of a profile.
fn profile_path(name: &str) -> String {
    format!("/1.0/profiles/{}", segment(name))
}

/// "to {verb} a profile", for errors.
fn about_profile(verb: &str, name: &str) -> About {
    About::new(format!("{verb} profile `{name}`"), format!("profile `{name}`"))
}

impl Lxd {
    /// A profile.
    pub(super) async fn find_profile(&self, name: &str) -> Result<Option<Profile>> {
        Ok(self.tagged_profile(name).await?.map(|(profile, _)| profile))
    }

    /// A profile with its `ETag`.
    async fn tagged_profile(&self, name: &str) -> Result<Option<(Profile, Option<String>)>> {
        let about = about_profile("look at", name);
        check_known(name, &about)?;
        let told = self
            .transport
            .get_tagged::<wire::Profile>(&profile_path(name), &about)
            .await;
        match told {
            Ok((profile, etag)) => Ok(Some((profile.into(), etag))),
            Err(Error::Missing { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes or replaces a profile. One that is as it should be is left alone: a change would be
    /// applied to every running instance that has it.
    pub(super) async fn write_profile(&self, profile: &Profile) -> Result<()> {
        let about = about_profile("write", &profile.name);
        for _ in 0..RACES {
            let mut replace = |there: &mut Profile| there.clone_from(profile);
            if self.change_profile(&profile.name, &mut replace).await? {
                return Ok(());
            }
            check_new(&profile.name, &about)?;
            let body = body_of(profile);
            let reply = self
                .transport
                .send(&Ask::with(Method::POST, "/1.0/profiles", &body), &about)
                .await?;
            if reply.envelope.kind != "error" {
                return Ok(());
            }
            if reply.status != StatusCode::CONFLICT {
                return Err(about.no(&reply.envelope.error));
            }
        }
        Err(about.no("somebody else changes it all the time"))
    }

    /// Changes a profile that is there, on top of whatever others changed meanwhile; false where it is not there.
    pub(super) async fn change_profile(&self, name: &str, edit: ProfileEdit<'_>) -> Result<bool> {
        let about = about_profile("write", name);
        for _ in 0..RACES {
            let Some((found, etag)) = self.tagged_profile(name).await? else {
                return Ok(false);
            };
            let mut wanted = found.clone();
            edit(&mut wanted);
            if wanted == found {
                return Ok(true);
            }
            let (path, body) = (profile_path(name), body_of(&wanted));
            let ask = Ask {
                etag: etag.as_deref(),
                deadline: Some(self.transport.deadlines.making),
                ..Ask::with(Method::PUT, &path, &body)
            };
            let reply = self.transport.send(&ask, &about).await?;
            if reply.envelope.kind != "error" {
                return Ok(true);
            }
            if reply.status != StatusCode::PRECONDITION_FAILED {
                return Err(about.no(&reply.envelope.error));
            }
        }
        Err(about.no("somebody else changes it all the time"))
    }

    /// Removes a profile.
    pub(super) async fn remove_profile(&self, name: &str) -> Result<()> {
        let about = about_profile("delete", name);
        check_known(name, &about)?;
        let path = profile_path(name);
        self.transport
            .run(&Ask::new(Method::DELETE, &path), &about)
            .await
            .map(drop)
    }

    /// Storage pools with their use. One that cannot tell its use is listed as unavailable.
    pub(super) async fn list_pools(&self) -> Result<Vec<Pool>> {
        let about = About::new("list the storage pools", "list of storage pools");
        let pools: Vec<wire::Pool> = self
            .transport
            .get("/1.0/storage-pools?recursion=1", &about)
            .await?;
        let with_use = pools.into_iter().map(|pool| async {
            let path = format!("/1.0/storage-pools/{}/resources", segment(&pool.name));
            let told: Result<wire::Resources> = self.transport.get(&path, &about).await;
            let (space, status) = match told {
                Ok(told) => (told.space, pool.status),
                Err(error @ (Error::Refused { .. } | Error::Missing { .. })) => {
                    (wire::Space::default(), format!("Unavailable: {error}"))
                }
                Err(error) => return Err(error),
            };
            Ok(Pool {
                name: pool.name,
                driver: pool.driver,
                used: space.used,
                total: space.total,
                status,
            })
        });
        join_all(with_use).await.into_iter().collect()
    }

    /// Makes a storage pool; with a size, in a loop file of the daemon's own.
    pub(super) async fn make_pool(&self, name: &str, driver: &str, size: Option<u64>) -> Result<()> {
        let about = About::making(
            format!("make storage pool `{name}` with driver `{driver}`"),
            format!("storage pool `{name}`"),
        );
        check_new(name, &about)?;
        let config = size.map_or_else(|| json!({}), |bytes| json!({ "size": format!("{bytes}B") }));
        let body = json!({ "name": name, "driver": driver, "config": config });
        let ask = Ask {
            deadline: Some(self.transport.deadlines.making),
            ..Ask::with(Method::POST, "/1.0/storage-pools", &body)
        };
        self.transport.run(&ask, &about).await.map(drop)
    }

    /// Removes a storage pool or a bridge that nothing uses.
    pub(super) async fn remove_place(&self, folder: &str, what: &str, name: &str) -> Result<()> {
        let about = About::new(format!("delete {what} `{name}`"), format!("{what} `{name}`"));
        check_known(name, &about)?;
        let path = format!("/1.0/{folder}/{}", segment(name));
        let ask = Ask {
            deadline: Some(self.transport.deadlines.making),
            ..Ask::new(Method::DELETE, &path)
        };
        self.transport.run(&ask, &about).await.map(drop)
    }

    /// Managed bridges.
    pub(super) async fn list_networks(&self) -> Result<Vec<Network>> {
        let about = About::new("list the networks", "list of networks");
        let told: Vec<wire::Network> = self.transport.get("/1.0/networks?recursion=1", &about).await?;
        let networks = told.into_iter().map(Network::from);
        Ok(networks.filter(|n| n.managed && n.kind == "bridge").collect())
    }

    /// Makes a managed bridge with IPv4 NAT. Without IPv6: a lab must not wait for addresses that
    /// lead nowhere.
    pub(super) async fn make_network(&self, name: &str) -> Result<()> {
        let about = About::making(format!("make bridge `{name}`"), format!("network `{name}`"));
        check_new(name, &about)?;
        match self.put_bridge(name, "auto", &about).await {
            // The daemon calls addresses to see which are free; some networks answer for all of them.
            Err(Error::Refused { message, .. }) if message.contains("unused IPv4 subnet") => {
                let free = subnet::free(&Root::new(Path::new("/")));
                match free.filter(|_| matches!(self.transport.target, Target::Unix(_))) {
                    Some(address) => self.put_bridge(name, &address, &about).await,
                    None => Err(about.refused(400, &message)),
                }
            }
            other => other,
        }
    }

    async fn put_bridge(&self, name: &str, address: &str, about: &About) -> Result<()> {
        let body = json!({
            "name": name,
            "type": "bridge",
            "config": { "ipv4.address": address, "ipv4.nat": "true", "ipv6.address": "none" },
        });
        let ask = Ask {
            deadline: Some(self.transport.deadlines.making),
            ..Ask::with(Method::POST, "/1.0/networks", &body)
        };
        self.transport.run(&ask, about).await.map(drop)
    }
}
