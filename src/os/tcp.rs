//! Listening on a TCP port, for clients on this machine only.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd as _, OwnedFd};

use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrStorage, bind, listen, setsockopt, socket,
    sockopt,
};

/// Listens at `address`, with `queue` connections waiting at most. For port 0 the system
/// chooses one.
///
/// TCP has no permissions: every local user may connect, so no remote user may.
///
/// # Errors
///
/// When the address is no loopback address, is in use, or the system refuses.
pub fn listen_tcp(address: SocketAddr, queue: usize) -> io::Result<OwnedFd> {
    if !address.ip().is_loopback() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "TCP is served on a loopback address only, such as 127.0.0.1",
        ));
    }
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::Inet,
        SocketAddr::V6(_) => AddressFamily::Inet6,
    };
    let address = SockaddrStorage::from(address);
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let fd = socket(family, SockType::Stream, flags, None)?;
    // A server that starts again need not wait until its last connections are forgotten.
    setsockopt(&fd, sockopt::ReuseAddr, &true)?;
    bind(fd.as_raw_fd(), &address)?;
    let backlog = i32::try_from(queue).unwrap_or(i32::MAX);
    listen(&fd, Backlog::new(backlog)?)?;
    Ok(fd)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn serves_this_machine() {
        for address in ["127.0.0.1:0", "127.1.2.3:0"] {
            let fd = listen_tcp(address.parse().unwrap(), 10).unwrap();
            let flags = fcntl(&fd, FcntlArg::F_GETFD).unwrap();
            assert!(FdFlag::from_bits_retain(flags).contains(FdFlag::FD_CLOEXEC));
            let flags = fcntl(&fd, FcntlArg::F_GETFL).unwrap();
            assert!(OFlag::from_bits_retain(flags).contains(OFlag::O_NONBLOCK));
            let listener = TcpListener::from(fd);
            let address = listener.local_addr().unwrap();
            TcpStream::connect(address).unwrap();
            let taken = listen_tcp(address, 10).unwrap_err();
            assert_eq!(taken.kind(), io::ErrorKind::AddrInUse);
        }
    }

    #[test]
    fn serves_nobody_else() {
        for address in ["0.0.0.0:0", "192.0.2.1:0", "[::]:0", "[2001:db8::1]:0"] {
            let error = listen_tcp(address.parse().unwrap(), 10).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{address}");
            assert!(error.to_string().contains("loopback"), "{error}");
        }
    }

    #[test]
    fn starts_again_at_once_where_connections_were_closed() {
        let fd = listen_tcp("127.0.0.1:0".parse().unwrap(), 10).unwrap();
        let listener = TcpListener::from(fd);
        listener.set_nonblocking(false).unwrap();
        let address = listener.local_addr().unwrap();
        let client = TcpStream::connect(address).unwrap();
        // The side that closes first keeps the port in TIME_WAIT.
        drop(listener.accept().unwrap());
        drop((client, listener));
        listen_tcp(address, 10).unwrap();
    }
}
