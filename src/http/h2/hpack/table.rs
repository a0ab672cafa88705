//! The static and the dynamic table (RFC 7541 section 2.3).

use std::collections::VecDeque;

/// Both tables behind one index.
#[derive(Clone)]
pub(super) struct Table {
    entries: VecDeque<Entry>,
    /// Size of the entries by section 4.1.
    size: usize,
    /// Bytes that the encoder uses at most.
    max_size: usize,
    /// False where entries may exist that were never seen: the capture misses a header block, or the encoder
    /// was allowed a table above [`MAX_TABLE_BYTES`].
    complete: bool,
}

/// What an index stands for.
pub(super) enum Lookup<'a> {
    /// A field; the name is not known where it came from an entry that was not known.
    Entry(Option<&'a [u8]>, &'a [u8]),
    /// An entry that exists, or may exist, and was never seen.
    Unseen,
    /// No entry has this index.
    Missing,
}

impl Table {
    pub(super) fn new() -> Self {
        Self { entries: VecDeque::new(), size: 0, max_size: INITIAL_SIZE, complete: true }
    }

    /// The entry with this index: from 1 the static ones, then the dynamic ones, the newest first (section 2.3.3).
    pub(super) fn lookup(&self, index: usize) -> Lookup<'_> {
        let Some(zero_based) = index.checked_sub(1) else { return Lookup::Missing };
        if let Some((name, value)) = STATIC.get(zero_based) {
            return Lookup::Entry(Some(name.as_bytes()), value.as_bytes());
        }
        match self.entries.get(zero_based.saturating_sub(STATIC.len())) {
            Some(entry) => Lookup::Entry(entry.name(), entry.value()),
            None if self.complete => Lookup::Missing,
            None => Lookup::Unseen,
        }
    }

    /// Adds a field in front and drops the oldest ones that have no room any more (section 4.4).
    pub(super) fn insert(&mut self, entry: Entry) {
        let size = entry.size();
        self.evict(self.max_size.saturating_sub(size));
        if size <= self.max_size {
            self.size = self.size.saturating_add(size);
            self.entries.push_front(entry);
        }
    }

    /// The encoder's new maximum size (section 4.3).
    pub(super) fn resize(&mut self, max_size: usize) {
        self.complete &= max_size <= MAX_TABLE_BYTES;
        self.max_size = max_size.min(MAX_TABLE_BYTES);
        self.evict(self.max_size);
    }

    /// The encoder's maximum size.
    pub(super) fn max_size(&self) -> usize {
        self.max_size
    }

    /// True where every entry that exists is known.
    pub(super) fn complete(&self) -> bool {
        self.complete
    }

    /// Insertions were missed: what was known stands at other places now.
    pub(super) fn forget(&mut self) {
        self.entries.clear();
        self.size = 0;
        self.complete = false;
    }

    fn evict(&mut self, room: usize) {
        while self.size > room {
            let Some(oldest) = self.entries.pop_back() else { return };
            self.size = self.size.saturating_sub(oldest.size());
        }
    }
}

/// A field of the dynamic table.
#[derive(Clone)]
pub(super) struct Entry {
    /// The name and, behind it, the value.
    bytes: Box<[u8]>,
    name: Option<usize>,
}

impl Entry {
    pub(super) fn new(name: Option<&[u8]>, value: &[u8]) -> Self {
        Self { bytes: [name.unwrap_or_default(), value].concat().into_boxed_slice(), name: name.map(<[u8]>::len) }
    }

    pub(super) fn name(&self) -> Option<&[u8]> {
        self.name.and_then(|len| self.bytes.get(..len))
    }

    pub(super) fn value(&self) -> &[u8] {
        self.bytes.get(self.name.unwrap_or_default()..).unwrap_or_default()
    }

    /// Section 4.1.
    fn size(&self) -> usize {
        self.bytes.len().saturating_add(OVERHEAD)
    }
}

/// Bytes of dynamic table that are kept for one direction, whatever the peers agreed on: beyond it, entries
/// become unknown.
const MAX_TABLE_BYTES: usize = 128 * 1024;

/// SETTINGS_HEADER_TABLE_SIZE before any SETTINGS (RFC 9113 section 6.5.2).
pub(super) const INITIAL_SIZE: usize = 4_096;

/// What every entry counts beside name and value (section 4.1).
const OVERHEAD: usize = 32;

/// The static table (appendix A).
const STATIC: [(&str, &str); 61] = [
    (":authority", ""),
    (":method", "GET"),
    (":method", "POST"),
    (":path", "/"),
    (":path", "/index.html"),
    (":scheme", "http"),
    (":scheme", "https"),
    (":status", "200"),
    (":status", "204"),
    (":status", "206"),
    (":status", "304"),
    (":status", "400"),
    (":status", "404"),
    (":status", "500"),
    ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"),
    ("accept-language", ""),
    ("accept-ranges", ""),
    ("accept", ""),
    ("access-control-allow-origin", ""),
    ("age", ""),
    ("allow", ""),
    ("authorization", ""),
    ("cache-control", ""),
    ("content-disposition", ""),
    ("content-encoding", ""),
    ("content-language", ""),
    ("content-length", ""),
    ("content-location", ""),
    ("content-range", ""),
    ("content-type", ""),
    ("cookie", ""),
    ("date", ""),
    ("etag", ""),
    ("expect", ""),
    ("expires", ""),
    ("from", ""),
    ("host", ""),
    ("if-match", ""),
    ("if-modified-since", ""),
    ("if-none-match", ""),
    ("if-range", ""),
    ("if-unmodified-since", ""),
    ("last-modified", ""),
    ("link", ""),
    ("location", ""),
    ("max-forwards", ""),
    ("proxy-authenticate", ""),
    ("proxy-authorization", ""),
    ("range", ""),
    ("referer", ""),
    ("refresh", ""),
    ("retry-after", ""),
    ("server", ""),
    ("set-cookie", ""),
    ("strict-transport-security", ""),
    ("transfer-encoding", ""),
    ("user-agent", ""),
    ("vary", ""),
    ("via", ""),
    ("www-authenticate", ""),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn value(table: &Table, index: usize) -> Option<&[u8]> {
        match table.lookup(index) {
            Lookup::Entry(_, value) => Some(value),
            Lookup::Unseen | Lookup::Missing => None,
        }
    }

    fn table_of(values: &[&str]) -> Table {
        let mut table = Table::new();
        values.iter().for_each(|value| table.insert(Entry::new(Some(b"name"), value.as_bytes())));
        table
    }

    #[test]
    fn the_newest_entry_comes_first() {
        let table = table_of(&["one", "two"]);
        assert_eq!(value(&table, 61), Some(&b""[..]));
        assert_eq!(value(&table, 62), Some(&b"two"[..]));
        assert_eq!(value(&table, 63), Some(&b"one"[..]));
        assert!(matches!(table.lookup(64), Lookup::Missing));
        assert!(matches!(table.lookup(0), Lookup::Missing));
    }

    #[test]
    fn the_oldest_entries_make_room() {
        let mut table = table_of(&["one", "two", "three"]);
        table.resize(32 + 4 + 5 + 32 + 4 + 3);
        assert_eq!(value(&table, 63), Some(&b"two"[..]));
        assert_eq!(value(&table, 64), None);
        table.insert(Entry::new(Some(b"name"), &[b'x'; 200]));
        assert_eq!(value(&table, 62), None, "an entry above the maximum size empties the table (section 4.4)");
        assert_eq!(table.size, 0);
    }

    #[test]
    fn what_was_missed_is_unseen_and_no_error() {
        let mut table = table_of(&["one"]);
        table.forget();
        table.insert(Entry::new(None, b"two"));
        assert!(matches!(table.lookup(62), Lookup::Entry(None, b"two")));
        assert!(matches!(table.lookup(63), Lookup::Unseen));
    }

    #[test]
    fn the_table_stays_within_its_bound() {
        let mut table = Table::new();
        table.resize(usize::MAX);
        for _ in 0..100 {
            table.insert(Entry::new(Some(b"name"), &[b'x'; 16_000]));
        }
        assert!(table.size <= MAX_TABLE_BYTES);
        assert!(matches!(table.lookup(100), Lookup::Unseen));
    }
}
