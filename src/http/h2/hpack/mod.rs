//! Header compression (RFC 7541), read along by a third party: the table of the direction is followed, fields are
//! shown one by one and not kept, and an entry that the capture never showed is an unknown field and no error.

mod huffman;
mod integer;
mod table;

use integer::Cursor;
use table::{Entry, Lookup, Table};

/// The state of one direction: the decoder that the receiver of its header blocks has.
#[derive(Clone)]
pub(super) struct Decoder {
    table: Table,
    /// Largest table that the receiver allows; none where its settings are not known.
    allowed: Option<usize>,
    /// The receiver's smaller limit that the sender has acknowledged: the next block begins with a size update
    /// that keeps to it (RFC 9113 section 4.3.1).
    shrink_to: Option<usize>,
    name: Vec<u8>,
    value: Vec<u8>,
}

/// One field of a header list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Field<'a> {
    /// Where the field's representation begins in its header block.
    pub(super) at: usize,
    /// None where it stands in a table entry that the capture never showed.
    pub(super) name: Option<&'a [u8]>,
    /// None where it stands in a table entry that the capture never showed.
    pub(super) value: Option<&'a [u8]>,
}

/// A header block that cannot be decoded, from this byte of it on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed {
    pub(super) at: usize,
}

impl Decoder {
    pub(super) fn new() -> Self {
        Self {
            table: Table::new(),
            allowed: Some(table::INITIAL_SIZE),
            shrink_to: None,
            name: Vec::new(),
            value: Vec::new(),
        }
    }

    /// Shows each field of a whole header block to `each`, in order. After an error the table is no longer known,
    /// as after [`Self::forget`].
    pub(super) fn decode(&mut self, block: &[u8], each: impl FnMut(Field<'_>)) -> Result<(), Malformed> {
        let late_update = self.shrink_to.filter(|_| self.table.complete()).is_some_and(|limit| !shrinks(block, limit));
        if !block.is_empty() {
            self.shrink_to = None;
        }
        let result = self.fields(block, each);
        self.name.shrink_to(KEPT_SCRATCH);
        self.value.shrink_to(KEPT_SCRATCH);
        if result.is_err() {
            self.forget();
        }
        if late_update && !block.is_empty() { Err(Malformed { at: 0 }) } else { result }
    }

    /// The receiver's settings allow a table of `size` bytes; none where they are not known.
    pub(super) fn allow(&mut self, size: Option<u32>) {
        self.allowed = size.map(|size| size as usize);
    }

    /// The sender has acknowledged that the receiver allows no more than `size` bytes.
    pub(super) fn acknowledged(&mut self, size: u32) {
        let size = size as usize;
        let current = self.shrink_to.unwrap_or(self.table.max_size());
        if size < current {
            self.shrink_to = Some(size);
        }
    }

    /// A header block was missed.
    pub(super) fn forget(&mut self) {
        self.table.forget();
    }

    fn fields(&mut self, block: &[u8], mut each: impl FnMut(Field<'_>)) -> Result<(), Malformed> {
        let mut cursor = Cursor::new(block);
        let mut fields_begun = false;
        while let Some(first) = cursor.peek() {
            let at = cursor.at;
            let read = match first {
                0x80.. => self.indexed(&mut cursor, &mut each),
                0x40..=0x7f => self.literal_to_index(&mut cursor, &mut each),
                0x20..=0x3f if fields_begun => None,
                0x20..=0x3f => self.size_update(&mut cursor),
                0x00..=0x1f => self.literal(&mut cursor, &mut each),
            };
            read.ok_or(Malformed { at })?;
            fields_begun |= !matches!(first, 0x20..=0x3f);
        }
        Ok(())
    }

    /// Section 6.1.
    fn indexed(&self, cursor: &mut Cursor<'_>, each: &mut impl FnMut(Field<'_>)) -> Option<()> {
        let at = cursor.at;
        match self.table.lookup(cursor.integer(0x7f)?) {
            Lookup::Entry(name, value) => each(Field { at, name, value: Some(value) }),
            Lookup::Unseen => each(Field { at, name: None, value: None }),
            Lookup::Missing => return None,
        }
        Some(())
    }

    /// Section 6.2.1.
    fn literal_to_index(&mut self, cursor: &mut Cursor<'_>, each: &mut impl FnMut(Field<'_>)) -> Option<()> {
        let field = read_literal(cursor, 0x3f, &self.table, &mut self.name, &mut self.value)?;
        each(field);
        let entry = Entry::new(field.name, field.value.unwrap_or_default());
        self.table.insert(entry);
        Some(())
    }

    /// Sections 6.2.2 and 6.2.3.
    fn literal(&mut self, cursor: &mut Cursor<'_>, each: &mut impl FnMut(Field<'_>)) -> Option<()> {
        each(read_literal(cursor, 0x0f, &self.table, &mut self.name, &mut self.value)?);
        Some(())
    }

    /// Section 6.3. A size that is not known to be allowed is taken.
    fn size_update(&mut self, cursor: &mut Cursor<'_>) -> Option<()> {
        let size = cursor.integer(0x1f)?;
        if self.allowed.is_some_and(|allowed| size > allowed) {
            return None;
        }
        self.table.resize(size);
        Some(())
    }
}

/// A literal value after an indexed or a literal name.
fn read_literal<'a, 'block: 'a>(
    cursor: &mut Cursor<'block>,
    prefix: u8,
    table: &'a Table,
    name: &'a mut Vec<u8>,
    value: &'a mut Vec<u8>,
) -> Option<Field<'a>> {
    let at = cursor.at;
    let name = match cursor.integer(prefix)? {
        0 => Some(string(cursor, name)?),
        index => match table.lookup(index) {
            Lookup::Entry(name, _) => name,
            Lookup::Unseen => None,
            Lookup::Missing => return None,
        },
    };
    Some(Field { at, name, value: Some(string(cursor, value)?) })
}

/// Section 5.2. A string that is not coded is borrowed from the block.
fn string<'a, 'block: 'a>(cursor: &mut Cursor<'block>, scratch: &'a mut Vec<u8>) -> Option<&'a [u8]> {
    let coded = cursor.peek()? & 0x80 != 0;
    let len = cursor.integer(0x7f)?;
    let bytes = cursor.take(len)?;
    if !coded {
        return Some(bytes);
    }
    scratch.clear();
    huffman::decode(bytes, scratch)?;
    Some(scratch)
}

/// True where `block` begins with a size update that keeps to `limit`.
fn shrinks(block: &[u8], limit: usize) -> bool {
    let mut cursor = Cursor::new(block);
    matches!(cursor.peek(), Some(0x20..=0x3f)) && cursor.integer(0x1f).is_some_and(|size| size <= limit)
}

/// Bytes of buffer that are kept from one block to the next.
const KEPT_SCRATCH: usize = 4_096;

#[cfg(test)]
mod stories;
#[cfg(test)]
mod tests;
