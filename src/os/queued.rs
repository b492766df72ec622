//! How many connections wait at a listening socket for somebody to accept them.
//!
//! For a UNIX socket the kernel tells it over netlink (sock_diag(7)), for TCP as an option
//! of the socket (tcp(7)). Where it does not, as in a sandbox without netlink, it is not
//! known. Nothing here waits: the kernel has answered when the question is sent.

use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrLike, SockaddrStorage,
    getsockname, recv, send, socket,
};
use nix::sys::stat::fstat;

/// How many connections wait at `listener`, where the kernel tells.
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
    let netlink = socket(
        AddressFamily::Netlink,
        SockType::Datagram,
        SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
        SockProtocol::NetlinkSockDiag,
    )
    .ok()?;
    send(
        netlink.as_raw_fd(),
        &diag::question(inode),
        MsgFlags::empty(),
    )
    .ok()?;
    let mut answer = [0; 512];
    let n = recv(netlink.as_raw_fd(), &mut answer, MsgFlags::empty()).ok()?;
    diag::waiting(&answer[..n])
}

/// The messages, as `linux/netlink.h`, `linux/sock_diag.h` and `linux/unix_diag.h` have
/// them: integers in the machine's own order.
mod diag {
    /// `SOCK_DIAG_BY_FAMILY`, the type of the question and of its answer.
    const BY_FAMILY: u16 = 20;
    /// `NLM_F_REQUEST`.
    const REQUEST: u16 = 1;
    /// `UDIAG_SHOW_RQLEN`: the answer is to tell the lengths of the queues.
    const SHOW_RQLEN: u32 = 0x10;
    /// `UNIX_DIAG_RQLEN`, the attribute with them. The first is what waits.
    const RQLEN: u16 = 4;
    /// The headers: `nlmsghdr`, `unix_diag_msg`, `rtattr`.
    const MESSAGE_HEADER: usize = 16;
    const SOCKET_HEADER: usize = 16;
    const ATTRIBUTE_HEADER: usize = 4;

    /// Asks for the socket with this inode.
    pub fn question(inode: u32) -> Vec<u8> {
        let mut body = vec![libc::AF_UNIX as u8, 0, 0, 0];
        // In any state, and whatever its cookie.
        for word in [u32::MAX, inode, SHOW_RQLEN, u32::MAX, u32::MAX] {
            body.extend_from_slice(&word.to_ne_bytes());
        }
        let length = (MESSAGE_HEADER + body.len()) as u32;
        let mut message = length.to_ne_bytes().to_vec();
        message.extend_from_slice(&BY_FAMILY.to_ne_bytes());
        message.extend_from_slice(&REQUEST.to_ne_bytes());
        // A sequence number and a port, which nobody looks at.
        message.extend_from_slice(&[0; 8]);
        message.append(&mut body);
        message
    }

    /// What the answer says of the queue, if it does.
    pub fn waiting(answer: &[u8]) -> Option<u32> {
        let message = answer.get(..u32_at(answer, 0)? as usize)?;
        if u16_at(message, 4)? != BY_FAMILY {
            return None;
        }
        let mut rest = message.get(MESSAGE_HEADER + SOCKET_HEADER..)?;
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

    fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
        Some(u16::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
    }

    fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
        Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
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
        let header = |length: u32, kind: u16| {
            let mut bytes = length.to_ne_bytes().to_vec();
            bytes.extend_from_slice(&kind.to_ne_bytes());
            bytes.resize(32, 0);
            bytes
        };
        let attribute = |length: u16, kind: u16, value: &[u32]| {
            let mut bytes = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
            value
                .iter()
                .for_each(|word| bytes.extend_from_slice(&word.to_ne_bytes()));
            bytes
        };
        let other = attribute(5, 6, &[0]);
        let queue = attribute(12, 4, &[7, 128]);
        let good = [header(52, 20), other, queue].concat();
        assert_eq!(diag::waiting(&good), Some(7));
        for end in 0..good.len() {
            assert_eq!(diag::waiting(&good[..end]), None, "{end} bytes");
        }
        for bad in [
            header(32, 20),
            header(32, 2),
            [header(36, 20), attribute(0, 6, &[])].concat(),
            [header(36, 20), attribute(3, 4, &[])].concat(),
            [header(36, 20), attribute(4, 4, &[])].concat(),
            [header(36, 20), attribute(u16::MAX, 4, &[])].concat(),
        ] {
            assert_eq!(diag::waiting(&bad), None, "{bad:?}");
        }
    }
}
