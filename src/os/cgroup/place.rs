//! The cgroup below which the server makes those of jobs.
//!
//! With `--cgroup` it is that directory. Otherwise it is the part of the hierarchy that the
//! service manager has delegated to the server: systemd marks it (`user.delegate`, see "Control
//! Group APIs and Delegation" in systemd's documentation), and with `DelegateSubgroup=server` it has
//! put the server one level below.

use std::ffi::CString;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use nix::sys::statfs::{FsType, statfs};

/// The cgroup of the server itself, below the one that was delegated.
pub(super) const OWN: &str = "server";

/// The file system of cgroups, version 2 (statfs(2)).
const CGROUP2: FsType = FsType(libc::CGROUP2_SUPER_MAGIC);

/// Where cgroups of jobs are made.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The directory.
    pub(super) directory: PathBuf,
    /// The server's own process is in it, and must leave it: only cgroups without processes can
    /// give controllers to those below them.
    pub(super) holds_us: bool,
}

impl Place {
    /// # Errors
    ///
    /// Why there is none, and the remedy.
    pub(super) fn find(given: Option<&Path>) -> Result<Self, String> {
        let place = match given {
            Some(directory) => Self {
                directory: directory.to_owned(),
                holds_us: false,
            },
            None => Self::delegated()?,
        };
        match statfs(&place.directory) {
            Ok(system) if system.filesystem_type() == CGROUP2 => Ok(place),
            Ok(_) => Err(format!(
                "{} is not in a cgroup2 file system",
                place.directory.display()
            )),
            Err(errno) => Err(format!("{}: {}", place.directory.display(), errno.desc())),
        }
    }

    fn delegated() -> Result<Self, String> {
        const REMEDY: &str = "set Delegate=yes in the unit, or name a directory with --cgroup";
        let own = own().ok_or_else(|| format!("there is no cgroup2 file system; {REMEDY}"))?;
        if own.ends_with(OWN) {
            if let Some(parent) = own.parent().filter(|parent| is_delegated(parent)) {
                return Ok(Self {
                    directory: parent.to_owned(),
                    holds_us: false,
                });
            }
        }
        match is_delegated(&own) {
            true => Ok(Self {
                directory: own,
                holds_us: true,
            }),
            false => Err(format!(
                "the server's cgroup {} is not delegated to it; {REMEDY}",
                own.display()
            )),
        }
    }
}

/// The server's cgroup.
fn own() -> Option<PathBuf> {
    let cgroups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    directory(&cgroups, &mounts)
}

/// The directory of the process with this `/proc/self/cgroup` and `/proc/self/mountinfo`
/// (cgroups(7), proc_pid_mountinfo(5)).
fn directory(cgroups: &str, mounts: &str) -> Option<PathBuf> {
    let path = cgroups.lines().find_map(|line| line.strip_prefix("0::"))?;
    mounts.lines().find_map(|line| {
        let (mount, kind) = line.split_once(" - ")?;
        if !kind.starts_with("cgroup2 ") {
            return None;
        }
        let mut fields = mount.split(' ').skip(3);
        let (root, point) = (fields.next()?, fields.next()?);
        let below = Path::new(path).strip_prefix(root).ok()?;
        // What lies outside of the namespace of cgroups begins so.
        (!below.starts_with("..")).then(|| Path::new(point).join(below))
    })
}

/// Whether the service manager has marked this cgroup as the server's.
fn is_delegated(directory: &Path) -> bool {
    let Ok(path) = CString::new(directory.as_os_str().as_bytes()) else {
        return false;
    };
    [c"user.delegate", c"trusted.delegate"].iter().any(|name| {
        let mut value = [0_u8; 4];
        // SAFETY: both strings end with NUL, and there is room for this number of bytes.
        let length = unsafe {
            libc::getxattr(
                path.as_ptr(),
                name.as_ptr(),
                value.as_mut_ptr().cast(),
                value.len(),
            )
        };
        length == 1 && value[0] == b'1'
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
37 31 0:34 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd
38 31 0:35 / /sys/fs/cgroup/unified rw,relatime shared:4 - cgroup2 cgroup2 rw
";

    #[test]
    fn the_own_cgroup_is_found_on_its_mount() {
        let find = |cgroups: &str, mounts: &str| {
            let found = directory(cgroups, mounts)?;
            Some(found.to_string_lossy().into_owned())
        };
        let unit = "9:name=systemd:/x\n0::/system.slice/sockexec.service/server\n";
        assert_eq!(
            find(unit, MOUNTS).as_deref(),
            Some("/sys/fs/cgroup/unified/system.slice/sockexec.service/server")
        );
        // In a container a part of the hierarchy is mounted.
        let part = "38 31 0:35 /system.slice /c rw - cgroup2 cgroup2 rw\n";
        assert_eq!(
            find(unit, part).as_deref(),
            Some("/c/sockexec.service/server")
        );
        let other = "38 31 0:35 /user.slice /c rw - cgroup2 cgroup2 rw\n";
        assert_eq!(find(unit, other), None);
        assert_eq!(find("0::/../other\n", MOUNTS), None);
        assert_eq!(find("1:cpu:/\n", MOUNTS), None);
        assert_eq!(find(unit, "31 23 0:28 / / rw - ext4 x rw\n"), None);
    }

    #[test]
    fn a_directory_elsewhere_is_refused_by_its_name() {
        let error = Place::find(Some(Path::new("/proc"))).unwrap_err();
        assert_eq!(error, "/proc is not in a cgroup2 file system");
        let error = Place::find(Some(Path::new("/no such"))).unwrap_err();
        assert_eq!(error, "/no such: No such file or directory");
    }
}
