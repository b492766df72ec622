//! Whether other users could change a file, or replace it.
//!
//! The check covers the file, each directory on the path from the root, and each symbolic
//! link with its own path. Root is trusted, because it can change anything, and so is the user
//! of this process: its programs have the same rights, and could stop it or start another one.
//! In a user namespace root may have another number: the owner of the root directory.
//!
//! ```text
//! file          owned by one of them, and neither group nor others may write
//! directory     the same; or it is sticky, as /tmp is, so that others cannot replace files
//!               that they do not own
//! link          owned by one of them
//! ```
//!
//! A program must be safe from the user as which it runs too, and a sticky directory is not safe
//! for it: others could put a program of the wanted name there.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};

use nix::unistd::geteuid;

use crate::os::errors::reason;

/// The maximum number of symbolic links on the path, as in the kernel.
const LINKS_MAX: usize = 40;

/// Why a file is not trusted.
#[derive(Debug)]
pub enum Untrusted {
    /// Another user owns this.
    Owner {
        /// The file, or a directory or link on the path to it.
        path: PathBuf,
        /// The user.
        uid: u32,
        /// The trusted user besides root.
        own: u32,
    },
    /// The user as which a program runs owns this.
    Job {
        /// The program, or a directory or link on the path to it.
        path: PathBuf,
        /// The user.
        uid: u32,
    },
    /// Others than its owner may write to this.
    Mode {
        /// The file, or a directory or link on the path to it.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// Others may add to this directory, and not change what they do not own.
    Sticky {
        /// The directory.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// It could not be looked at.
    System(PathBuf, io::Error),
}

impl fmt::Display for Untrusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Owner { path, uid, own } => {
                let path = path.display();
                write!(f, "others could change it: {path} belongs to user {uid}")?;
                match own {
                    0 => f.write_str(" and not to root"),
                    own => write!(f, " and not to root or to user {own}"),
                }
            }
            Self::Job { path, uid } => {
                let path = path.display();
                write!(
                    f,
                    "it could change itself: {path} belongs to user {uid}, as which it runs"
                )
            }
            Self::Sticky { path, mode } => {
                let path = path.display();
                write!(
                    f,
                    "others could put it there: {path} is writable by others (mode {mode:04o})"
                )
            }
            Self::Mode { path, mode } => {
                let path = path.display();
                let (who, letters) = match mode & 0o022 {
                    0o020 => ("its group", "g"),
                    0o002 => ("every user", "o"),
                    _ => ("every user", "go"),
                };
                write!(
                    f,
                    "others could change it: {path} is writable by {who} (mode {mode:04o}); \
                     chmod {letters}-w ends that"
                )
            }
            Self::System(path, error) => write!(f, "{}: {}", path.display(), reason(error)),
        }
    }
}

/// The users that could change a trusted file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trusted {
    /// Root only.
    Root,
    /// Also the user of this process, and with it all programs that this process runs.
    Own,
}

/// The user of this process.
pub fn own() -> u32 {
    geteuid().as_raw()
}

/// Checks the path to a file, and the file.
///
/// # Errors
///
/// When another user could change the file, and when a part of the path cannot be examined.
pub fn check(file: &Path) -> Result<Trusted, Untrusted> {
    let mut judge = Judge::new(own())?;
    judge.walk(file)?;
    Ok(judge.trusted)
}

/// Checks the path to a program or a directory of programs, and itself. `own` is the server's
/// user, and `job` the user as which the program runs, if it is known.
///
/// # Errors
///
/// When another user or the program itself could change it, and when a part of the path cannot be
/// examined.
pub fn check_program(program: &Path, own: u32, job: Option<u32>) -> Result<(), Untrusted> {
    let judge = Judge::new(own)?;
    let mut judge = Judge {
        job: job.filter(|job| !judge.roots.contains(job)),
        sticky_is_safe: false,
        ..judge
    };
    judge.walk(program)
}

/// Puts the names of a path on a stack, the first on top.
fn push(names: &mut Vec<OsString>, path: &Path) {
    let steps = path.components().rev().filter_map(|step| match step {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        _ => None,
    });
    names.extend(steps);
}

/// The trusted users, and the result so far.
struct Judge {
    /// The users that are root.
    roots: [u32; 2],
    /// The user of the server.
    own: u32,
    /// The user of the program, an untrusted one.
    job: Option<u32>,
    /// Whether everyone may write to a sticky directory.
    sticky_is_safe: bool,
    trusted: Trusted,
}

impl Judge {
    fn new(own: u32) -> Result<Self, Untrusted> {
        Ok(Self {
            roots: [0, look(Path::new("/"))?.uid()],
            own,
            job: None,
            sticky_is_safe: true,
            trusted: Trusted::Root,
        })
    }

    /// Judges a file and all on the way to it.
    fn walk(&mut self, file: &Path) -> Result<(), Untrusted> {
        let root = Path::new("/");
        let mut here = root.to_owned();
        let mut names = Vec::new();
        let mut links = 0;
        push(&mut names, file);
        self.step(root)?;
        while let Some(name) = names.pop() {
            // All links up to here are resolved.
            if name == ".." {
                here.pop();
                continue;
            }
            let next = here.join(name);
            if !self.step(&next)? {
                here = next;
                continue;
            }
            links += 1;
            if links > LINKS_MAX {
                let error = io::Error::from_raw_os_error(libc::ELOOP);
                return Err(Untrusted::System(next, error));
            }
            let target = next
                .read_link()
                .map_err(|error| Untrusted::System(next, error))?;
            if target.is_absolute() {
                here = root.to_owned();
            }
            push(&mut names, &target);
        }
        Ok(())
    }

    /// Judges one thing on the way. Returns whether it is a link, to be followed.
    fn step(&mut self, path: &Path) -> Result<bool, Untrusted> {
        let status = look(path)?;
        let (path, uid) = (path.to_owned(), status.uid());
        if !self.roots.contains(&uid) {
            if self.job == Some(uid) {
                return Err(Untrusted::Job { path, uid });
            }
            let own = self.own;
            if uid != own {
                return Err(Untrusted::Owner { path, uid, own });
            }
            self.trusted = Trusted::Own;
        }
        let mode = status.mode() & 0o7777;
        let sticky = status.is_dir() && mode & libc::S_ISVTX != 0;
        if !status.is_symlink() && mode & 0o022 != 0 {
            match sticky {
                true if self.sticky_is_safe => {}
                true => return Err(Untrusted::Sticky { path, mode }),
                false => return Err(Untrusted::Mode { path, mode }),
            }
        }
        Ok(status.is_symlink())
    }
}

fn look(path: &Path) -> Result<std::fs::Metadata, Untrusted> {
    path.symlink_metadata()
        .map_err(|error| Untrusted::System(path.to_owned(), error))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt as _, chown, symlink};

    use super::*;

    /// A directory with `good/file`, which is gone afterwards.
    struct Place(PathBuf);

    impl Place {
        fn new(name: &str) -> Self {
            let name = format!("sockexec-trusted-{}-{name}", std::process::id());
            let place = Self(std::env::temp_dir().canonicalize().unwrap().join(name));
            fs::create_dir(&place.0).unwrap();
            fs::create_dir(place.0.join("good")).unwrap();
            fs::write(place.0.join("good/file"), "").unwrap();
            for (name, mode) in [("", 0o755), ("good", 0o755), ("good/file", 0o644)] {
                place.chmod(name, mode);
            }
            place
        }

        fn chmod(&self, name: &str, mode: u32) {
            fs::set_permissions(self.0.join(name), Permissions::from_mode(mode)).unwrap();
        }

        /// The error about a file, without the directory's name.
        fn check(&self, name: &str) -> Result<Trusted, String> {
            let strip = |error: Untrusted| {
                let text = error.to_string();
                text.replace(&format!("{}/", self.0.display()), "")
            };
            check(&self.0.join(name)).map_err(strip)
        }
    }

    /// The uid of this user.
    fn own() -> Trusted {
        match geteuid().is_root() {
            true => Trusted::Root,
            false => Trusted::Own,
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn what_only_the_owner_may_write_is_trusted() {
        let place = Place::new("plain");
        for mode in [0o644, 0o600, 0o400, 0o555] {
            place.chmod("good/file", mode);
            assert_eq!(place.check("good/file"), Ok(own()));
        }
        for mode in [0o755, 0o700, 0o1777, 0o1775, 0o2755] {
            place.chmod("good", mode);
            assert_eq!(place.check("good/file"), Ok(own()), "{mode:o}");
        }
        assert_eq!(place.check("good/../good/./file"), Ok(own()));
        let passwd = check(Path::new("/etc/passwd"));
        assert_eq!(passwd.unwrap(), Trusted::Root);
    }

    #[test]
    fn what_others_may_write_is_not() {
        let place = Place::new("modes");
        for (name, mode, text) in [
            (
                "good/file",
                0o664,
                "good/file is writable by its group (mode 0664); chmod g-w",
            ),
            (
                "good/file",
                0o646,
                "good/file is writable by every user (mode 0646); chmod o-w",
            ),
            ("good/file", 0o1666, "good/file is writable by every user"),
            (
                "good",
                0o777,
                "good is writable by every user (mode 0777); chmod go-w ends",
            ),
            ("good", 0o2775, "good is writable by its group (mode 2775)"),
        ] {
            place.chmod(name, mode);
            let error = place.check("good/file").unwrap_err();
            assert!(
                error.starts_with("others could change it: ") && error.contains(text),
                "{error}"
            );
            place.chmod(name, 0o755);
        }
        // Above it too.
        place.chmod("", 0o777);
        assert!(place.check("good/file").is_err());
    }

    #[test]
    fn links_are_followed_on_their_own_way() {
        let place = Place::new("links");
        fs::create_dir(place.0.join("bad")).unwrap();
        for (target, link) in [
            ("good/file", "link"),
            ("../good/file", "bad/link"),
            ("good", "directory"),
            ("bad/link", "through"),
            ("loop", "loop"),
            ("none", "nowhere"),
        ] {
            symlink(target, place.0.join(link)).unwrap();
        }
        symlink(place.0.join("good"), place.0.join("absolute")).unwrap();
        for good in [
            "link",
            "bad/link",
            "directory/file",
            "absolute/file",
            "through",
        ] {
            assert_eq!(place.check(good), Ok(own()), "{good}");
        }
        // Other users could replace the link, although its target is not theirs.
        place.chmod("bad", 0o777);
        for bad in ["bad/link", "through"] {
            let error = place.check(bad).unwrap_err();
            assert!(error.contains("bad is writable by every user"), "{error}");
        }
        assert_eq!(place.check("link"), Ok(own()));
        assert!(place.check("loop").unwrap_err().contains("links"));
        assert!(place.check("nowhere").unwrap_err().contains("No such file"));
    }

    #[test]
    fn what_somebody_else_owns_is_not_trusted() {
        let place = Place::new("owners");
        // Only root can give a file away.
        if !geteuid().is_root() {
            return;
        }
        chown(place.0.join("good/file"), Some(65534), None).unwrap();
        let error = place.check("good/file").unwrap_err();
        let text = "good/file belongs to user 65534 and not to root";
        assert!(error.ends_with(text), "{error}");
        chown(place.0.join("good/file"), Some(0), None).unwrap();
        // Even in /tmp the owner of a directory controls its content.
        place.chmod("good", 0o1777);
        chown(place.0.join("good"), Some(12345), None).unwrap();
        let error = place.check("good/file").unwrap_err();
        assert!(error.contains("good belongs to user 12345"), "{error}");
    }
}
