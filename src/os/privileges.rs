//! The privileges of the server's own process: few, and for itself alone.
//!
//! To run programs as other users, and to end those, a server of an ordinary user needs three
//! capabilities (`FOR_JOBS`). Its service manager gives them to it, or root starts it and
//! [`become_user`] keeps just these. Programs never have them.

use std::fs;
use std::io;
use std::path::Path;
use std::ptr;

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::sys::prctl;
use nix::unistd::{AccessFlags, Gid, Uid, faccessat, setgroups, setresgid, setresuid};

use crate::execution::Account;
use crate::os::memory;

/// What a server needs to run programs as other users.
const FOR_JOBS: [(u32, &str); 3] = [(7, "CAP_SETUID"), (6, "CAP_SETGID"), (5, "CAP_KILL")];

/// `_LINUX_CAPABILITY_VERSION_3`: sets of 64 bits, in two words.
pub(in crate::os) const VERSION_3: u32 = 0x2008_0522;

/// Where the kernel has the visibility of a process that has changed its user.
const SUID_DUMPABLE: &str = "/proc/sys/fs/suid_dumpable";

const fn bit(capability: u32) -> u64 {
    1 << capability
}

/// The bits of [`FOR_JOBS`].
fn for_jobs() -> u64 {
    FOR_JOBS.iter().fold(0, |all, (one, _)| all | bit(*one))
}

/// The sets of capabilities of this process, as bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Capabilities {
    effective: u64,
    permitted: u64,
    inheritable: u64,
}

impl Capabilities {
    fn own() -> Result<Self, Errno> {
        let header = [VERSION_3, 0];
        let mut words = [0_u32; 6];
        // SAFETY: a header, and room for the six words of its version.
        let result = unsafe {
            libc::syscall(
                libc::SYS_capget,
                ptr::from_ref(&header),
                ptr::from_mut(&mut words),
            )
        };
        Errno::result(result)?;
        let set = |index: usize| u64::from(words[index + 3]) << 32 | u64::from(words[index]);
        Ok(Self {
            effective: set(0),
            permitted: set(1),
            inheritable: set(2),
        })
    }

    /// Makes them those of this process. The ambient set loses what is no longer inheritable.
    fn set_own(self) -> Result<(), Errno> {
        let header = [VERSION_3, 0];
        let sets = [self.effective, self.permitted, self.inheritable];
        let mut words = [0_u32; 6];
        for (index, set) in sets.into_iter().enumerate() {
            words[index] = set as u32;
            words[index + 3] = (set >> 32) as u32;
        }
        // SAFETY: a header, and the six words of its version.
        let result = unsafe {
            libc::syscall(
                libc::SYS_capset,
                ptr::from_ref(&header),
                ptr::from_ref(&words),
            )
        };
        Errno::result(result).map(drop)
    }
}

/// The bounding set of this process, as bits.
fn bounding() -> u64 {
    let is_there = |capability: &u32| {
        // SAFETY: a number.
        let result = unsafe { libc::prctl(libc::PR_CAPBSET_READ, *capability, 0, 0, 0) };
        result == 1
    };
    (0..64).filter(is_there).fold(0, |all, one| all | bit(one))
}

/// Whether this process is root's.
pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// Whether this process may remove a file that is its user's.
pub fn may_remove(file: &Path) -> bool {
    let directory = file.parent().filter(|d| !d.as_os_str().is_empty());
    let directory = directory.unwrap_or(Path::new("."));
    let mode = AccessFlags::W_OK | AccessFlags::X_OK;
    faccessat(AT_FDCWD, directory, mode, AtFlags::AT_EACCESS).is_ok()
}

/// Keeps programs from inheriting the capabilities that the server has for itself: those of a
/// unit's `AmbientCapabilities=` would reach each program of the server's own user, and with
/// them it could become root.
///
/// # Errors
///
/// When the system refuses.
pub fn keep_from_programs() -> io::Result<()> {
    let mut own = Capabilities::own()?;
    if own.inheritable & for_jobs() == 0 {
        return Ok(());
    }
    own.inheritable &= !for_jobs();
    match own.set_own() {
        // Newer versions of systemd fill the inheritable set of each unit from its bounding set, also
        // where its sandbox refuses this call. No program inherits what is not permitted here.
        Err(Errno::EPERM) if own.permitted & for_jobs() == 0 => Ok(()),
        result => Ok(result?),
    }
}

/// Whether programs can run as other users.
///
/// # Errors
///
/// Why they cannot, and the remedy.
pub fn check_change_of_user() -> Result<(), String> {
    let effective = Capabilities::own().map_or(0, |own| own.effective);
    let missing = FOR_JOBS
        .iter()
        .filter(|(one, _)| effective & bit(*one) == 0);
    let missing: Vec<_> = missing.map(|(_, name)| *name).collect();
    if !missing.is_empty() {
        return Err(format!(
            "run-as needs capabilities that the server does not have: {}; its unit gives them with \
             AmbientCapabilities=CAP_SETUID CAP_SETGID CAP_KILL, or root starts it with --user NAME",
            missing.join(", ")
        ));
    }
    check_dumpable(&fs::read_to_string(SUID_DUMPABLE).unwrap_or_default())
}

/// A process that changes its user gets this visibility, and with it the memory of the server,
/// which it still shares.
fn check_dumpable(value: &str) -> Result<(), String> {
    match value.trim() {
        "1" => Err(format!(
            "run-as is not safe while {SUID_DUMPABLE} is 1: other programs could read the server's \
             memory; with 0 or 2 they cannot"
        )),
        _ => Ok(()),
    }
}

/// Makes this process, which is root's, one of this user, for good: with its groups, and
/// with no capabilities but those for jobs, which nothing that it executes can exceed.
///
/// # Errors
///
/// When it is not root's, or the system refuses. The process must end then.
pub fn become_user(account: &Account) -> io::Result<()> {
    if !is_root() {
        let text = "only root can change its user";
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, text));
    }
    let kept = Capabilities::own()?.permitted & for_jobs();
    limit_bounding(kept)?;
    let groups: Vec<_> = account.groups.iter().copied().map(Gid::from_raw).collect();
    let (uid, gid) = (Uid::from_raw(account.uid), Gid::from_raw(account.gid));
    setgroups(&groups)?;
    setresgid(gid, gid, gid)?;
    prctl::set_keepcaps(true)?;
    setresuid(uid, uid, uid)?;
    prctl::set_keepcaps(false)?;
    let wanted = Capabilities {
        effective: kept,
        permitted: kept,
        inheritable: 0,
    };
    wanted.set_own()?;
    memory::hide()?;
    let users = nix::unistd::getresuid()?;
    let is_user = [users.real, users.effective, users.saved] == [uid; 3];
    match is_user && Capabilities::own()? == wanted && bounding() == kept {
        true => Ok(()),
        false => Err(io::Error::other("privileges are left")),
    }
}

/// Drops everything else from the bounding set.
fn limit_bounding(kept: u64) -> Result<(), Errno> {
    let others = bounding() & !kept;
    for capability in (0..64).filter(|one| others & bit(*one) != 0) {
        // SAFETY: a number.
        Errno::result(unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_visibility_that_others_could_use_is_refused() {
        for value in ["0\n", "2\n", ""] {
            assert_eq!(check_dumpable(value), Ok(()));
        }
        let refused = check_dumpable("1\n").unwrap_err();
        assert!(refused.contains("fs/suid_dumpable is 1"), "{refused}");
    }

    #[test]
    fn the_sets_are_those_in_the_status() {
        let own = Capabilities::own().unwrap();
        let status = fs::read_to_string("/proc/thread-self/status").unwrap();
        for (name, set) in [
            ("CapEff", own.effective),
            ("CapPrm", own.permitted),
            ("CapInh", own.inheritable),
            ("CapBnd", bounding()),
        ] {
            let line = format!("{name}:\t{set:016x}\n");
            assert!(status.contains(&line), "{line}{status}");
        }
        // What a process has it may set.
        assert_eq!(own.set_own(), Ok(()));
        assert_eq!(Capabilities::own(), Ok(own));
    }
}
