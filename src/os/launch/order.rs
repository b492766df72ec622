//! What is to be started, as the server orders it.

use crate::program::Arguments;

/// A program, and what it alone gets.
#[derive(Debug, Default)]
pub struct Order<'a> {
    /// The file to execute, if its path is known. Else what the first argument means in PATH.
    pub file: Option<&'a [u8]>,
    /// The program's arguments.
    pub arguments: Arguments,
    /// Variables that it gets besides those that all programs get, each `NAME=value`.
    pub variables: Vec<String>,
}
