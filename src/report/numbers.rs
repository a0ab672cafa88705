//! Counts, sizes and durations for people.

/// `1 incident`, `2 incidents`, `12,345 incidents`.
pub(crate) fn count(number: u64, thing: &str) -> String {
    format!("{} {thing}{}", thousands(number), if number == 1 { "" } else { "s" })
}

/// `12,345`.
pub(super) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len().saturating_mul(4) / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && digits.len().saturating_sub(index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `812 bytes`, `88.0 KiB`, `1.2 GiB`.
pub(super) fn size(bytes: u64) -> String {
    let mut size = bytes as f64;
    let mut unit = None;
    for next in ["KiB", "MiB", "GiB", "TiB"] {
        if size < 1024.0 {
            break;
        }
        size /= 1024.0;
        unit = Some(next);
    }
    unit.map_or_else(|| count(bytes, "byte"), |unit| format!("{size:.1} {unit}"))
}

/// `0.200 ms`, `0.250 s`, `125 s`, `2 h 5 min`.
pub(super) fn duration(seconds: f64) -> String {
    let minutes = (seconds / 60.0).round() as i64;
    match seconds {
        s if s > 0.0 && s < 0.01 => format!("{:.3} ms", s * 1e3),
        s if s < 10.0 => format!("{s:.3} s"),
        s if s < 600.0 => format!("{s:.0} s"),
        _ if minutes < 60 => format!("{minutes} min"),
        _ => format!("{} h {} min", minutes / 60, minutes % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(thousands), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([1, 90_123, 5 << 30].map(size), ["1 byte", "88.0 KiB", "5.0 GiB"]);
        assert_eq!(
            [0.0, 0.0002, 0.25, 59.6, 125.0, 3_000.0, 7_500.0].map(duration),
            ["0.000 s", "0.200 ms", "0.250 s", "60 s", "125 s", "50 min", "2 h 5 min"]
        );
        assert_eq!((count(1, "incident"), count(0, "incident")), ("1 incident".to_owned(), "0 incidents".to_owned()));
    }
}
