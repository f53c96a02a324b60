//! Who listens on this machine, and which ports outgoing connections take: `/proc`, below a root.

use std::{
    io::Read as _,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use super::ports::{Listening, Machine, Range};
use crate::host::Root;

/// Bytes of `/proc/net/tcp` that are read: some 400,000 sockets.
const LIMIT: u64 = 64 << 20;

/// Looks at the machine below a root.
pub fn look(root: &Root) -> Machine {
    let mut listening: Vec<Listening> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .flat_map(|path| parse(&read(root, path)))
        .collect();
    listening.sort();
    listening.dedup();
    let outgoing = root.read("/proc/sys/net/ipv4/ip_local_port_range");
    Machine {
        listening,
        outgoing: outgoing.as_deref().and_then(range),
    }
}

fn read(root: &Root, path: &str) -> String {
    let mut bytes = vec![];
    if let Some(file) = root.open(path) {
        // A table that cannot be read to its end tells of those that were.
        let _ = file.take(LIMIT).read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn range(text: &str) -> Option<Range> {
    let mut words = text.split_whitespace().map(str::parse);
    let (first, last) = (words.next()?.ok()?, words.next()?.ok()?);
    (first <= last).then_some(Range { first, last })
}

/// The sockets of a table that listen (state `0A`).
pub fn parse(table: &str) -> Vec<Listening> {
    table.lines().filter_map(line).collect()
}

fn line(line: &str) -> Option<Listening> {
    let mut words = line.split_whitespace();
    let (_, local, _, state) = (words.next()?, words.next()?, words.next()?, words.next()?);
    if state != "0A" {
        return None;
    }
    let (address, port) = local.split_once(':')?;
    Some(Listening {
        address: parse_address(address)?,
        port: u16::from_str_radix(port, 16).ok()?,
    })
}

/// The kernel writes words of 32 bits as this machine has them in memory.
fn parse_address(text: &str) -> Option<IpAddr> {
    let word = |at: usize| {
        let digits = text.get(at..at + 8)?;
        Some(u32::from_str_radix(digits, 16).ok()?.to_ne_bytes())
    };
    match text.len() {
        8 => Some(Ipv4Addr::from(word(0)?).into()),
        32 => {
            let mut bytes = [0; 16];
            for (at, chunk) in bytes.chunks_exact_mut(4).enumerate() {
                chunk.copy_from_slice(&word(at * 8)?);
            }
            let address = Ipv6Addr::from(bytes);
            Some(address.to_ipv4_mapped().map_or(IpAddr::V6(address), IpAddr::V4))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid\n\
   0: 0100007F:2726 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0\n\
   1: 0100007F:A1B2 0100007F:2726 01 00000000:00000000 00:00000000 00000000     0        0 2 1 0\n\
   2: 00000000000000000000000001000000:0016 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 3\n\
   3: broken:line 0 0A\n\
   4: 0000000000000000FFFF00000100007F:0050 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 3\n";

    #[test]
    fn who_listens_is_read_and_what_is_cut_is_passed_over() {
        if cfg!(target_endian = "big") {
            return;
        }
        let found = parse(TABLE);
        let short: Vec<_> = found
            .iter()
            .map(|l| format!("{} {}", l.address, l.port))
            .collect();
        assert_eq!(short, ["127.0.0.1 10022", "::1 22", "127.0.0.1 80"]);
    }

    #[test]
    fn a_tree_stands_for_the_machine() {
        let folder = tempfile::tempdir().unwrap();
        let net = folder.path().join("proc/net");
        let sys = folder.path().join("proc/sys/net/ipv4");
        std::fs::create_dir_all(&net).unwrap();
        std::fs::create_dir_all(&sys).unwrap();
        std::fs::write(net.join("tcp"), TABLE).unwrap();
        std::fs::write(sys.join("ip_local_port_range"), "32768\t60999\n").unwrap();
        let machine = look(&Root::new(folder.path()));
        assert_eq!(machine.listening.len(), 3);
        assert_eq!(
            machine.outgoing,
            Some(Range {
                first: 32768,
                last: 60999
            })
        );
    }
}
