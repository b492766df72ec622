//! An order to start a program.

use crate::program::Arguments;

/// A program, and its own variables.
#[derive(Debug, Default)]
pub struct Order<'a> {
    /// The file to execute, if its path is known. Otherwise the first argument is searched in PATH.
    pub file: Option<&'a [u8]>,
    /// The program's arguments.
    pub arguments: Arguments,
    /// Variables besides those of all programs, each `NAME=value`.
    pub variables: Vec<String>,
}
