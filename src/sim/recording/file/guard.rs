//! What the library believes of a file and a stranger's file may lie about: looked at before it is believed.
//!
//! The headers of a Parquet file are structs of Thrift's compact protocol
//! (<https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md>); which field is what is in
//! <https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift>. Only sizes are read here: the library
//! takes memory by them before it looks at what is there.

use parquet::basic::{Compression, Encoding};
use parquet::column::page::{Page, PageMetadata, PageReader};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::ColumnChunkMetaData;

/// Snappy's longest copy makes 64 bytes of 3.
const SNAPPY: u64 = 22;
/// What a page may be beyond that: its own frame.
const FRAME: u64 = 64;
/// Groups in a schema: each nests deeper in the worst case, and the library descends by recursion.
const GROUPS: usize = 200;
/// How deep values may nest in a header.
const DEPTH: usize = 16;

fn bad(what: impl Into<String>) -> ParquetError {
    ParquetError::General(what.into())
}

/// Looks at the footer's schema: the library makes room for as many children as an element says that it has.
///
/// # Errors
/// It says something that cannot be.
pub fn footer(bytes: &[u8]) -> Result<()> {
    let end = bytes.len().saturating_sub(8);
    let length = bytes.get(end..end + 4).and_then(|b| <[u8; 4]>::try_from(b).ok()).map_or(0, u32::from_le_bytes);
    let start = end.checked_sub(length as usize).ok_or_else(|| bad("its footer is longer than the file"))?;
    let mut cursor = Cursor { bytes: bytes.get(start..end).unwrap_or_default() };
    cursor.fields(|c, field, kind| {
        if (field, kind) != (2, LIST) {
            return c.skip(kind, 0);
        }
        let (elements, kind) = c.list()?;
        let mut groups = 0;
        for _ in 0..elements {
            if kind != STRUCT {
                return Err(bad("its schema is no list of elements"));
            }
            c.fields(|c, field, kind| {
                if (field, kind) != (5, I32) {
                    return c.skip(kind, 1);
                }
                let children = c.number()?;
                groups += usize::from(children > 0);
                let fits = u64::try_from(children).is_ok_and(|n| n <= elements);
                if fits && groups <= GROUPS {
                    Ok(())
                } else {
                    Err(bad("its schema has more groups or children than elements"))
                }
            })?;
        }
        Ok(())
    })
}

/// Looks at the headers of a column's pages: the library makes room for what a page says that it is when unpacked.
///
/// # Errors
/// The column lies outside of the file, is packed in a way that recordings are not, or a page says something that cannot be.
pub fn pages(bytes: &[u8], column: &ColumnChunkMetaData) -> Result<()> {
    let packed = match column.compression() {
        Compression::UNCOMPRESSED => false,
        Compression::SNAPPY => true,
        other => {
            return Err(bad(format!("a column is compressed with {other}; recordings are with snappy or not at all")));
        }
    };
    let start = column.dictionary_page_offset().unwrap_or_else(|| column.data_page_offset());
    let outside = || bad("a column lies outside of the file");
    let start = usize::try_from(start).map_err(|_| outside())?;
    let length = usize::try_from(column.compressed_size()).map_err(|_| outside())?;
    let mut cursor =
        Cursor { bytes: start.checked_add(length).and_then(|end| bytes.get(start..end)).ok_or_else(outside)? };
    while !cursor.bytes.is_empty() {
        let (mut unpacked, mut size) = (0, 0);
        cursor.fields(|c, field, kind| match (field, kind) {
            (2, I32) => c.number().map(|n| unpacked = n),
            (3, I32) => c.number().map(|n| size = n),
            _ => c.skip(kind, 0),
        })?;
        let (Ok(unpacked), Ok(size)) = (u64::try_from(unpacked), u64::try_from(size)) else {
            return Err(bad("a page of less than no bytes"));
        };
        if unpacked > if packed { size.saturating_mul(SNAPPY) + FRAME } else { size } {
            return Err(bad(format!("a page of {size} bytes is said to hold {unpacked}")));
        }
        cursor.take(size)?;
    }
    Ok(())
}

/// The pages of a column, as the library reads them, without those at which its decoders stop the process or take memory by what
/// is only announced.
pub struct Checked {
    pages: Box<dyn PageReader>,
    dictionary: bool,
}

impl Checked {
    /// Over the pages of a column.
    pub fn new(pages: Box<dyn PageReader>) -> Self {
        Self { pages, dictionary: false }
    }
}

impl Iterator for Checked {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

impl PageReader for Checked {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        let page = self.pages.get_next_page()?;
        match &page {
            None => {}
            Some(Page::DictionaryPage { buf, num_values, .. }) => {
                if usize::try_from(*num_values).is_ok_and(|n| n <= buf.len()) {
                    self.dictionary = true;
                } else {
                    return Err(bad("a dictionary has more values than bytes"));
                }
            }
            Some(data) => match data.encoding() {
                Encoding::PLAIN | Encoding::DELTA_BINARY_PACKED | Encoding::BYTE_STREAM_SPLIT => {}
                Encoding::PLAIN_DICTIONARY | Encoding::RLE_DICTIONARY => {
                    if !self.dictionary {
                        return Err(bad("a page refers to a dictionary that is not there"));
                    }
                }
                other => return Err(bad(format!("a page is encoded as {other}, as recordings are not"))),
            },
        }
        Ok(page)
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        self.pages.peek_next_page()
    }

    fn skip_next_page(&mut self) -> Result<()> {
        self.pages.skip_next_page()
    }
}

/// Types of Thrift's compact protocol.
const I32: u8 = 5;
const LIST: u8 = 9;
const STRUCT: u8 = 12;

struct Cursor<'a> {
    bytes: &'a [u8],
}

impl Cursor<'_> {
    fn take(&mut self, n: u64) -> Result<()> {
        let rest = usize::try_from(n).ok().and_then(|n| self.bytes.get(n..));
        self.bytes = rest.ok_or_else(|| bad("a header ends too early"))?;
        Ok(())
    }

    fn byte(&mut self) -> Result<u8> {
        let first = self.bytes.first().copied();
        self.take(1)?;
        Ok(first.unwrap_or_default())
    }

    fn varint(&mut self) -> Result<u64> {
        let mut out = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            out |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(out);
            }
        }
        Err(bad("a number in a header is too long"))
    }

    fn number(&mut self) -> Result<i64> {
        let n = self.varint()?;
        Ok((n >> 1).cast_signed() ^ -((n & 1).cast_signed()))
    }

    /// The number and the type of a list's elements.
    fn list(&mut self) -> Result<(u64, u8)> {
        let head = self.byte()?;
        let size = if head >> 4 == 15 { self.varint()? } else { u64::from(head >> 4) };
        if size > self.bytes.len() as u64 {
            return Err(bad("a list in a header is longer than the header"));
        }
        Ok((size, head & 15))
    }

    /// The fields of a struct, each by its number and its type; `each` reads or skips its value.
    fn fields(&mut self, mut each: impl FnMut(&mut Self, i64, u8) -> Result<()>) -> Result<()> {
        let mut field = 0;
        loop {
            let head = self.byte()?;
            if head == 0 {
                return Ok(());
            }
            field = if head >> 4 == 0 { self.number()? } else { field + i64::from(head >> 4) };
            each(self, field, head & 15)?;
        }
    }

    fn skip(&mut self, kind: u8, depth: usize) -> Result<()> {
        if depth > DEPTH {
            return Err(bad("a header nests too deep"));
        }
        match kind {
            1 | 2 => Ok(()),
            3 => self.take(1),
            4..=6 => self.varint().map(|_| ()),
            7 => self.take(8),
            8 => self.varint().and_then(|n| self.take(n)),
            9 | 10 => {
                let (size, kind) = self.list()?;
                for _ in 0..size {
                    // in a list a truth value is a byte
                    if matches!(kind, 1 | 2) { self.take(1)? } else { self.skip(kind, depth + 1)? }
                }
                Ok(())
            }
            12 => self.fields(|c, _, kind| c.skip(kind, depth + 1)),
            13 => self.take(16),
            other => Err(bad(format!("a header has a field of the type {other}"))),
        }
    }
}
