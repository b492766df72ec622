//! Descriptors: their limit, and the numbers that are kept free.

use std::ffi::c_int;
use std::fs::OpenOptions;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// The limit of descriptors before and after it was raised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// The soft limit with which the server was started, and which programs get back.
    pub inherited: u64,
    /// The soft limit now, which is the hard limit.
    pub raised: u64,
}

/// Raises the soft limit of descriptors to the hard one.
///
/// # Errors
///
/// When the system refuses.
pub fn raise_limit() -> io::Result<Limit> {
    let (inherited, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    // They have half the width on 32-bit machines.
    #[allow(clippy::useless_conversion)]
    let (inherited, hard) = (u64::from(inherited), u64::from(hard));
    Ok(Limit {
        inherited,
        raised: hard,
    })
}

/// Moves `fd` to a number that is at least `least`.
///
/// # Errors
///
/// When there is no such number free.
pub fn move_up(fd: OwnedFd, least: RawFd) -> io::Result<OwnedFd> {
    if fd.as_raw_fd() >= least {
        return Ok(fd);
    }
    let moved = fcntl(fd.as_fd(), FcntlArg::F_DUPFD_CLOEXEC(least))?;
    // SAFETY: fcntl has just made this descriptor, and nothing else uses it.
    Ok(unsafe { OwnedFd::from_raw_fd(moved) })
}

/// Opens `/dev/null` for reading and writing.
///
/// # Errors
///
/// When that cannot be done.
pub fn open_null() -> io::Result<OwnedFd> {
    Ok(OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/null")?
        .into())
}

/// Makes `number` a copy of `fd`, replacing the old descriptor.
///
/// # Errors
///
/// The error of dup3(2).
pub fn copy_to(fd: BorrowedFd<'_>, number: RawFd) -> Result<(), Errno> {
    // SAFETY: the callers own `number`: it is a standard stream or one of the numbers that
    // are kept for programs being started, and no `OwnedFd` stands for it.
    Errno::result(unsafe { libc::dup3(fd.as_raw_fd(), number, libc::O_CLOEXEC) }).map(drop)
}

/// Makes the table of descriptors large enough for `count` now. Growing it later, while a
/// child still shares it, would make the server wait for the kernel.
pub fn reserve(fd: BorrowedFd<'_>, count: u64) {
    let last = RawFd::try_from(count.saturating_sub(1)).unwrap_or(RawFd::MAX);
    if let Ok(copy) = fcntl(fd, FcntlArg::F_DUPFD_CLOEXEC(last)) {
        // SAFETY: fcntl has just made this descriptor, and nothing else uses it.
        drop(unsafe { OwnedFd::from_raw_fd(copy) });
    }
}

/// Makes reads and writes on `fd` return at once.
///
/// # Errors
///
/// The error of fcntl(2).
pub fn set_nonblocking(fd: BorrowedFd<'_>) -> Result<(), Errno> {
    let flags = OFlag::from_bits_retain(fcntl(fd, FcntlArg::F_GETFL)?);
    if !flags.contains(OFlag::O_NONBLOCK) {
        fcntl(fd, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
    }
    Ok(())
}

/// The same for a descriptor that was just made, and so has no other flags to keep.
///
/// # Errors
///
/// The error of fcntl(2).
pub fn set_new_nonblocking(fd: BorrowedFd<'_>) -> Result<(), Errno> {
    fcntl(fd, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).map(drop)
}

/// Closes nothing; finds out whether the kernel can do that for a range of numbers.
///
/// # Errors
///
/// When it cannot.
pub fn probe_close_range() -> io::Result<()> {
    // SAFETY: no descriptor has such a number.
    let result = unsafe { libc::syscall(libc::SYS_close_range, c_int::MAX, c_int::MAX, 0) };
    Errno::result(result).map_err(|errno| {
        io::Error::new(
            io::Error::from(errno).kind(),
            format!(
                "close_range(2), which Linux has since 5.9: {}",
                errno.desc()
            ),
        )
    })?;
    Ok(())
}
