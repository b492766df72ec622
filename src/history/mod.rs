//! What has happened: the last entries of a series, by number, and totals by group. All of it is
//! bounded, whatever clients do.
//!
//! Pure: plain values. The server decides which entries and groups there are.
//!
//! | file | content |
//! |---|---|
//! | `ring` | the last entries, each with a number |
//! | `groups` | totals of many groups, of which only the largest are kept apart |

mod groups;
mod ring;

pub use self::groups::{Groups, Ranked, Ranking, Tally};
pub use self::ring::Ring;
