//! Sockets on which clients come: handed over by systemd, inetd or s6, or bound here.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use listenfd::ListenFd;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, Flock, FlockArg, OFlag};
use nix::libc;
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrStorage, UnixAddr, accept4, bind, connect,
    getsockname, getsockopt, listen, setsockopt, socket, sockopt,
};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{Gid, Uid, fchownat};

use crate::os::descriptors::{copy_to, move_up, open_null, set_nonblocking};
use crate::os::peer;

/// How long to wait for other servers that start in the same directory; each takes microseconds.
pub const LOCK_WAIT: Duration = Duration::from_secs(5);

/// How long to wait before the next attempt.
const LOCK_PAUSE: Duration = Duration::from_millis(5);

/// A socket that came with the process, and the name it was given.
#[derive(Debug)]
pub struct Inherited {
    /// The socket.
    pub socket: OwnedFd,
    /// `FileDescriptorName=` of the unit, if there is one.
    pub name: Option<String>,
    /// Whether it listens. If not, it is a client.
    pub listens: bool,
}

/// Takes the sockets that systemd's protocol of socket activation hands over, and moves
/// them to numbers from `least` on.
///
/// # Errors
///
/// When one of them is no stream socket.
pub fn from_activation(least: RawFd) -> io::Result<Vec<Inherited>> {
    let mut given = ListenFd::from_env();
    let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
    let mut names = names.split(':');
    let mut all = Vec::new();
    for index in 0..given.len() {
        let name = names.next().filter(|name| !name.is_empty());
        let Some(fd) = given.take_raw_fd(index)? else {
            continue;
        };
        is_open(fd)?;
        // SAFETY: the protocol gives this descriptor to this process, it is open, and listenfd
        // has given it away just once.
        let socket = unsafe { OwnedFd::from_raw_fd(fd) };
        let socket = move_up(socket, least)?;
        all.push(inherit(socket, name.map(str::to_owned))?);
    }
    Ok(all)
}

/// An environment that promises a descriptor may have been inherited without it.
fn is_open(fd: RawFd) -> io::Result<()> {
    // SAFETY: fcntl(2) with this command reads a flag of the descriptor, if it is open.
    Errno::result(unsafe { libc::fcntl(fd, libc::F_GETFD) })?;
    Ok(())
}

/// Takes the socket that inetd or s6 passes as descriptor 0, to a number from `least` on.
/// Standard streams that are this socket become `/dev/null`.
///
/// # Errors
///
/// When descriptor 0 is no stream socket.
pub fn from_stdin(least: RawFd) -> io::Result<Inherited> {
    let stdin = io::stdin();
    let socket = move_up(stdin.as_fd().try_clone_to_owned()?, least)?;
    let inherited = inherit(socket, None)?;
    let null = open_null()?;
    let identity = |fd: BorrowedFd<'_>| nix::sys::stat::fstat(fd).map(|s| (s.st_dev, s.st_ino));
    let ours = identity(inherited.socket.as_fd())?;
    let (stdout, stderr) = (io::stdout(), io::stderr());
    for stream in [stdin.as_fd(), stdout.as_fd(), stderr.as_fd()] {
        if identity(stream) == Ok(ours) {
            copy_to(null.as_fd(), stream.as_raw_fd())?;
        }
    }
    Ok(inherited)
}

fn inherit(socket: OwnedFd, name: Option<String>) -> io::Result<Inherited> {
    let wrong = |what: &str| {
        let label = name.as_deref().unwrap_or("without a name");
        io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("the descriptor handed over ({label}) {what}"),
        )
    };
    match getsockopt(&socket, sockopt::SockType) {
        Ok(SockType::Stream) => {}
        Ok(_) => return Err(wrong("is not a stream socket")),
        Err(_) => return Err(wrong("is not a socket")),
    }
    let address: SockaddrStorage = getsockname(socket.as_raw_fd())?;
    if let Some(address) = peer::inet(&address).filter(|address| !address.ip().is_loopback()) {
        return Err(wrong(&format!(
            "is bound to {address}: TCP is served on a loopback address only"
        )));
    }
    let listens = getsockopt(&socket, sockopt::AcceptConn)?;
    set_nonblocking(socket.as_fd())?;
    Ok(Inherited {
        socket,
        name,
        listens,
    })
}

/// Something in the file system that this process has put there: a socket, or the file
/// with its number.
#[derive(Debug)]
pub struct Bound {
    path: PathBuf,
    identity: (u64, u64),
}

impl Bound {
    /// The file with this path, which is absolute, and this identity.
    pub(in crate::os) fn new(path: PathBuf, metadata: &fs::Metadata) -> Self {
        let identity = (metadata.dev(), metadata.ino());
        Self { path, identity }
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Gives it to a user, and to its group, unless the directory gives all its files to one.
    ///
    /// # Errors
    ///
    /// When something else has taken its place, or the system refuses.
    pub fn give_to(&self, uid: u32, gid: u32) -> io::Result<()> {
        let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW;
        let file = fs::OpenOptions::new()
            .read(true)
            .custom_flags(flags.bits())
            .open(&self.path)?;
        let metadata = file.metadata()?;
        if (metadata.dev(), metadata.ino()) != self.identity {
            return Err(io::Error::other("something else has taken its place"));
        }
        let directory = self.path.parent().map(fs::metadata).transpose()?;
        let chosen = directory.is_some_and(|d| d.mode() & libc::S_ISGID != 0);
        let group = (!chosen).then(|| Gid::from_raw(gid));
        let flags = AtFlags::AT_EMPTY_PATH;
        Ok(fchownat(file, "", Some(Uid::from_raw(uid)), group, flags)?)
    }
}

impl Drop for Bound {
    /// Removes it, unless something else has taken its place.
    fn drop(&mut self) {
        if fs::symlink_metadata(&self.path).is_ok_and(|m| (m.dev(), m.ino()) == self.identity) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Listens at `path`, with `mode` from the moment the socket exists, and a queue of at most
/// `queue` connections. Replaces a stale socket, and nothing else. Waits for `patience` at most for
/// other servers that start in the same directory.
///
/// # Errors
///
/// When the path is in use, is no socket or is too long, or the system refuses. The message has the reason.
pub fn listen_at(
    path: &Path,
    mode: u32,
    queue: usize,
    patience: Duration,
) -> io::Result<(OwnedFd, Bound)> {
    let address = UnixAddr::new(path).map_err(|errno| match errno {
        Errno::ENAMETOOLONG => io::Error::new(
            io::ErrorKind::InvalidInput,
            format!(
                "the path has {} bytes, a socket's may have at most 107",
                path.as_os_str().len()
            ),
        ),
        errno => errno.into(),
    })?;
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let new = || socket(AddressFamily::Unix, SockType::Stream, flags, None);
    let fd = new()?;
    // Until it listens, a socket looks stale: servers that start at the same time must not
    // remove each other's.
    let _lock = lock_directory(path, patience)?;
    match bind_with_mode(&fd, &address, mode) {
        Err(Errno::EADDRINUSE) => {
            make_way(path, &address, &new()?)?;
            bind_with_mode(&fd, &address, mode)?;
        }
        Err(Errno::ENOTDIR) => return Err(no_directory(path.parent())),
        result => result?,
    }
    let metadata = fs::symlink_metadata(path)?;
    let bound = Bound::new(std::path::absolute(path)?, &metadata);
    let backlog = i32::try_from(queue).unwrap_or(i32::MAX);
    listen(&fd, Backlog::new(backlog)?)?;
    Ok((fd, bound))
}

fn bind_with_mode(fd: &OwnedFd, address: &UnixAddr, mode: u32) -> Result<(), Errno> {
    // bind(2) makes the file with all permissions less the mask's: no moment in between.
    let before = umask(Mode::from_bits_truncate(!mode & 0o777));
    let result = bind(fd.as_raw_fd(), address);
    umask(before);
    result
}

/// Locks the directory against other servers that start. An unreadable directory is not locked.
fn lock_directory(path: &Path, patience: Duration) -> io::Result<Option<Flock<fs::File>>> {
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty());
    let mut directory = match fs::File::open(parent.unwrap_or(Path::new("."))) {
        Ok(directory) => directory,
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(no_directory(parent)),
        Err(error) => return Err(error),
    };
    let until = Instant::now() + patience;
    loop {
        match Flock::lock(directory, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => return Ok(Some(lock)),
            Err((back, Errno::EWOULDBLOCK)) if Instant::now() < until => directory = back,
            Err((_, Errno::EWOULDBLOCK)) => {
                return Err(io::Error::new(
                    io::ErrorKind::AddrInUse,
                    "another process has locked the directory",
                ));
            }
            Err((_, errno)) => return Err(errno.into()),
        }
        thread::sleep(LOCK_PAUSE);
    }
}

fn no_directory(path: Option<&Path>) -> io::Error {
    let path = path.unwrap_or(Path::new("."));
    let (path, exists) = (path.display(), path.exists());
    let text = match exists {
        true => format!("{path} is not a directory"),
        false => format!("there is no directory {path}"),
    };
    io::Error::new(io::ErrorKind::NotFound, text)
}

/// Removes the file at `path` if it is a stale socket.
fn make_way(path: &Path, address: &UnixAddr, probe: &OwnedFd) -> io::Result<()> {
    let in_use = |what: &str| Err(io::Error::new(io::ErrorKind::AddrInUse, what.to_owned()));
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
        Ok(metadata) if !metadata.file_type().is_socket() => {
            return in_use("there is a file that is not a socket, and it is left alone");
        }
        Ok(_) => {}
    }
    match connect(probe.as_raw_fd(), address) {
        Err(Errno::ECONNREFUSED) => fs::remove_file(path),
        Err(Errno::ENOENT) => Ok(()),
        Ok(()) | Err(Errno::EAGAIN) => in_use("a server is listening there"),
        Err(errno) => Err(io::Error::new(
            io::ErrorKind::AddrInUse,
            format!(
                "cannot determine whether a server is listening there: {}",
                errno.desc()
            ),
        )),
    }
}

/// Why no connection was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AcceptError {
    /// There is no connection.
    Empty,
    /// That one has gone; there may be others.
    Lost,
    /// Not now: the system is short of something, or does not let us.
    Refused(Errno),
    /// The socket is of no use.
    Broken(Errno),
}

/// Accepts a connection.
///
/// # Errors
///
/// See [`AcceptError`].
pub fn accept(listener: BorrowedFd<'_>) -> Result<OwnedFd, AcceptError> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    accept4(listener.as_raw_fd(), flags)
        // SAFETY: accept4 has just made this descriptor, and nothing else uses it.
        .map(|fd| unsafe { OwnedFd::from_raw_fd(fd) })
        .map_err(AcceptError::of)
}

impl AcceptError {
    fn of(errno: Errno) -> Self {
        match errno {
            Errno::EAGAIN => Self::Empty,
            Errno::ECONNABORTED | Errno::EINTR => Self::Lost,
            Errno::EBADF | Errno::EINVAL | Errno::ENOTSOCK | Errno::EOPNOTSUPP => {
                Self::Broken(errno)
            }
            // EMFILE, ENFILE, ENOMEM, ENOBUFS, and unexpected errors: they may persist, and
            // the connection is still in the queue, so trying again at once could loop for ever.
            _ => Self::Refused(errno),
        }
    }
}

/// Makes the socket send small replies at once.
pub fn set_nodelay(socket: &OwnedFd) {
    // A UNIX socket does not have the option and does not need it.
    let _ = setsockopt(socket, sockopt::TcpNoDelay, &true);
}

/// A readable name for a listening socket.
pub fn describe(socket: BorrowedFd<'_>) -> String {
    match getsockname::<SockaddrStorage>(socket.as_raw_fd()) {
        Ok(address) => address.as_unix_addr().and_then(UnixAddr::path).map_or_else(
            || address.to_string(),
            |path| OsString::from(path).to_string_lossy().into_owned(),
        ),
        Err(_) => "an unknown socket".into(),
    }
}
