//! The errors of the system, as text for people.

use std::fmt::Display;

use crate::program::without_number;

/// The text of an error without its number.
pub fn reason(error: impl Display) -> String {
    without_number(&error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Error;

    #[test]
    fn a_reason_has_no_number() {
        let missing = Error::from_raw_os_error(libc::ENOENT);
        assert_eq!(reason(missing), "No such file or directory");
        assert_eq!(reason(Error::other("not a socket")), "not a socket");
    }
}
