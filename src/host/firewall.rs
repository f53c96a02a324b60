//! Whether a firewall cuts the labs off: Docker sets the policy of FORWARD to DROP when it is the one that
//! turns forwarding on, and what LXD or Incus accept in nftables does not override a DROP in iptables.

use std::collections::BTreeMap;

use super::{
    Finding, Severity,
    command::{Command, Error},
};

/// The mend, safe to run again; reads the variable [`BRIDGES`].
pub const MEND: &str = include_str!("../../stages/host/firewall.sh");

/// Variable of the scripts with the names of the bridges, separated by spaces.
pub const BRIDGES: &str = "HALOLAB_BRIDGE";

/// Looks at the live firewall. `driver` is the daemon's own (`environment.firewall`), `bridge` the labs' bridge.
/// None where nothing is cut, or where there is no iptables at all.
pub async fn check(driver: &str, bridge: &str) -> Result<Option<Finding>, Error> {
    let command = Command {
        root: true,
        ..Command::new("iptables", ["-w", "-S"])
    };
    match command.read().await {
        Ok(rules) => Ok(finding(&rules, driver, bridge)),
        Err(Error::Start { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The script of the mend as a command, as the journal and `doctor --fix` run it.
pub fn mend(bridge: &str) -> Command {
    let environment = BTreeMap::from([(BRIDGES.to_owned(), bridge.to_owned())]);
    Command::script("let the labs' bridge through the firewall", MEND, environment)
}

/// Reads `iptables -S`. A lab needs both ways: its packets (`-i BRIDGE`) and the answers (`-o BRIDGE`).
pub fn finding(rules: &str, driver: &str, bridge: &str) -> Option<Finding> {
    let rules = Rules::read(rules);
    // with this driver the daemon writes its exceptions into the same chain, before the policy decides
    let own = driver == "xtables" && rules.refusal.is_none();
    let cut = rules.drops() && !own;
    if !cut || (rules.accepts("-i", bridge) && rules.accepts("-o", bridge)) {
        return None;
    }
    let who = if rules.docker { "Docker" } else { "A firewall" };
    let where_to = if rules.docker {
        "Docker's own chain for exceptions, DOCKER-USER"
    } else {
        "the chain FORWARD"
    };
    Some(Finding {
        id: "network.forward_dropped".into(),
        severity: Severity::Fail,
        seen: format!("{who} drops packets that this machine forwards"),
        why: format!(
            "Labs on the bridge {bridge} get an address but reach no network. The engine's own rules do not help: \
             they cannot override a drop."
        ),
        fix: None,
        source: None,
        details: BTreeMap::new(),
        mend: Some(format!(
            "Accept packets from {bridge} and the answers to them in {where_to}, now and after a restart."
        )),
        script: Some(MEND.into()),
    })
}

/// What the filter table says of forwarded packets.
#[derive(Debug, Default)]
struct Rules<'r> {
    /// The policy of FORWARD is DROP.
    policy_drops: bool,
    /// A rule without conditions in FORWARD drops or rejects what came so far.
    refusal: Option<usize>,
    /// Docker is at work here.
    docker: bool,
    /// All rules, in order: chain, and the words behind it.
    list: Vec<(&'r str, Vec<&'r str>)>,
}

impl<'r> Rules<'r> {
    fn read(text: &'r str) -> Self {
        let mut all = Self::default();
        for line in text.lines() {
            let mut words = line.split_whitespace();
            match (words.next(), words.next()) {
                (Some("-P"), Some("FORWARD")) => all.policy_drops = words.next() == Some("DROP"),
                (Some("-N"), Some("DOCKER-USER")) => all.docker = true,
                (Some("-A"), Some(chain)) => all.list.push((chain, words.collect())),
                _ => {}
            }
        }
        all.refusal = all.list.iter().position(|(chain, words)| {
            *chain == "FORWARD" && matches!(words.as_slice(), ["-j", "DROP" | "REJECT", ..])
        });
        all
    }

    fn drops(&self) -> bool {
        self.policy_drops || self.refusal.is_some()
    }

    /// Whether a rule that is reached accepts packets of the bridge on this side. DOCKER-USER comes first in FORWARD.
    fn accepts(&self, side: &str, bridge: &str) -> bool {
        let end = self.refusal.unwrap_or(self.list.len());
        let jumps = self
            .list
            .iter()
            .any(|(chain, words)| *chain == "FORWARD" && words == &["-j", "DOCKER-USER"]);
        self.list.iter().enumerate().any(|(index, (chain, words))| {
            let reached = match *chain {
                "FORWARD" => index < end,
                "DOCKER-USER" => jumps,
                _ => false,
            };
            let pair = |first: &str, second: &str| words.windows(2).any(|two| two == [first, second]);
            // a rule for some packets only (one source, one port) does not open the bridge
            let narrow = words.iter().any(|word| matches!(*word, "!" | "-s" | "-d" | "-p"));
            reached && !narrow && pair(side, bridge) && pair("-j", "ACCEPT")
        })
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const DOCKER: &str = "-P INPUT ACCEPT\n-P FORWARD DROP\n-P OUTPUT ACCEPT\n-N DOCKER\n-N DOCKER-USER\n\
        -A FORWARD -j DOCKER-USER\n-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n\
        -A FORWARD -i docker0 ! -o docker0 -j ACCEPT\n-A DOCKER-USER -j RETURN\n";
    const EXCEPTIONS: &str = "-A DOCKER-USER -i lxdbr0 -j ACCEPT\n\
        -A DOCKER-USER -o lxdbr0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n";
    const REJECT: &str = "-P FORWARD ACCEPT\n-A FORWARD -j REJECT --reject-with icmp-host-prohibited\n";
    const XTABLES: &str = "-P FORWARD DROP\n-A FORWARD -o lxdbr0 -m comment --comment \"generated for LXD \
        network lxdbr0\" -j ACCEPT\n-A FORWARD -i lxdbr0 -m comment --comment \"generated for LXD\" -j ACCEPT\n";

    #[rstest]
    #[case::no_rules("", false)]
    #[case::policy_accept("-P FORWARD ACCEPT\n-N DOCKER-USER\n", false)]
    #[case::docker(DOCKER, true)]
    #[case::docker_with_exceptions(&format!("{DOCKER}{EXCEPTIONS}"), false)]
    #[case::exceptions_never_reached(&format!("-P FORWARD DROP\n-N DOCKER-USER\n{EXCEPTIONS}"), true)]
    #[case::one_way_only(&format!("{DOCKER}-A DOCKER-USER -i lxdbr0 -j ACCEPT\n"), true)]
    #[case::other_bridge(&format!("{DOCKER}{}", EXCEPTIONS.replace("lxdbr0", "lxdbr00")), true)]
    #[case::one_port_only(&format!("{DOCKER}{}", EXCEPTIONS.replace("-j", "-p tcp -j")), true)]
    #[case::reject_rule(REJECT, true)]
    #[case::reject_before_exceptions(&format!("{REJECT}-A FORWARD -i lxdbr0 -j ACCEPT\n-A FORWARD -o lxdbr0 -j ACCEPT\n"), true)]
    #[case::the_daemons_own(XTABLES, false)]
    fn a_cut_is_seen(#[case] rules: &str, #[case] cut: bool) {
        assert_eq!(finding(rules, "nftables", "lxdbr0").is_some(), cut);
    }

    #[test]
    fn a_daemon_that_writes_into_iptables_itself_is_left_alone() {
        assert_eq!(finding(DOCKER, "xtables", "lxdbr0"), None);
    }

    #[test]
    fn the_words_name_the_bridge_and_who_did_it() {
        let found = finding(DOCKER, "nftables", "lxdbr0").unwrap();
        assert!(
            found.text().contains("Docker") && found.text().contains("lxdbr0"),
            "{}",
            found.text()
        );
        assert!(
            finding(REJECT, "nftables", "lxdbr0")
                .unwrap()
                .text()
                .starts_with("A firewall")
        );
    }
}
