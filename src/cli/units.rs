//! Durations, sizes and addresses as people type them.

use std::net::IpAddr;

/// Seconds: `120`, `1.5`, `500ms`, `2m`.
pub(super) fn seconds(text: &str) -> Result<f64, String> {
    let (number, factor) = match text.trim().strip_suffix("ms") {
        Some(number) => (number, 0.001),
        None => match text.trim() {
            text if text.ends_with('s') => (text.trim_end_matches('s'), 1.0),
            text if text.ends_with('m') => (text.trim_end_matches('m'), 60.0),
            text => (text, 1.0),
        },
    };
    match number.trim().parse::<f64>() {
        Ok(number) if number.is_finite() && number > 0.0 => Ok(number * factor),
        _ => Err("give seconds above 0, such as 120, 1.5, 500ms or 2m".to_owned()),
    }
}

/// Bytes: `16384`, `16k`, `16KiB`, `1M`, `2G`.
pub(super) fn bytes(text: &str) -> Result<u64, String> {
    let lower = text.trim().to_ascii_lowercase();
    let number = lower.trim_end_matches("ib").trim_end_matches('b');
    let (number, factor) = match number {
        text if text.ends_with('k') => (text.trim_end_matches('k'), 1024),
        text if text.ends_with('m') => (text.trim_end_matches('m'), 1024 * 1024),
        text if text.ends_with('g') => (text.trim_end_matches('g'), 1024 * 1024 * 1024),
        text => (text, 1),
    };
    let number: Option<u64> = number.trim().parse().ok();
    match number.and_then(|number| number.checked_mul(factor)) {
        Some(bytes) if bytes > 0 => Ok(bytes),
        _ => Err("give bytes above 0, such as 16384, 16k or 1M".to_owned()),
    }
}

/// How much a recorder keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// Nanoseconds.
    pub nanos: i64,
    /// Bytes on disk.
    pub bytes: u64,
}

/// `10m`, `2G`, `10m,2G`: a time (s, m, h, d), a size (K, M, G), or both. What is not named is not bounded by it, but
/// the size, which has a default.
pub(super) fn keep(text: &str) -> Result<Keep, String> {
    let mut keep = Keep { nanos: i64::MAX, bytes: DEFAULT_BYTES };
    for part in text.split(',').map(str::trim) {
        let end = part.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(part.len());
        let (number, unit) = part.split_at(end);
        let number: Option<u64> = number.trim().parse().ok().filter(|&number| number > 0);
        let size = |factor: u64| number.and_then(|number| number.checked_mul(factor));
        let time = |factor: u64| size(factor).and_then(|s| i64::try_from(s).ok()?.checked_mul(1_000_000_000));
        let (bytes, nanos) = match unit {
            "K" | "k" | "KiB" => (size(1 << 10), None),
            "M" | "MiB" => (size(1 << 20), None),
            "G" | "g" | "GiB" => (size(1 << 30), None),
            "s" => (None, time(1)),
            "m" => (None, time(60)),
            "h" => (None, time(3_600)),
            "d" => (None, time(86_400)),
            _ => (None, None),
        };
        match (bytes, nanos) {
            (Some(bytes), _) if bytes >= LEAST_BYTES => keep.bytes = bytes,
            (_, Some(nanos)) => keep.nanos = nanos,
            _ => {
                return Err("give a time (30s, 10m, 1h), a size of at least 64K (500M, 2G), or both: 10m,2G".to_owned());
            }
        }
    }
    Ok(keep)
}

/// What a recorder keeps where only a time is named.
const DEFAULT_BYTES: u64 = 1 << 30;

/// Less than this is no ring.
const LEAST_BYTES: u64 = 64 << 10;

/// An origin: its address, and its port where one is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Server {
    /// IPv4 or IPv6 address.
    pub address: IpAddr,
    /// TCP port; all of them where there is none.
    pub port: Option<u16>,
}

/// `10.0.0.2`, `10.0.0.2:80`, `2001:db8::2`, `[2001:db8::2]:80`.
pub(super) fn server(text: &str) -> Result<Server, String> {
    if let Ok(socket) = text.parse::<std::net::SocketAddr>() {
        return Ok(Server { address: socket.ip(), port: Some(socket.port()) });
    }
    let address = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    match address.parse() {
        Ok(address) => Ok(Server { address, port: None }),
        Err(_) => {
            Err("give an address, such as 10.0.0.2, 10.0.0.2:80 or [2001:db8::2]:80; names are not looked up"
                .to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_typed() {
        assert_eq!(
            ["120", "1.5", "500ms", "2m", "3 s"].map(|text| seconds(text).unwrap()),
            [120.0, 1.5, 0.5, 120.0, 3.0]
        );
        for wrong in ["", "0", "-1", "soon", "inf", "NaN", "1h"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn sizes_are_read_as_typed() {
        assert_eq!(
            ["16384", "16k", "16KiB", "1M", "2 MB", "3GiB"].map(|text| bytes(text).unwrap()),
            [16_384, 16_384, 16_384, 1 << 20, 2 << 20, 3 << 30]
        );
        for wrong in ["", "0", "-1", "1.5k", "k", "99999999999999999999", "18446744073709551615k"] {
            assert!(bytes(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_kept_is_a_time_a_size_or_both() {
        let minutes = 60 * 1_000_000_000;
        assert_eq!(keep("10m,2G"), Ok(Keep { nanos: 10 * minutes, bytes: 2 << 30 }));
        assert_eq!(keep("500M"), Ok(Keep { nanos: i64::MAX, bytes: 500 << 20 }));
        assert_eq!(keep("1h"), Ok(Keep { nanos: 60 * minutes, bytes: 1 << 30 }));
        for wrong in ["", "10", "m", "0m", "1K", "10m,", "99999999999999999999G", "9999999999999d"] {
            assert!(keep(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn servers_are_read_with_and_without_port() {
        let read = |text| server(text).map(|server| (server.address.to_string(), server.port));
        assert_eq!(read("10.0.0.2"), Ok(("10.0.0.2".to_owned(), None)));
        assert_eq!(read("10.0.0.2:80"), Ok(("10.0.0.2".to_owned(), Some(80))));
        assert_eq!(read("2001:db8::2"), Ok(("2001:db8::2".to_owned(), None)));
        assert_eq!(read("[2001:db8::2]:443"), Ok(("2001:db8::2".to_owned(), Some(443))));
        assert_eq!(read("[2001:db8::2]"), Ok(("2001:db8::2".to_owned(), None)));
        for wrong in ["", "origin.example", "10.0.0.2:", "10.0.0.2:65536", ":80"] {
            assert!(server(wrong).is_err(), "{wrong}");
        }
    }
}
