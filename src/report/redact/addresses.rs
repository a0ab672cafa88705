//! IP addresses by pseudonyms, wherever a text names one.

use std::fmt;
use std::net::{IpAddr, SocketAddrV4};

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// What pseudonyms are made with. Without it none of them can be found again by trying all addresses.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Key([u8; 32]);

impl Key {
    /// A key from material that the readers of the report do not have.
    #[must_use]
    pub fn new(material: &[u8]) -> Self {
        Self(Sha256::digest(material).into())
    }

    /// Replaces every address in `text`.
    pub(super) fn without_addresses(&self, text: &str) -> String {
        let mut clean = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(start) = rest.find(is_address_char) {
            let (before, from) = rest.split_at(start);
            let len = from.find(|c| !is_address_char(c)).unwrap_or(from.len());
            let (run, after) = from.split_at(len);
            clean.push_str(before);
            clean.push_str(&self.replaced(run).unwrap_or_else(|| run.to_owned()));
            rest = after;
        }
        clean.push_str(rest);
        clean
    }

    /// Eight characters in the place of `data`.
    pub(super) fn pseudonym(&self, data: &[u8]) -> String {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else { return "hidden".to_owned() };
        mac.update(data);
        mac.finalize().into_bytes().iter().take(4).map(|byte| format!("{byte:02x}")).collect()
    }

    /// A run of characters as they stand in addresses, with its address replaced; none where it holds none.
    fn replaced(&self, run: &str) -> Option<String> {
        let body = run.trim_end_matches(['.', ':']);
        let end = run.get(body.len()..).unwrap_or_default();
        if let Ok(address) = body.parse::<IpAddr>() {
            let is_name =
                body.len() < SHORTEST && !body.contains(['.', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9']);
            return (!is_name).then(|| self.name(address) + end);
        }
        if let Ok(socket) = body.parse::<SocketAddrV4>() {
            return Some(format!("{}:{}{end}", self.name((*socket.ip()).into()), socket.port()));
        }
        // `a10.0.0.2` and `1:10.0.0.2`: an address after something else.
        let (head, tail) = body.split_at(body.find(|c: char| !c.is_ascii_hexdigit() || c.is_ascii_digit())?);
        if head.is_empty() {
            let (first, others) = body.split_once(':')?;
            return others
                .contains('.')
                .then(|| self.replaced(others))
                .flatten()
                .map(|it| format!("{first}:{it}{end}"));
        }
        self.replaced(tail).map(|it| format!("{head}{it}{end}"))
    }

    fn name(&self, address: IpAddr) -> String {
        let octets = match address.to_canonical() {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        };
        format!("address-{}", self.pseudonym(&octets))
    }
}

/// It is not shown.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

fn is_address_char(c: char) -> bool {
    c.is_ascii_hexdigit() || c == '.' || c == ':'
}

/// Characters of the shortest address without a digit: `std::fmt` has none in it.
const SHORTEST: usize = 6;

#[cfg(test)]
mod tests {
    use super::*;

    fn clean(text: &str) -> String {
        let key = Key::new(b"key");
        let names = ["10.0.0.2", "2001:db8::2"].map(|address| (key.name(address.parse().unwrap()), address));
        names
            .iter()
            .zip(["A", "B"])
            .fold(key.without_addresses(text), |text, ((name, _), short)| text.replace(name, short))
    }

    #[test]
    fn addresses_go_wherever_they_stand() {
        for (text, expected) in [
            ("10.0.0.2", "A"),
            ("10.0.0.2:80", "A:80"),
            ("[2001:db8::2]:443", "[B]:443"),
            ("[::ffff:10.0.0.2]:443", "[A]:443"),
            ("The origin 10.0.0.2:80 closes.", "The origin A:80 closes."),
            ("it is 10.0.0.2.", "it is A."),
            ("from 2001:db8::2: gone", "from B: gone"),
            ("/a?ip=10.0.0.2&b=2001:db8::2", "/a?ip=A&b=B"),
            ("face10.0.0.2", "faceA"),
            ("1:10.0.0.2", "1:A"),
        ] {
            assert_eq!(clean(text), expected, "{text}");
        }
    }

    #[test]
    fn what_only_looks_like_one_stays() {
        for text in
            ["08:59:17.785174", "2.002 s", "a::b", "::", "1.2.3", "RFC 9112", "abcdef:80", "std::fmt", "...", ""]
        {
            assert_eq!(clean(text), text);
        }
    }

    #[test]
    fn another_key_gives_another_name() {
        let address = "10.0.0.2".parse().unwrap();
        assert_eq!(Key::new(b"a").name(address), Key::new(b"a").name(address));
        assert_ne!(Key::new(b"a").name(address), Key::new(b"b").name(address));
        assert_eq!(format!("{:?}", Key::new(b"a")), "Key");
    }
}
