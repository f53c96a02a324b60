//! How the image's build reaches the network: what is not part of the image, and is kept nowhere in it.

use serde::{Deserialize, Serialize};

use crate::backend::docker::{ENVIRONMENT, Proxy};

/// Tell the build of no proxy.
pub const NONE: &str = "none";

/// The table `[build]` of `workspaces.toml`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Building {
    /// The network of the build's steps: `host`, `none`, or one of the engine's; empty is the engine's choice.
    pub network: String,
    /// `environment`: the variables of halolab's own environment; `none`; or `http://HOST:PORT` for all of them.
    pub proxy: String,
    /// Hosts that are reached without that proxy, with commas between them.
    pub no_proxy: String,
}

impl Default for Building {
    fn default() -> Self {
        Self {
            network: String::new(),
            proxy: ENVIRONMENT.to_owned(),
            no_proxy: String::new(),
        }
    }
}

impl Building {
    /// What is wrong with it, by key.
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let mut found = vec![];
        let plain = |text: &str| text.chars().all(|c| c.is_ascii_graphic());
        if !self.network.is_empty() && !crate::backend::types::is_name(&self.network) {
            let text = "must be `host`, `none`, or the name of a network of the engine".to_owned();
            found.push(("network", text));
        }
        let named = matches!(self.proxy.as_str(), "" | ENVIRONMENT | NONE);
        if !named && self.proxy.contains('@') {
            let text = "has a password in it, which would be in this file: leave it at \"environment\", and name the proxy by \
                        HTTPS_PROXY where halolab runs";
            found.push(("proxy", text.to_owned()));
        } else if !named && (!self.proxy.starts_with("http://") || !plain(&self.proxy)) {
            let text = "must be \"environment\", \"none\", or a proxy as http://proxy.example.org:3128";
            found.push(("proxy", text.to_owned()));
        }
        if !plain(&self.no_proxy) {
            let text = "must be hosts with commas between them, as localhost,.example.org".to_owned();
            found.push(("no-proxy", text));
        }
        found
    }

    /// As a build takes it.
    pub fn proxy(&self) -> Proxy {
        match self.proxy.as_str() {
            NONE => Proxy::default(),
            "" => Proxy {
                named: ENVIRONMENT.to_owned(),
                without: self.no_proxy.clone(),
            },
            named => Proxy {
                named: named.to_owned(),
                without: self.no_proxy.clone(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(proxy: &str) -> Building {
        Building {
            proxy: proxy.to_owned(),
            ..Building::default()
        }
    }

    #[test]
    fn a_password_is_not_for_the_file() {
        assert!(Building::default().problems().is_empty());
        assert_eq!(Building::default().proxy().named, ENVIRONMENT);
        assert!(of(NONE).proxy().is_none());
        assert!(of("http://proxy:3128").problems().is_empty());
        let (key, why) = of("http://u:p@proxy:3128").problems().remove(0);
        assert_eq!(key, "proxy");
        assert!(why.contains("HTTPS_PROXY"), "{why}");
        assert_eq!(of("proxy").problems().len(), 1);
        let network = Building {
            network: "--x".into(),
            ..Building::default()
        };
        assert_eq!(network.problems()[0].0, "network");
    }
}
