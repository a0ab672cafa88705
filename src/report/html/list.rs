//! The list of the incidents.
//!
//! The first of them stand in the page. The others follow in parcels, each a `noscript`: a browser that runs scripts
//! keeps it as one text, shows what it has, and lets the page's script unpack the parcels one by one; ten thousand
//! incidents as elements keep it busy for seconds before it shows any. A browser without scripts reads them in place.

use std::collections::BTreeSet;
use std::io::{self, Write};

use super::incident::{self, Keys, Telling};
use crate::report::alike::Group;
use crate::report::document::Document;

/// Writes the list, and gives the number of incidents that it leaves out.
///
/// # Errors
/// What `out` fails with.
pub(super) fn write(document: &Document<'_>, groups: &[Group], keys: &Keys, out: &mut dyn Write) -> io::Result<u64> {
    let told = told_in_full(groups);
    let mut written = 0;
    let mut entries = 0_usize;
    for (index, incident) in document.incidents.iter().enumerate() {
        if written > LONGEST_LIST {
            break;
        }
        let telling = match told.contains(&index) && written < LONGEST_IN_FULL {
            true if document.incidents.len() == 1 => Telling::Open,
            true => Telling::Full,
            false => Telling::Short,
        };
        if let Some(packed) = entries.checked_sub(AT_ONCE).filter(|packed| packed % PARCEL == 0) {
            out.write_all(if packed == 0 { OPEN } else { NEXT })?;
        }
        let entry = incident::entry(index, &incident, keys, telling).into_string();
        out.write_all(entry.as_bytes())?;
        out.write_all(b"\n")?;
        written = written.saturating_add(entry.len());
        entries = entries.saturating_add(1);
    }
    if entries > AT_ONCE {
        out.write_all(CLOSE)?;
    }
    Ok(document.incidents.len().saturating_sub(entries) as u64)
}

/// Indices of the incidents whose ladder is drawn: the first of every kind, the second of every kind, and so on.
fn told_in_full(groups: &[Group]) -> BTreeSet<usize> {
    let most = groups.iter().map(|group| group.members.len()).max().unwrap_or(0);
    let rounds = (0..most).flat_map(|nth| groups.iter().filter_map(move |group| group.members.get(nth)));
    rounds.copied().take(IN_FULL).collect()
}

/// Incidents whose ladder is drawn.
const IN_FULL: usize = 400;

/// Bytes of the list after which no more ladders are drawn.
const LONGEST_IN_FULL: usize = 6_000_000;

/// Bytes of the list after which it ends.
const LONGEST_LIST: usize = 12_000_000;

/// Incidents that stand in the page itself.
const AT_ONCE: usize = 100;

/// Incidents of one parcel: a browser unpacks them in some hundredths of a second.
const PARCEL: usize = 500;

const OPEN: &[u8] = b"<noscript class=\"parcel\">\n";

const CLOSE: &[u8] = b"</noscript>\n";

const NEXT: &[u8] = b"</noscript>\n<noscript class=\"parcel\">\n";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    fn rendered(document: &Document<'_>) -> String {
        let mut out = Vec::new();
        write(document, &document.incidents.groups(), &Keys::of(document), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_kind_gets_a_ladder_before_any_gets_two() {
        let document = sample::alike_document(1_000);
        assert_eq!(told_in_full(&document.incidents.groups()).len(), IN_FULL);
        let list = rendered(&document);
        assert_eq!(list.matches("<table class=\"ladder").count(), IN_FULL);
        assert_eq!(list.matches("class=\"incident\"").count(), 1_000);
    }

    #[test]
    fn incidents_beyond_the_first_lie_in_parcels() {
        for (incidents, sizes) in [(100, vec![100]), (101, vec![100, 1]), (1_101, vec![100, 500, 500, 1])] {
            let list = rendered(&sample::alike_document(incidents));
            let parcels = list.split("<noscript class=\"parcel\">");
            let found: Vec<usize> = parcels.map(|parcel| parcel.matches("class=\"incident\"").count()).collect();
            assert_eq!(found, sizes, "{incidents} incidents");
            let closed: Vec<_> = list.match_indices("</noscript>").collect();
            assert_eq!(closed.len(), sizes.len() - 1, "{incidents} incidents");
        }
    }
}
