//! Blocks of addresses.

use std::net::IpAddr;
use std::str::FromStr;

/// A block of addresses in CIDR notation (RFC 4632 section 3.1, RFC 4291 section 2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// True where `address` lies in it.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => same(own.to_bits().into(), other.to_bits().into(), 32, self.prefix),
            (IpAddr::V6(own), IpAddr::V6(other)) => same(own.to_bits(), other.to_bits(), 128, self.prefix),
            _ => false,
        }
    }
}

/// True where the first `prefix` of `width` bits are the same.
fn same(a: u128, b: u128, width: u8, prefix: u8) -> bool {
    (a ^ b).checked_shr(u32::from(width.saturating_sub(prefix))).unwrap_or(0) == 0
}

impl FromStr for Network {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Self, NotANetwork> {
        let wrong = || NotANetwork(text.to_owned());
        let (address, prefix) = text.split_once('/').ok_or_else(wrong)?;
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let prefix = prefix.parse().map_err(|_| wrong())?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        if prefix > width { Err(wrong()) } else { Ok(Self { address, prefix }) }
    }
}

/// A text that is no block of addresses.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is no block of addresses such as 192.0.2.0/24 or 2001:db8::/32")]
pub struct NotANetwork(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_holds_its_addresses_and_no_others() {
        let holds =
            |network: &str, address: &str| network.parse::<Network>().unwrap().contains(address.parse().unwrap());
        assert!(holds("172.64.0.0/13", "172.71.255.255") && !holds("172.64.0.0/13", "172.72.0.0"));
        assert!(holds("172.64.0.0/13", "::ffff:172.64.0.1"), "an IPv4 address in its mapped form");
        assert!(holds("2a06:98c0::/29", "2a06:98c7::1") && !holds("2a06:98c0::/29", "2a06:98c8::1"));
        assert!(holds("0.0.0.0/0", "10.0.0.1") && !holds("0.0.0.0/0", "2001:db8::1"));
        assert!(holds("::/0", "2001:db8::1") && holds("::1/128", "::1") && !holds("::1/128", "::2"));
    }

    #[test]
    fn what_is_no_block_is_refused() {
        for wrong in ["", "10.0.0.0", "10.0.0.0/33", "::/129", "10.0.0/8", "10.0.0.0/-1", "x/8"] {
            assert_eq!(wrong.parse::<Network>(), Err(NotANetwork(wrong.to_owned())));
        }
    }
}
