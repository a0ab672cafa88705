//! The name that was meant.

use crate::verdict::{Catalogue, Entry};

use super::Error;

/// The cause of the catalogue with this id.
pub(super) fn cause(name: &str) -> Result<&'static Entry, Error> {
    let catalogue = Catalogue::built_in();
    catalogue.entry(name).ok_or_else(|| Error::UnknownCause {
        name: name.to_owned(),
        nearest: nearest(name, catalogue.entries().iter().map(|entry| entry.id)),
    })
}

/// Up to three of `names` that are close to `wanted` or hold it, the nearest first.
fn nearest<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let wanted = wanted.to_lowercase().replace(['_', ' '], "-");
    let mut close: Vec<(f64, &str)> = names
        .map(|name| {
            let holds = !wanted.is_empty() && name.contains(&wanted);
            (if holds { 1.0 } else { strsim::normalized_damerau_levenshtein(&wanted, name) }, name)
        })
        .filter(|&(likeness, _)| likeness >= ALIKE)
        .collect();
    close.sort_by(|(a, name), (b, other)| b.total_cmp(a).then(name.cmp(other)));
    close.into_iter().take(MOST).map(|(_, name)| name).collect()
}

/// Share of a name that must be right.
const ALIKE: f64 = 0.6;

/// Names that are offered.
const MOST: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_and_parts_of_names_are_understood() {
        let names = ["keepalive-race", "connect-refused", "connect-timeout", "response-timeout", "h2-goaway"];
        let nearest = |wanted| nearest(wanted, names.into_iter());
        assert_eq!(nearest("keepalive_rase"), ["keepalive-race"]);
        assert_eq!(nearest("timeout"), ["connect-timeout", "response-timeout"]);
        assert_eq!(nearest("Conect-Refused"), ["connect-refused"]);
        assert_eq!(nearest("teapot"), [""; 0]);
        assert_eq!(nearest(""), [""; 0]);
    }
}
