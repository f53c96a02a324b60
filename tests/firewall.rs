//! A firewall that drops what is forwarded, in a network of its own: found, mended, and found no more.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

use halolab::host::{command::Command, firewall};

/// A router with a lab on its bridge and a server behind it, all in private network namespaces.
struct Network {
    router: String,
    lab: String,
    server: String,
}

impl Network {
    async fn new() -> Self {
        let id = std::process::id();
        let network = Self {
            router: format!("hlr{id}"),
            lab: format!("hll{id}"),
            server: format!("hls{id}"),
        };
        let Self { router, lab, server } = &network;
        let text = format!(
            "for n in {router} {lab} {server}; do ip netns add $n; ip -n $n link set lo up; done
             ip -n {router} link add testbr0 type bridge; ip -n {router} link set testbr0 up
             ip -n {router} addr add 10.1.0.1/24 dev testbr0
             ip -n {router} link add port type veth peer name eth0 netns {lab}
             ip -n {router} link set port master testbr0 up
             ip -n {lab} link set eth0 up; ip -n {lab} addr add 10.1.0.2/24 dev eth0
             ip -n {lab} route add default via 10.1.0.1
             ip -n {router} link add up0 type veth peer name eth0 netns {server}
             ip -n {router} link set up0 up; ip -n {router} addr add 10.2.0.1/24 dev up0
             ip -n {server} link set eth0 up; ip -n {server} addr add 10.2.0.2/24 dev eth0
             ip -n {server} route add default via 10.2.0.1
             ip netns exec {router} sysctl -qw net.ipv4.ip_forward=1"
        );
        Command::new("sh", ["-eu", "-c", &text])
            .read()
            .await
            .expect("private network namespaces");
        network
    }

    async fn inside(&self, name: &str, text: &str) -> bool {
        Command::new("ip", ["netns", "exec", name, "sh", "-eu", "-c", text])
            .succeeds()
            .await
    }

    async fn reaches(&self) -> bool {
        self.inside(&self.lab, "busybox ping -q -c 1 -W 1 10.2.0.2").await
    }

    async fn finding(&self) -> Option<halolab::host::Finding> {
        let arguments = ["netns", "exec", &self.router, "iptables", "-w", "-S"];
        let rules = Command::new("ip", arguments).read().await.unwrap();
        firewall::finding(&rules, "nftables", "testbr0")
    }
}

impl Drop for Network {
    #[expect(
        clippy::disallowed_methods,
        reason = "nothing may be left behind when the test fails, and drop cannot wait"
    )]
    fn drop(&mut self) {
        for name in [&self.router, &self.lab, &self.server] {
            let _ = std::process::Command::new("ip")
                .args(["netns", "del", name])
                .status();
        }
    }
}

#[tokio::test]
async fn what_docker_cuts_is_found_and_mended() {
    if !rustix::process::geteuid().is_root() {
        assert_eq!(
            std::env::var("HALOLAB_TEST_LXD").as_deref(),
            Ok("skip"),
            "network namespaces need root: run tests/run.sh, or set HALOLAB_TEST_LXD=skip"
        );
        return;
    }
    let network = Network::new().await;
    let router = &network.router;
    let mend = format!(
        "export HALOLAB_BRIDGE=testbr0 HALOLAB_PERSIST=no\n{}",
        firewall::MEND
    );
    for docker in ["iptables -N DOCKER-USER; iptables -I FORWARD -j DOCKER-USER", ":"] {
        assert!(
            network
                .inside(router, "iptables -F; iptables -X; iptables -P FORWARD ACCEPT")
                .await
        );
        assert!(network.reaches().await, "the network of this test does not work");
        assert_eq!(network.finding().await, None);

        assert!(
            network
                .inside(router, &format!("{docker}; iptables -P FORWARD DROP"))
                .await
        );
        assert!(
            !network.reaches().await,
            "the firewall of this test drops nothing"
        );
        let found = network.finding().await.expect("the cut is found");
        assert_eq!(found.id, "network.forward_dropped");

        for _ in 0..2 {
            assert!(network.inside(router, &mend).await, "the mend failed");
        }
        assert!(network.reaches().await, "the mend does not mend");
        assert_eq!(network.finding().await, None);
    }
}
