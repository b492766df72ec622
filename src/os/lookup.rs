//! Which file a program's name means, so that it can be compared with the rules.
//!
//! The answer is exact: an absolute path without `.`, `..` and doubled slashes, and it is
//! that path which is then run. It is found without looking at any path that a client
//! chose, since one on a file system that hangs would stop the server: only the directories
//! of PATH and those of the system are looked at. A name with a slash is read, not looked at.
//!
//! ```text
//!   uname                the first in the directories of PATH that can be run
//!   /bin//./uname        /bin/uname
//!   bin/job              /srv/app/bin/job, for a server that was started in /srv/app
//!   /bin/uname           /usr/bin/uname, where /bin leads to /usr/bin
//!   /tools/uname         /opt/bin/uname, where PATH has /tools and that leads to /opt/bin
//!   /usr/../bin/uname    refused
//! ```

use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::sys::stat::{SFlag, stat};
use nix::unistd::{AccessFlags, faccessat};

/// The longest path that the kernel takes, in bytes and with its NUL.
const PATH_MAX: usize = libc::PATH_MAX as usize;

/// Directories of the system that may be links. A PATH need not have them: systemd's has none of the
/// first two where they lead to others.
const SYSTEM: [&[u8]; 3] = [b"/bin", b"/sbin", b"/usr/sbin"];

/// Why a name means no file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LookupError {
    /// Nothing of that name can be run; the error is that of execvp(3).
    System(Errno),
    /// The name has a component `..`: its target is unknown without access to files.
    Upwards,
}

/// Where programs are, as it was when this was made.
#[derive(Debug)]
pub struct Lookup {
    /// The directories of PATH, without symbolic links where they are there.
    directories: Vec<Vec<u8>>,
    /// The links in PATH and of the system, and their targets; the longest first.
    aliases: Vec<(Vec<u8>, Vec<u8>)>,
    /// The working directory, if it is known.
    here: Option<Vec<u8>>,
}

impl Lookup {
    /// For these directories with colons between, of which an empty one stands for `here`,
    /// the server's working directory. Without that, relative names mean nothing.
    pub fn new(path: &[u8], here: Option<&Path>) -> Self {
        let here = here
            .map(|here| here.as_os_str().as_bytes().to_vec())
            .filter(|here| here.starts_with(b"/"));
        let mut lookup = Self {
            directories: Vec::new(),
            aliases: Vec::new(),
            here,
        };
        for part in path.split(|&b| b == b':') {
            lookup.learn(part);
        }
        for directory in SYSTEM {
            let target = real(directory).filter(|real| real != directory);
            let alias = target.map(|real| (directory.to_vec(), real));
            lookup.aliases.extend(alias);
        }
        lookup
            .aliases
            .sort_by_key(|(written, _)| std::cmp::Reverse(written.len()));
        lookup
    }

    fn learn(&mut self, directory: &[u8]) {
        let Some(absolute) = self.absolute(directory) else {
            return;
        };
        let written = clean(&absolute).ok();
        match (real(&absolute), written) {
            (Some(real), Some(written)) if real != written => {
                self.directories.push(real.clone());
                self.aliases.push((written, real));
            }
            (Some(real), _) => self.directories.push(real),
            (None, Some(written)) => self.directories.push(written),
            (None, None) => {}
        }
    }

    fn absolute(&self, name: &[u8]) -> Option<Vec<u8>> {
        if name.starts_with(b"/") {
            return Some(name.to_vec());
        }
        let here = self.here.as_deref()?;
        Some([here, b"/", name].concat())
    }

    /// The file that `name` means.
    ///
    /// # Errors
    ///
    /// When a name without a slash is not found, or cannot be run by the server; or when
    /// the name cannot mean a file. Whether a name with a slash is there is not asked.
    pub fn resolve(&self, name: &[u8]) -> Result<Vec<u8>, LookupError> {
        // The kernel takes no longer one, and a client's may be as long as a request.
        if name.len() >= PATH_MAX {
            return Err(LookupError::System(Errno::ENAMETOOLONG));
        }
        if !name.contains(&b'/') {
            return self.search(name).map_err(LookupError::System);
        }
        let absolute = self
            .absolute(name)
            .ok_or(LookupError::System(Errno::ENOENT))?;
        let path = clean(&absolute)?;
        if absolute.ends_with(b"/") || absolute.ends_with(b"/.") {
            return Err(LookupError::System(Errno::EACCES));
        }
        let alias = self.aliases.iter().find_map(|(written, real)| {
            let rest = path.strip_prefix(&written[..])?;
            rest.starts_with(b"/").then_some((real, rest))
        });
        Ok(match alias {
            Some((real, rest)) => join(real, &rest[1..]),
            None => path,
        })
    }

    /// Searches PATH as execvp(3) does.
    fn search(&self, name: &[u8]) -> Result<Vec<u8>, Errno> {
        let mut worst = Errno::ENOENT;
        if name.is_empty() {
            return Err(worst);
        }
        for directory in &self.directories {
            let file = join(directory, name);
            match runs(&file) {
                Ok(true) => return Ok(file),
                Ok(false) => worst = Errno::EACCES,
                Err(
                    Errno::ENOENT
                    | Errno::EACCES
                    | Errno::ENOTDIR
                    | Errno::ENODEV
                    | Errno::ESTALE
                    | Errno::ETIMEDOUT,
                ) => {}
                Err(errno) => return Err(errno),
            }
        }
        Err(worst)
    }
}

/// Whether the path is a file that the server may execute.
fn runs(file: &[u8]) -> Result<bool, Errno> {
    let status = stat(file)?;
    let regular = status.st_mode & SFlag::S_IFMT.bits() == SFlag::S_IFREG.bits();
    if !regular {
        return Ok(false);
    }
    match faccessat(AT_FDCWD, file, AccessFlags::X_OK, AtFlags::AT_EACCESS) {
        Ok(()) => Ok(true),
        Err(Errno::EACCES | Errno::EPERM) => Ok(false),
        Err(errno) => Err(errno),
    }
}

fn join(directory: &[u8], name: &[u8]) -> Vec<u8> {
    if directory == b"/" {
        return [directory, name].concat();
    }
    [directory, b"/", name].concat()
}

/// Drops doubled slashes, a slash at the end, and every `.` from an absolute path.
///
/// # Errors
///
/// When it has a component `..`.
pub fn clean(absolute: &[u8]) -> Result<Vec<u8>, LookupError> {
    let mut path = Vec::with_capacity(absolute.len());
    for component in absolute.split(|&b| b == b'/') {
        match component {
            b"" | b"." => {}
            b".." => return Err(LookupError::Upwards),
            _ => {
                path.push(b'/');
                path.extend_from_slice(component);
            }
        }
    }
    if path.is_empty() {
        path.push(b'/');
    }
    Ok(path)
}

/// The same directory without symbolic links, if it is there.
pub fn real(directory: &[u8]) -> Option<Vec<u8>> {
    let path: PathBuf = Path::new(std::ffi::OsStr::from_bytes(directory))
        .canonicalize()
        .ok()?;
    Some(path.into_os_string().into_encoded_bytes())
}

/// Whether there is a directory of this name, perhaps through a link.
pub fn is_directory(path: &[u8]) -> bool {
    let found = stat(path);
    found.is_ok_and(|found| found.st_mode & SFlag::S_IFMT.bits() == SFlag::S_IFDIR.bits())
}

/// The same file with its directory without symbolic links, if that is there. The file
/// itself is not looked at.
pub fn real_parent(file: &[u8]) -> Option<Vec<u8>> {
    let slash = file.iter().rposition(|&b| b == b'/')?;
    Some(join(&real(&file[..=slash])?, &file[slash + 1..]))
}

#[cfg(test)]
mod tests;
