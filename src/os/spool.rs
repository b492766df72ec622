//! Output that does not fit into memory: a temporary file without a name, filled at its end
//! and sent from anywhere.
//!
//! No other process can open it, and it disappears with its descriptor, however this process
//! ends.

use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;

use nix::errno::Errno;
use nix::sys::sendfile::sendfile64;

/// A file that only its owner knows.
#[derive(Debug)]
pub struct Spool {
    file: File,
    len: u64,
}

impl Spool {
    /// An empty one, in the directory that `TMPDIR` names, else in `/tmp`.
    ///
    /// # Errors
    ///
    /// When no file can be made there.
    pub fn new() -> io::Result<Self> {
        let file = open_in(&std::env::temp_dir())?;
        Ok(Self { file, len: 0 })
    }

    /// Adds all of `bytes` at the end, or nothing.
    ///
    /// # Errors
    ///
    /// When there is no space (ENOSPC, EDQUOT, EFBIG), or the file cannot be written to.
    pub fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        // At a fixed offset: the rest of a failed attempt is overwritten.
        self.file.write_all_at(bytes, self.len)?;
        self.len += bytes.len() as u64;
        Ok(())
    }

    /// The number of bytes in it.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether it is empty.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Sends at most `most` bytes from `offset` on to `socket`, which does not block.
    /// Returns how many have gone: 0 only at the end, or for a `most` of 0.
    ///
    /// # Errors
    ///
    /// EAGAIN when the socket is full, EPIPE or ECONNRESET when the peer has gone, EIO when
    /// the file cannot be read. SIGPIPE must be ignored.
    pub fn send_to(
        &self,
        socket: BorrowedFd<'_>,
        offset: u64,
        most: usize,
    ) -> Result<usize, Errno> {
        let left = usize::try_from(self.len.saturating_sub(offset)).unwrap_or(usize::MAX);
        let mut place = libc::off64_t::try_from(offset).map_err(|_| Errno::EOVERFLOW)?;
        sendfile64(socket, &self.file, Some(&mut place), most.min(left))
    }
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    options
}

fn open_in(directory: &Path) -> io::Result<File> {
    // With O_EXCL it can never get a name.
    let flags = libc::O_TMPFILE | libc::O_EXCL;
    match options().custom_flags(flags).open(directory) {
        Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => open_unlinked(directory),
        result => result,
    }
}

/// For file systems on which every file begins with a name.
fn open_unlinked(directory: &Path) -> io::Result<File> {
    loop {
        let name = format!(".sockexec-{:016x}", RandomState::new().hash_one(()));
        let path = directory.join(name);
        match options().create_new(true).open(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
            Ok(file) => {
                fs::remove_file(&path)?;
                return Ok(file);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::fcntl::{FcntlArg, FdFlag, fcntl};
    use std::io::Read as _;
    use std::os::fd::AsFd as _;
    use std::os::unix::fs::MetadataExt as _;
    use std::os::unix::net::UnixStream;
    use std::path::PathBuf;

    /// Bytes that are nowhere the same for long.
    fn pattern(n: usize) -> Vec<u8> {
        (0..n).map(|i| (i * 7 + i / 251) as u8).collect()
    }

    fn directory(name: &str) -> PathBuf {
        let name = format!("sockexec-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        path
    }

    #[test]
    fn has_no_name_and_belongs_to_nobody_else() {
        let directory = directory("spool");
        for open in [open_in, open_unlinked] {
            let file = open(&directory).unwrap();
            let metadata = file.metadata().unwrap();
            assert_eq!((metadata.nlink(), metadata.mode() & 0o7777), (0, 0o600));
            assert_eq!(fs::read_dir(&directory).unwrap().count(), 0);
            let flags = fcntl(file.as_fd(), FcntlArg::F_GETFD).unwrap();
            assert_eq!(flags & FdFlag::FD_CLOEXEC.bits(), FdFlag::FD_CLOEXEC.bits());
        }
        fs::remove_dir(&directory).unwrap();
        let missing = open_in(&directory).unwrap_err();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_full_socket_takes_the_rest_later() {
        let bytes = pattern(3_000_000);
        let mut spool = Spool::new().unwrap();
        assert!(spool.is_empty());
        for piece in bytes.chunks(70_000) {
            spool.append(piece).unwrap();
        }
        assert_eq!(spool.len(), 3_000_000);
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let (mut offset, mut received, mut refused) = (10, Vec::new(), 0);
        while offset < spool.len() {
            match spool.send_to(ours.as_fd(), offset, 1_000_000) {
                Ok(n) => {
                    assert!((1..=1_000_000).contains(&n));
                    offset += n as u64;
                }
                Err(errno) => {
                    assert_eq!(errno, Errno::EAGAIN);
                    refused += 1;
                    let mut some = vec![0; 50_000];
                    theirs.read_exact(&mut some).unwrap();
                    received.append(&mut some);
                }
            }
        }
        assert!(refused > 0);
        assert_eq!(spool.send_to(ours.as_fd(), offset, 1), Ok(0));
        assert_eq!(spool.send_to(ours.as_fd(), 0, 0), Ok(0));
        drop(ours);
        theirs.read_to_end(&mut received).unwrap();
        assert!(received == bytes[10..]);
    }

    #[test]
    fn a_peer_that_has_gone_is_an_error() {
        let mut spool = Spool::new().unwrap();
        spool.append(b"x").unwrap();
        let (ours, theirs) = UnixStream::pair().unwrap();
        drop(theirs);
        // The runtime of Rust ignores SIGPIPE, as the server does.
        assert_eq!(spool.send_to(ours.as_fd(), 0, 1), Err(Errno::EPIPE));
    }

    #[test]
    fn a_full_disk_is_an_error_and_changes_nothing() {
        let mut spool = Spool::new().unwrap();
        spool.append(b"before").unwrap();
        let full = options().open("/dev/full").unwrap();
        let file = std::mem::replace(&mut spool.file, full);
        let error = spool.append(b"lost").unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENOSPC));
        spool.file = file;
        assert_eq!(spool.len(), 6);
    }
}
