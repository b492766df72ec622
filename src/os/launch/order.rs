//! An order to start a program.

use std::os::fd::BorrowedFd;
use std::rc::Rc;

use crate::execution::{Account, Execution};
use crate::program::Arguments;

/// A program, and its own variables.
#[derive(Debug)]
pub struct Order<'a> {
    /// The file to execute, if its path is known. Otherwise the first argument is searched in PATH.
    pub file: Option<&'a [u8]>,
    /// The program's arguments.
    pub arguments: Arguments,
    /// Variables besides those of all programs, each `NAME=value`.
    pub variables: Vec<String>,
    /// How it is executed.
    pub execution: &'a Rc<Execution>,
    /// The user as which it runs, where it is not the server's.
    pub account: Option<&'a Rc<Account>>,
    /// The directory of the cgroup in which it starts, where that is not the server's.
    pub cgroup: Option<BorrowedFd<'a>>,
}
