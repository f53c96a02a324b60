//! The proxy of a build: told to its steps, and kept nowhere. Docker takes these variables as arguments of any build, and
//! leaves them out of the image, of its history and of what its cache compares.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The variables, each told in small letters too.
const VARIABLES: [&str; 5] = ["HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "ALL_PROXY", "NO_PROXY"];
/// As the name of a proxy: whatever our own environment says.
pub const ENVIRONMENT: &str = "environment";

/// Which proxy there is. What the environment says may hold a password: it is looked up when it is told, so that no plan and
/// no log has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proxy {
    /// [`ENVIRONMENT`], `http://HOST:PORT`, or empty for none.
    pub named: String,
    /// Hosts that are reached without it, with commas between them; empty is what the environment says, or none.
    pub without: String,
}

impl Proxy {
    /// Whether nothing is told.
    pub fn is_none(&self) -> bool {
        self.named.is_empty()
    }

    /// Arguments of a build.
    pub(super) fn told(&self, environment: impl Fn(&str) -> Option<String>) -> BTreeMap<String, String> {
        let mut all = BTreeMap::new();
        for name in VARIABLES {
            let said = match self.named.as_str() {
                "" => None,
                ENVIRONMENT => environment(name)
                    .filter(|value| !value.is_empty())
                    .or_else(|| environment(&name.to_lowercase())),
                proxy if matches!(name, "HTTP_PROXY" | "HTTPS_PROXY") => Some(proxy.to_owned()),
                _ => None,
            };
            let own = name == "NO_PROXY" && !self.is_none() && !self.without.is_empty();
            let said = if own { Some(self.without.clone()) } else { said };
            if let Some(value) = said.filter(|value| !value.is_empty()) {
                all.insert(name.to_owned(), value.clone());
                all.insert(name.to_lowercase(), value);
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(named: &str) -> Proxy {
        Proxy {
            named: named.to_owned(),
            without: String::new(),
        }
    }

    #[test]
    fn a_proxy_is_told_in_both_spellings_and_only_where_it_is_wanted() {
        let environment = |name: &str| match name {
            "https_proxy" => Some("http://u:p@proxy:1".to_owned()),
            "NO_PROXY" => Some("localhost".to_owned()),
            "HTTP_PROXY" => Some(String::new()),
            _ => None,
        };
        let told = of(ENVIRONMENT).told(environment);
        let names: Vec<&str> = told.keys().map(String::as_str).collect();
        assert_eq!(names, ["HTTPS_PROXY", "NO_PROXY", "https_proxy", "no_proxy"]);
        assert_eq!(told["HTTPS_PROXY"], "http://u:p@proxy:1");
        assert!(of("").told(environment).is_empty());
        let own = Proxy {
            without: ".local".to_owned(),
            ..of("http://p:3128")
        };
        let told = own.told(environment);
        assert_eq!(told["http_proxy"], "http://p:3128");
        assert_eq!(told["no_proxy"], ".local");
        assert_eq!(told.len(), 6);
    }
}
