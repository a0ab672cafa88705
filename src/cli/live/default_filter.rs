//! The filter where none was given: the ports that this host listens on, and ICMP.

use std::collections::BTreeSet;
use std::fs;

/// A BPF expression for the ports on which this host listens to others; for all TCP where it listens on none.
pub(super) fn default_filter() -> String {
    let mut ports = BTreeSet::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        ports.extend(listening(&fs::read_to_string(table).unwrap_or_default()));
    }
    expression(&ports)
}

fn expression(ports: &BTreeSet<u16>) -> String {
    if ports.is_empty() || ports.len() > MAX_PORTS {
        return "tcp or icmp or icmp6".to_owned();
    }
    let ports: Vec<String> = ports.iter().map(|port| format!("tcp port {port}")).collect();
    format!("{} or icmp or icmp6", ports.join(" or "))
}

/// The ports of the sockets that listen in a table of the kernel (proc(5)): `sl local_address rem_address st ...`.
fn listening(table: &str) -> impl Iterator<Item = u16> {
    table.lines().skip(1).filter_map(|line| {
        let mut words = line.split_ascii_whitespace().skip(1);
        let (local, state) = (words.next()?, words.nth(1)?);
        let (_, port) = local.rsplit_once(':')?;
        (state == LISTEN).then(|| u16::from_str_radix(port, 16).ok())?
    })
}

/// TCP_LISTEN.
const LISTEN: &str = "0A";

/// A filter of more ports than this costs more than it spares.
const MAX_PORTS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
   1: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
   2: 0100007F:0050 0100007F:D431 01 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0";

    #[test]
    fn the_ports_of_listening_sockets_are_found() {
        let ports: BTreeSet<u16> = listening(TABLE).collect();
        assert_eq!(ports, BTreeSet::from([80, 8080]));
        assert_eq!(expression(&ports), "tcp port 80 or tcp port 8080 or icmp or icmp6");
    }

    #[test]
    fn where_nothing_listens_everything_is_taken() {
        assert_eq!(expression(&BTreeSet::new()), "tcp or icmp or icmp6");
        assert_eq!(expression(&(1..100).collect()), "tcp or icmp or icmp6");
    }

    #[test]
    fn libpcap_takes_the_expression() {
        assert!(crate::capture::Filter::new(&expression(&BTreeSet::from([80, 443]))).is_ok());
    }
}
