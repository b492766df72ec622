//! Users and groups, as the system's databases have them.
//!
//! These functions may wait for a directory service. So nothing calls them while the server
//! serves, except when it reads its configuration.

pub mod answer;
pub mod names;
pub mod question;

use std::ffi::CString;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;

use nix::errno::Errno;
use nix::unistd::{Gid, Group, Uid, User, getgrouplist};

use crate::execution::Account;

/// Where the numbers of users are divided into those of the system and those of people.
const LOGIN_DEFS: &str = "/etc/login.defs";

/// The first number of a person where that file does not say.
const UID_MIN_DEFAULT: u32 = 1000;

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

/// The account of this name, if there is one, with its groups as initgroups(3) sets them.
///
/// # Errors
///
/// When the databases do not answer, or it has more groups than a process may have.
pub fn account(name: &str) -> Result<Option<Account>, Errno> {
    complete(absent(User::from_name(name))?)
}

/// The account of the user with this number, if there is one.
///
/// # Errors
///
/// As for [`account`].
pub fn account_of(uid: u32) -> Result<Option<Account>, Errno> {
    complete(absent(User::from_uid(Uid::from_raw(uid)))?)
}

fn complete(user: Option<User>) -> Result<Option<Account>, Errno> {
    let Some(user) = user else {
        return Ok(None);
    };
    let name = CString::new(user.name.as_bytes()).map_err(|_| Errno::EINVAL)?;
    let groups = getgrouplist(&name, user.gid)?;
    Ok(Some(Account {
        name: user.name,
        uid: user.uid.as_raw(),
        gid: user.gid.as_raw(),
        groups: groups.into_iter().map(Gid::as_raw).collect(),
        home: user.dir.as_os_str().as_bytes().to_vec(),
        shell: user.shell.as_os_str().as_bytes().to_vec(),
    }))
}

/// The first number of a person: smaller ones are users of the system.
pub fn uid_min() -> u32 {
    let text = fs::read_to_string(LOGIN_DEFS).unwrap_or_default();
    uid_min_in(&text).unwrap_or(UID_MIN_DEFAULT)
}

/// `UID_MIN` in a text as login.defs(5) describes it.
fn uid_min_in(text: &str) -> Option<u32> {
    text.lines().find_map(|line| {
        let value = line.trim_start().strip_prefix("UID_MIN")?;
        let value = value.strip_prefix([' ', '\t'])?;
        value.split_whitespace().next()?.parse().ok()
    })
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

    #[test]
    fn an_account_has_its_groups_home_and_shell() {
        let root = account("root").unwrap().unwrap();
        assert_eq!((root.uid, root.gid), (0, 0));
        assert_eq!(root.home, b"/root");
        assert!(root.groups.contains(&0), "{root:?}");
        assert_eq!(account_of(0), Ok(Some(root)));
        for name in ["no such user", "", "ro\0ot", "0"] {
            assert_eq!(account(name), Ok(None), "{name}");
        }
        // The number that means "no user" belongs to nobody.
        assert_eq!(account_of(u32::MAX), Ok(None));
    }

    #[test]
    fn an_account_has_the_groups_of_a_process_of_its_user() {
        let text = fs::read_to_string("/etc/group").unwrap();
        let lists = text.lines().filter_map(|line| {
            let mut fields = line.split(':').skip(2);
            let gid: u32 = fields.next()?.parse().ok()?;
            Some((gid, fields.next()?.split(',').collect::<Vec<_>>()))
        });
        let lists: Vec<_> = lists.collect();
        for name in ["root", "daemon", "www-data", "nobody"] {
            let Ok(Some(account)) = account(name) else {
                continue;
            };
            let member = lists.iter().filter(|(_, users)| users.contains(&name));
            for gid in member.map(|(gid, _)| *gid).chain([account.gid]) {
                assert!(account.groups.contains(&gid), "{name} {gid}");
            }
        }
    }

    #[test]
    fn people_begin_where_login_defs_says() {
        for (text, expected) in [
            ("UID_MIN\t\t\t 500\n", Some(500)),
            (
                "# UID_MIN 1\nSYS_UID_MIN 100\n  UID_MIN 2000 # people\n",
                Some(2000),
            ),
            ("UID_MINIMUM 3\n", None),
            ("UID_MIN\n", None),
            ("UID_MIN many\nUID_MAX 6000\n", None),
            ("", None),
        ] {
            assert_eq!(uid_min_in(text), expected, "{text:?}");
        }
        assert!(uid_min() > 0);
    }
}
