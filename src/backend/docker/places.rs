//! The engine's one storage as a pool, and its bridges.

use std::path::Path;

use bollard::{
    models::{Network as Told, NetworkCreateRequest},
    query_parameters::{InspectNetworkOptions, ListNetworksOptions},
};

use super::{Docker, body, instance::POOL, labels};
use crate::backend::{
    Error, Network, Pool, Result,
    about::{About, check_known, check_new},
};

/// The bridge of workspaces: who is on it reaches nobody else on it.
pub const ISOLATED: &str = "halolab-workspaces";
/// The label of a bridge that we made.
const BRIDGE: &str = "network";
/// The engine's own bridge and what else it does not let go.
const BUILT_IN: &[&str] = &["bridge", "host", "none"];

impl Docker {
    /// The engine's storage, with what is used of the disk below it where that is this machine's.
    pub(super) async fn list_pools(&self) -> Result<Vec<Pool>> {
        let about = About::new("look at its storage", "storage");
        let info = self.call(&about, self.api.info()).await?;
        let root = info.docker_root_dir.unwrap_or_default();
        let mut pool = Pool {
            name: POOL.to_owned(),
            driver: info.driver.unwrap_or_default(),
            status: "Created".to_owned(),
            ..Pool::default()
        };
        let disk = self
            .is_local()
            .then(|| rustix::fs::statvfs(Path::new(&root)).ok())
            .flatten();
        if let Some(disk) = disk {
            pool.total = disk.f_blocks.saturating_mul(disk.f_frsize);
            pool.used = pool
                .total
                .saturating_sub(disk.f_bfree.saturating_mul(disk.f_frsize));
        }
        Ok(vec![pool])
    }

    /// There is one storage, and it is there.
    pub(super) async fn make_pool(&self, name: &str) -> Result<()> {
        let about = About::new(
            format!("make the storage pool `{name}`"),
            format!("storage pool `{name}`"),
        );
        check_new(name, &about)?;
        if self.list_pools().await?.iter().any(|pool| pool.name == name) {
            return Err(Error::Exists {
                what: format!("storage pool `{name}`"),
            });
        }
        Err(about.no(format!(
            "{} has one storage, `{POOL}`; where it is says `data-root` in its daemon.json",
            self.title()
        )))
    }

    /// It is the engine's.
    pub(super) fn remove_pool(&self, name: &str) -> Result<()> {
        let about = About::new(
            format!("remove the storage pool `{name}`"),
            format!("storage pool `{name}`"),
        );
        if name == POOL {
            return Err(about.no(format!("it is all of {}'s storage", self.title())));
        }
        Err(Error::Missing { what: about.object })
    }

    /// Bridges.
    pub(super) async fn list_networks(&self) -> Result<Vec<Network>> {
        let about = About::new("list the networks", "list of networks");
        let all = self
            .call(&about, self.api.list_networks(None::<ListNetworksOptions>))
            .await?;
        let bridges = all
            .into_iter()
            .filter(|told| told.driver.as_deref() == Some("bridge"));
        Ok(bridges.map(network).collect())
    }

    /// Makes a bridge of its own for our labs: the engine's default one vanishes where a second engine is started beside
    /// it, and knows no names. Its packets are no larger than the way out of this machine takes.
    pub(super) async fn make_network(&self, name: &str) -> Result<()> {
        let about = About::making(format!("make the bridge `{name}`"), format!("bridge `{name}`"));
        check_new(name, &about)?;
        // The engine lets two networks have one name.
        let look = self.api.inspect_network(name, None::<InspectNetworkOptions>);
        let found = self.find(&About::new(&about.what, &about.object), look).await?;
        if found.is_some() || BUILT_IN.contains(&name) {
            return Err(Error::Exists { what: about.object });
        }
        let mut options = std::collections::HashMap::new();
        if let Some(mtu) = self.is_local().then(smallest_mtu).flatten() {
            options.insert("com.docker.network.driver.mtu".to_owned(), mtu.to_string());
        }
        if name == ISOLATED {
            options.insert(
                "com.docker.network.bridge.enable_icc".to_owned(),
                "false".to_owned(),
            );
        }
        let request = NetworkCreateRequest {
            name: name.to_owned(),
            driver: Some("bridge".to_owned()),
            labels: Some(body::labels(&[(labels::KIND, BRIDGE)])),
            options: Some(options),
            ..NetworkCreateRequest::default()
        };
        self.call(&about, self.api.create_network(request))
            .await
            .map(drop)
    }

    /// Removes a bridge that nothing uses.
    pub(super) async fn remove_network(&self, name: &str) -> Result<()> {
        let about = About::new(format!("remove the bridge `{name}`"), format!("bridge `{name}`"));
        check_known(name, &about)?;
        self.call(&about, self.api.remove_network(name)).await
    }
}

fn network(told: Told) -> Network {
    let name = told.name.unwrap_or_default();
    let all = told.ipam.and_then(|ipam| ipam.config).unwrap_or_default();
    let ipv4 = all.iter().find_map(|config| {
        let subnet = config.subnet.as_ref().filter(|subnet| !subnet.contains(':'))?;
        let (base, prefix) = subnet.split_once('/')?;
        Some(format!("{}/{prefix}", config.gateway.as_deref().unwrap_or(base)))
    });
    Network {
        managed: !BUILT_IN.contains(&name.as_str()),
        kind: "bridge".to_owned(),
        ipv4: ipv4.unwrap_or_default(),
        name,
    }
}

/// The smallest size of packets of the interfaces that lead out of this machine, where it is below the usual 1500.
fn smallest_mtu() -> Option<u32> {
    let routes = std::fs::read_to_string("/proc/net/route").ok()?;
    let mtu = |line: &str| -> Option<u32> {
        let mut fields = line.split_whitespace();
        let (interface, destination) = (fields.next()?, fields.next()?);
        let file = format!("/sys/class/net/{interface}/mtu");
        (destination == "00000000").then_some(())?;
        std::fs::read_to_string(file).ok()?.trim().parse().ok()
    };
    let smallest = routes.lines().filter_map(mtu).min()?;
    (smallest < 1500).then_some(smallest)
}
