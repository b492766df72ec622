//! Descriptors that a client passes along with its bytes (`SCM_RIGHTS`, unix(7)). The server
//! accepts none, and this file prevents them from blocking the server.
//!
//! The kernel drops descriptors that are passed and not received: inside recv(2), or inside
//! close(2) when the socket is closed before it was read to its end. Dropping the last descriptor
//! of a file may take long. For a TCP socket with unsent data and `SO_LINGER` the client chooses
//! the time, and the server would wait for it. Receiving the descriptors and closing them does
//! not help: close(2) waits for the file system, which may be the client's own (FUSE). So
//!
//! - from Linux 6.16 on the kernel refuses them on our behalf (`SO_PASSRIGHTS`): the sender
//!   gets EPERM;
//! - elsewhere, and on connections that are older than that refusal, each recv is preceded by
//!   a look ([`peek`]), which drops nothing, and a socket that has unread bytes is left to a
//!   process of its own, which drops them at its exit ([`discard`]).

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;

use libc::{c_int, c_uint};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::socket::{
    AddressFamily, Shutdown, SockaddrLike as _, SockaddrStorage, getsockname, shutdown,
};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Pid, fork, pipe2};

use crate::os::process::Process;

/// `SO_PASSRIGHTS`, which libc does not define yet: its number everywhere except on parisc and
/// sparc, where the kernel answers as an old one does.
const SO_PASSRIGHTS: c_int = 83;

/// `SO_PASSPIDFD`, likewise.
const SO_PASSPIDFD: c_int = 76;

/// Whether the clients of a listening socket may pass descriptors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rights {
    /// The kernel lets no client of this socket pass any, unless it has connected before it
    /// was asked to.
    refused: bool,
    /// No such client is left.
    drained: bool,
}

impl Rights {
    /// Asks the kernel to refuse descriptors on a listening socket, and on those that are
    /// accepted from it.
    pub fn of_listener(listener: BorrowedFd<'_>) -> Self {
        if !is_unix(listener) {
            return Self {
                refused: true,
                drained: true,
            };
        }
        Self {
            refused: prepare(listener),
            drained: false,
        }
    }

    /// All earlier clients have been accepted.
    pub fn set_drained(&mut self) {
        self.drained = true;
    }

    /// Whether a client that was accepted just now may pass descriptors. It is made ready
    /// for [`peek`] if so.
    pub fn may_come_from(self, client: BorrowedFd<'_>) -> bool {
        if self.refused && self.drained {
            return false;
        }
        if !self.drained {
            // The option of the listener may have come too late for this client.
            prepare(client);
        }
        // An out-of-band byte may carry descriptors too, so it is read in line.
        set(client, libc::SO_OOBINLINE, 1);
        true
    }
}

/// Whether a client that came with the process may have passed descriptors already, or may
/// do so.
pub fn may_come_from(client: BorrowedFd<'_>) -> bool {
    let refused = !is_unix(client);
    Rights {
        refused,
        drained: refused,
    }
    .may_come_from(client)
}

fn is_unix(socket: BorrowedFd<'_>) -> bool {
    getsockname::<SockaddrStorage>(socket.as_raw_fd())
        .is_ok_and(|address| address.family() == Some(AddressFamily::Unix))
}

/// Switches off all that comes beside the bytes. Returns whether the kernel refuses
/// descriptors from now on.
fn prepare(socket: BorrowedFd<'_>) -> bool {
    // The maker of a socket that was handed over may have wanted these; they would be
    // indistinguishable from descriptors.
    for option in [libc::SO_PASSCRED, libc::SO_PASSSEC, SO_PASSPIDFD] {
        set(socket, option, 0);
    }
    set(socket, SO_PASSRIGHTS, 0)
}

/// Sets an option of the socket. Returns whether the kernel knows it.
fn set(socket: BorrowedFd<'_>, option: c_int, value: c_int) -> bool {
    // SAFETY: the option's value is an int, which lives as long as the call.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            option,
            (&raw const value).cast(),
            size_of::<c_int>() as libc::socklen_t,
        )
    };
    result == 0
}

/// The result of the next recv.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ahead {
    /// This number of bytes, and nothing else. Receiving exactly these drops no descriptor.
    Bytes(usize),
    /// The end.
    End,
    /// Descriptors are passed with these bytes.
    Descriptors,
}

/// Peeks at the bytes from `client` that fit into `room`.
///
/// # Errors
///
/// The error of recv(2).
pub fn peek(client: BorrowedFd<'_>, room: &mut [u8]) -> Result<Ahead, Errno> {
    let mut piece = libc::iovec {
        iov_base: room.as_mut_ptr().cast(),
        iov_len: room.len(),
    };
    // SAFETY: all-zero is a valid msghdr: no address, and no room for what comes beside the
    // bytes. `piece` and `room` live as long as the call.
    let (result, flags) = unsafe {
        let mut message: libc::msghdr = std::mem::zeroed();
        message.msg_iov = &raw mut piece;
        message.msg_iovlen = 1;
        let result = libc::recvmsg(client.as_raw_fd(), &raw mut message, libc::MSG_PEEK);
        (result, message.msg_flags)
    };
    let n = Errno::result(result)?;
    Ok(match n {
        // Something came for which there is no room: the copies are dropped, which is not
        // the last of them.
        _ if flags & libc::MSG_CTRUNC != 0 => Ahead::Descriptors,
        0 => Ahead::End,
        n => Ahead::Bytes(n.unsigned_abs()),
    })
}

/// The result of closing a socket.
#[derive(Debug)]
pub enum Discarded {
    /// It is closed.
    Closed,
    /// This process closes it and ends. The descriptor becomes readable then.
    By(Process, OwnedFd),
    /// It is still open, since there was no process for it.
    Failed(OwnedFd, Errno),
}

/// Closes the socket of a client that may have passed descriptors, without waiting for them
/// to be dropped.
///
/// A process that exits does not linger (`inet_release` in the kernel), and if it had to wait
/// for something else it would wait alone.
pub fn discard(client: OwnedFd) -> Discarded {
    // Nothing more comes in from here on.
    let _ = shutdown(client.as_raw_fd(), Shutdown::Both);
    if is_empty(&client) {
        return Discarded::Closed;
    }
    match hand_over(&client) {
        Ok((process, pidfd, gate)) => {
            drop(client);
            drop(gate);
            Discarded::By(process, pidfd)
        }
        Err(errno) => Discarded::Failed(client, errno),
    }
}

fn is_empty(client: &OwnedFd) -> bool {
    let mut unread: c_int = 0;
    // SAFETY: FIONREAD stores an int.
    let result = unsafe { libc::ioctl(client.as_raw_fd(), libc::FIONREAD, &raw mut unread) };
    result == 0 && unread == 0
}

/// Makes a process that has `client` too, and ends when the gate that is returned is closed.
fn hand_over(client: &OwnedFd) -> Result<(Process, OwnedFd, OwnedFd), Errno> {
    let (gate, open) = pipe2(OFlag::O_CLOEXEC)?;
    // SAFETY: there is no other thread, and the child makes system calls only.
    let child = match unsafe { fork() }? {
        ForkResult::Child => wait_alone(client.as_raw_fd(), gate.as_raw_fd()),
        ForkResult::Parent { child } => child,
    };
    match pidfd_open(child) {
        Ok(pidfd) => Ok((Process::new(child), pidfd, open)),
        Err(errno) => {
            // It ends at once, and drops nothing, because we still have the socket.
            drop(open);
            let _ = waitpid(child, None);
            Err(errno)
        }
    }
}

/// The work of the child: it keeps the client's socket until no other process has it.
fn wait_alone(client: RawFd, gate: RawFd) -> ! {
    let (low, high) = (client.min(gate), client.max(gate));
    for (first, last) in [(0, low - 1), (low + 1, high - 1), (high + 1, c_int::MAX)] {
        if first <= last {
            // SAFETY: this process uses none of them.
            unsafe { libc::syscall(libc::SYS_close_range, first as c_uint, last as c_uint, 0) };
        }
    }
    let mut byte = 0u8;
    loop {
        // SAFETY: there is room for one byte.
        let result = unsafe { libc::read(gate, ptr::from_mut(&mut byte).cast(), 1) };
        if result != -1 || Errno::last() != Errno::EINTR {
            // SAFETY: ends this process, whose memory is a copy.
            unsafe { libc::_exit(0) };
        }
    }
}

/// A descriptor that becomes readable when this child has ended.
pub(in crate::os) fn pidfd_open(pid: Pid) -> Result<OwnedFd, Errno> {
    // SAFETY: makes a descriptor and touches no memory of ours.
    let result = unsafe { libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0) };
    let fd = Errno::result(result)? as RawFd;
    // SAFETY: the kernel has just made this descriptor, and nothing else uses it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
