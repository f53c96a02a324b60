//! A private IPv4 subnet that this machine has no route into. LXD looks for one by calling addresses, and finds
//! none where a network answers for every address (a transparent proxy, some company networks).

use super::Root;

/// The address of a bridge, as `10.64.0.1/24`, whose subnet no route of this machine covers; none where all are taken.
pub fn free(root: &Root) -> Option<String> {
    pick(&root.read("/proc/net/route").unwrap_or_default())
}

/// Routes as (first address, mask); the default route covers everything and says nothing.
fn routes(table: &str) -> Vec<(u32, u32)> {
    // the kernel writes addresses in hexadecimal, in the order of bytes on the wire
    let address = |word: &str| Some(u32::from_be(u32::from_str_radix(word, 16).ok()?));
    let route = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        Some((address(words.get(1)?)?, address(words.get(7)?)?))
    };
    table
        .lines()
        .skip(1)
        .filter_map(route)
        .filter(|(_, mask)| *mask != 0)
        .collect()
}

/// The first free one of 10.64.0.0/24 to 10.191.255.0/24: between what companies and providers like to number from.
fn pick(table: &str) -> Option<String> {
    let taken = routes(table);
    let overlap = |subnet: u32| {
        taken.iter().any(|(first, mask)| {
            let wider = mask & 0xffff_ff00;
            subnet & wider == first & wider
        })
    };
    let subnets = (0x0a40_0000_u32..0x0ac0_0000).step_by(256);
    let subnet = subnets.into_iter().find(|subnet| !overlap(*subnet))?;
    let [a, b, c, _] = subnet.to_be_bytes();
    Some(format!("{a}.{b}.{c}.1/24"))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const HEAD: &str = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n";

    fn line(destination: &str, mask: &str) -> String {
        format!("eth0\t{destination}\t00000000\t0001\t0\t0\t0\t{mask}\t0\t0\t0\n")
    }

    #[rstest]
    #[case::nothing("", "10.64.0.1/24")]
    #[case::only_the_default(&line("00000000", "00000000"), "10.64.0.1/24")]
    #[case::another_network(&line("0002000A", "00FFFFFF"), "10.64.0.1/24")]
    #[case::the_first_is_taken(&line("0000400A", "00FFFFFF"), "10.64.1.1/24")]
    #[case::a_smaller_route_inside(&line("8000400A", "80FFFFFF"), "10.64.1.1/24")]
    #[case::a_wider_route_around(&line("0000400A", "0000FFFF"), "10.65.0.1/24")]
    #[case::broken_lines("x\ny z\n", "10.64.0.1/24")]
    fn a_free_subnet_is_found(#[case] lines: &str, #[case] wanted: &str) {
        assert_eq!(pick(&format!("{HEAD}{lines}")).as_deref(), Some(wanted));
    }

    #[test]
    fn a_machine_that_routes_all_of_it_has_none() {
        assert_eq!(pick(&format!("{HEAD}{}", line("0000000A", "000000FF"))), None);
    }
}
