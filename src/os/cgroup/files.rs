//! The files of a cgroup, which the kernel makes: small texts, read and written whole.

use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;
use nix::sys::uio::{pread, pwrite};

/// The largest file that is read: `cgroup.procs` of a job with some thousand processes.
const READ_MAX: usize = 1 << 20;

/// What is needed of a small file, which is the beginning of it.
const SMALL_MAX: usize = 1024;

/// Opens a file below `directory`.
pub(super) fn open(directory: impl AsFd, name: &str, flags: OFlag) -> Result<OwnedFd, Errno> {
    let name = CString::new(name).map_err(|_| Errno::EINVAL)?;
    openat(
        directory.as_fd(),
        name.as_c_str(),
        flags | OFlag::O_CLOEXEC,
        Mode::empty(),
    )
}

/// The content of a file of the cgroup whose directory this is.
pub(super) fn read(directory: impl AsFd, name: &str) -> Result<String, Errno> {
    let file = open(directory, name, OFlag::O_RDONLY)?;
    let mut content = vec![0; 512];
    let mut length = 0;
    loop {
        match nix::unistd::read(&file, &mut content[length..])? {
            0 => break,
            n => length += n,
        }
        if length == content.len() {
            if length >= READ_MAX {
                break;
            }
            content.resize(2 * length, 0);
        }
    }
    content.truncate(length);
    Ok(String::from_utf8_lossy(&content).into_owned())
}

/// The numbers behind these keys in an open file, from its beginning: one call, and no memory.
pub(super) fn values<const N: usize>(
    file: impl AsFd,
    keys: [&str; N],
) -> Result<[Option<u64>; N], Errno> {
    let mut buffer = [0; SMALL_MAX];
    let length = pread(file, &mut buffer, 0)?;
    let content = std::str::from_utf8(&buffer[..length]).unwrap_or_default();
    Ok(keys.map(|key| value(content, key)))
}

/// Writes a value to an open file.
pub(super) fn put(file: impl AsFd, value: &str) -> Result<(), Errno> {
    pwrite(file, value.as_bytes(), 0).map(drop)
}

/// Writes a value to a file of the cgroup whose directory this is.
pub(super) fn write(directory: impl AsFd, name: &str, value: &str) -> Result<(), Errno> {
    let file = open(directory, name, OFlag::O_WRONLY)?;
    nix::unistd::write(&file, value.as_bytes()).map(drop)
}

/// The number behind a key in a file of lines such as `populated 0`.
pub(super) fn value(content: &str, key: &str) -> Option<u64> {
    let mut lines = content.lines();
    lines.find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_that_of_the_whole_key() {
        let events = "populated 1\nfrozen 0\n";
        assert_eq!(value(events, "populated"), Some(1));
        assert_eq!(value(events, "frozen"), Some(0));
        for other in ["popul", "x", ""] {
            assert_eq!(value(events, other), None, "{other}");
        }
        assert_eq!(value("oom 2\noom_kill 3\n", "oom"), Some(2));
    }

    #[test]
    fn a_file_is_read_whole() {
        let directory = std::fs::File::open("/proc").unwrap();
        let mounts = read(&directory, "self/mountinfo").unwrap();
        assert!(mounts.lines().count() > 0 && mounts.ends_with('\n'));
        assert_eq!(read(&directory, "no such"), Err(Errno::ENOENT));
    }
}
