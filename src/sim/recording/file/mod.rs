//! A recording as a Parquet file, and back: bytes in, bytes out.
//!
//! One row is one answer (of buckets: one bound). Rows stand by series, then by time, so that all columns but numbers are runs; a
//! long series has row groups of its own, whose statistics tell its key without a look at the rows.

mod assemble;
mod buckets;
mod cells;
pub mod columns;
mod decode;
mod encode;
mod guard;

pub use decode::{decode, decode_owned, decode_plan};
pub use encode::{encode, encode_to, encode_with_plan};
