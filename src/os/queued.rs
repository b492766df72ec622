//! The length of the listen queue of a socket.
//!
//! For a UNIX socket the kernel reports it over netlink (`sock_diag`), for TCP as an option
//! of the socket (tcp(7)). If it does not, the length is not known.

use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, SockaddrLike, SockaddrStorage, getsockname};
use nix::sys::stat::fstat;

use crate::os::sock_diag::Diag;

/// The length of the queue of `listener`, if the kernel reports it.
pub fn queued(listener: BorrowedFd<'_>) -> Option<u32> {
    let address: SockaddrStorage = getsockname(listener.as_raw_fd()).ok()?;
    match address.family()? {
        AddressFamily::Unix => unix(listener),
        AddressFamily::Inet | AddressFamily::Inet6 => tcp(listener),
        _ => None,
    }
}

fn tcp(listener: BorrowedFd<'_>) -> Option<u32> {
    let mut length = size_of::<libc::tcp_info>() as libc::socklen_t;
    // SAFETY: all-zero is a valid tcp_info, and getsockopt writes no more than its length.
    let (result, info) = unsafe {
        let mut info: libc::tcp_info = std::mem::zeroed();
        let result = libc::getsockopt(
            listener.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            (&raw mut info).cast(),
            &mut length,
        );
        (result, info)
    };
    Errno::result(result).ok()?;
    // Of a socket that listens this is its queue.
    Some(info.tcpi_unacked)
}

fn unix(listener: BorrowedFd<'_>) -> Option<u32> {
    let inode = u32::try_from(fstat(listener).ok()?.st_ino).ok()?;
    let answer = Diag::open()?.ask(&unix_diag::request(inode))?;
    unix_diag::waiting(&answer)
}

/// Request and answer as `linux/unix_diag.h` has them.
mod unix_diag {
    use crate::os::sock_diag::{u16_at, u32_at};

    /// `UDIAG_SHOW_RQLEN`: a request for the lengths of the queues.
    const SHOW_RQLEN: u32 = 0x10;
    /// `UNIX_DIAG_RQLEN`, the attribute with them. The first is the waiting connections.
    const RQLEN: u16 = 4;
    /// The sizes of a `unix_diag_msg` and of a `rtattr`.
    const SOCKET_HEADER: usize = 16;
    const ATTRIBUTE_HEADER: usize = 4;

    /// Asks for the socket with this inode.
    pub fn request(inode: u32) -> Vec<u8> {
        let mut request = vec![libc::AF_UNIX as u8, 0, 0, 0];
        // In any state, and whatever its cookie.
        for word in [u32::MAX, inode, SHOW_RQLEN, u32::MAX, u32::MAX] {
            request.extend_from_slice(&word.to_ne_bytes());
        }
        request
    }

    /// The length in the answer, if there is one.
    pub fn waiting(answer: &[u8]) -> Option<u32> {
        let mut rest = answer.get(SOCKET_HEADER..)?;
        loop {
            let length = usize::from(u16_at(rest, 0)?);
            let kind = u16_at(rest, 2)?;
            let value = rest.get(ATTRIBUTE_HEADER..length)?;
            if kind == RQLEN {
                return u32_at(value, 0);
            }
            rest = rest.get(length.next_multiple_of(4)..)?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsFd;
    use std::os::linux::net::SocketAddrExt as _;
    use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};

    /// Connects 0, 1 and 3 times, then accepts one.
    fn counts<C>(listener: BorrowedFd<'_>, connect: impl Fn() -> C, accept: impl Fn() -> C) {
        assert_eq!(queued(listener), Some(0));
        let first = connect();
        wait_for(listener, 1);
        let others = [connect(), connect()];
        wait_for(listener, 3);
        let accepted = accept();
        assert_eq!(queued(listener), Some(2));
        drop((first, others, accepted));
    }

    /// The last packet of a TCP handshake may come after the client is through.
    fn wait_for(listener: BorrowedFd<'_>, wanted: u32) {
        let end = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while queued(listener) != Some(wanted) {
            assert!(std::time::Instant::now() < end, "{:?}", queued(listener));
            std::thread::yield_now();
        }
    }

    #[test]
    fn of_a_unix_socket() {
        let name = format!("sockexec-queued-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(name).unwrap();
        let listener = UnixListener::bind_addr(&address).unwrap();
        counts(
            listener.as_fd(),
            || UnixStream::connect_addr(&address).unwrap(),
            || listener.accept().unwrap().0,
        );
    }

    #[test]
    fn of_a_tcp_socket() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        counts(
            listener.as_fd(),
            || TcpStream::connect(address).unwrap(),
            || listener.accept().unwrap().0,
        );
    }

    #[test]
    fn of_what_does_not_listen_nothing_is_known() {
        let file = std::fs::File::open("/dev/null").unwrap();
        assert_eq!(queued(file.as_fd()), None);
    }

    #[test]
    fn answers_are_read_with_care() {
        let attribute = |length: u16, kind: u16, value: &[u32]| {
            let mut bytes = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
            value
                .iter()
                .for_each(|word| bytes.extend_from_slice(&word.to_ne_bytes()));
            bytes
        };
        let header = vec![0; 16];
        let other = attribute(5, 6, &[0]);
        let queue = attribute(12, 4, &[7, 128]);
        let good = [header.clone(), other, queue].concat();
        assert_eq!(unix_diag::waiting(&good), Some(7));
        for end in 0..good.len() {
            assert_eq!(unix_diag::waiting(&good[..end]), None, "{end} bytes");
        }
        for bad in [
            header.clone(),
            [header.clone(), attribute(0, 6, &[])].concat(),
            [header.clone(), attribute(3, 4, &[])].concat(),
            [header.clone(), attribute(4, 4, &[])].concat(),
            [header, attribute(u16::MAX, 4, &[])].concat(),
        ] {
            assert_eq!(unix_diag::waiting(&bad), None, "{bad:?}");
        }
    }
}
