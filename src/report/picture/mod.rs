//! The pictures of a replay for a terminal: the same as in the report, in characters.

mod bars;
mod heat_map;
mod timeline;

pub use heat_map::heat_map;
pub use timeline::timeline;

/// Narrower than this nothing can be told apart.
const NARROW: usize = 40;
/// Wider than this nobody follows a row with the eye.
const WIDE: usize = 220;
