//! Names of users and groups, as the system's databases have them.

use nix::errno::Errno;
use nix::unistd::{Group, User};

/// The number of the user of this name, if there is one.
///
/// # Errors
///
/// When the database does not answer.
pub fn user(name: &str) -> Result<Option<u32>, Errno> {
    absent(User::from_name(name)).map(|found| found.map(|user| user.uid.as_raw()))
}

/// The number of the group of this name, if there is one.
///
/// # Errors
///
/// When the database does not answer.
pub fn group(name: &str) -> Result<Option<u32>, Errno> {
    absent(Group::from_name(name)).map(|found| found.map(|group| group.gid.as_raw()))
}

/// getpwnam(3) lists errors that some databases return for an unknown name.
fn absent<T>(found: Result<Option<T>, Errno>) -> Result<Option<T>, Errno> {
    match found {
        Err(Errno::ENOENT | Errno::ESRCH | Errno::EBADF | Errno::EPERM) => Ok(None),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_numbers() {
        assert_eq!((user("root"), group("root")), (Ok(Some(0)), Ok(Some(0))));
        for name in ["no such user", "", "ro\0ot", "0"] {
            assert_eq!((user(name), group(name)), (Ok(None), Ok(None)), "{name}");
        }
    }
}
