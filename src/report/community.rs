//! Community ID, version 1: one short name for a flow that many tools print (github.com/corelight/community-id-spec).

use sha1::{Digest, Sha1};

use crate::timeline::{Endpoint, Timeline};

/// Protocol number of TCP.
const TCP: u8 = 6;

/// The Community ID (version 1, seed 0) of a connection.
#[must_use]
pub fn community_id(line: &Timeline) -> String {
    of_flow(line.endpoint.edge, line.endpoint.origin)
}

/// Seed (2), the smaller endpoint's address, the larger one's, protocol (1), padding (1), the smaller endpoint's port
/// (2), the larger one's (2): hashed, and written in base 64.
fn of_flow(a: Endpoint, b: Endpoint) -> String {
    let (low, high) = if (octets(a), a.port) <= (octets(b), b.port) { (a, b) } else { (b, a) };
    let hash = Sha1::new()
        .chain_update([0, 0])
        .chain_update(octets(low))
        .chain_update(octets(high))
        .chain_update([TCP, 0])
        .chain_update(low.port.to_be_bytes())
        .chain_update(high.port.to_be_bytes())
        .finalize();
    format!("1:{}", base_64(&hash))
}

fn octets(end: Endpoint) -> Vec<u8> {
    match end.address {
        std::net::IpAddr::V4(address) => address.octets().to_vec(),
        std::net::IpAddr::V6(address) => address.octets().to_vec(),
    }
}

/// RFC 4648 section 4.
fn base_64(bytes: &[u8]) -> String {
    let digit = |group: u32, shift: u32| {
        let index = (group >> shift) as usize & 63;
        ALPHABET.get(index).map_or('=', |&letter| char::from(letter))
    };
    let chunks = bytes.chunks(3).flat_map(|chunk| {
        let octet = |at: usize| chunk.get(at).copied().unwrap_or(0);
        let group = u32::from_be_bytes([0, octet(0), octet(1), octet(2)]);
        let places = [18, 12, 6, 0].into_iter().enumerate();
        places.map(move |(place, shift)| if place <= chunk.len() { digit(group, shift) } else { '=' })
    });
    chunks.collect()
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

#[cfg(test)]
mod tests {
    use super::*;

    fn id(a: &str, b: &str) -> String {
        let end = |text: &str| {
            let address: std::net::SocketAddr = text.parse().unwrap();
            Endpoint { address: address.ip(), port: address.port() }
        };
        assert_eq!(of_flow(end(a), end(b)), of_flow(end(b), end(a)), "both directions are one flow");
        of_flow(end(a), end(b))
    }

    #[test]
    fn the_examples_of_the_specification() {
        assert_eq!(id("128.232.110.120:34855", "66.35.250.204:80"), "1:LQU9qZlK+B5F3KDmev6m5PMibrg=");
    }

    #[test]
    fn base_64_is_padded() {
        let texts = [&b"f"[..], b"fo", b"foo", b"foobar"].map(base_64);
        assert_eq!(texts, ["Zg==", "Zm8=", "Zm9v", "Zm9vYmFy"]);
    }
}
