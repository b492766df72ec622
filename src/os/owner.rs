//! The user of the other end of a TCP connection, if that end is on this machine.
//!
//! The kernel reports the owner of any socket of a network namespace (sock_diag(7)): the user who
//! made it. A connection is identified by its four numbers, and a client may change its end
//! meanwhile: close it, reset it, bind the port again. So an answer is accepted only if
//!
//! | condition | what it excludes |
//! |---|---|
//! | it is about these four numbers | a listener on the client's port, which is found instead |
//! | its state is that of a connection | a connection that another process is just making |
//! | it has an inode | an end that was closed: the kernel reports root for it |
//! | *afterwards* our own end is still found | an end that was reset, and whose port was reused |
//! | and has our descriptor's inode | a pair with these numbers in another network namespace |

use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;

use nix::sys::stat::fstat;

use crate::os::mapped;
use crate::os::sock_diag::{Diag, u32_at};

/// `TCP_ESTABLISHED`, `TCP_FIN_WAIT1`, `TCP_FIN_WAIT2` and `TCP_CLOSE_WAIT`: connected, and at most
/// one side has ended its half.
const CONNECTED: [u8; 4] = [1, 4, 5, 8];

/// The user who made the other end of `socket`, which has these addresses. `None` if that end is
/// not on this machine, has gone, or cannot be determined.
pub fn of_other_end(socket: impl AsFd, own: SocketAddr, other: SocketAddr) -> Option<u32> {
    let diag = Diag::open()?;
    let theirs = find(&diag, other, own)?;
    if !CONNECTED.contains(&theirs.state) || theirs.inode == 0 {
        return None;
    }
    let ours = find(&diag, own, other)?;
    // It has half the width on 32-bit machines.
    #[allow(clippy::useless_conversion)]
    let inode = u64::from(fstat(socket).ok()?.st_ino);
    (u64::from(ours.inode) == inode && mapped::is_user(theirs.uid)).then_some(theirs.uid)
}

/// The kernel's report about a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Found {
    state: u8,
    uid: u32,
    inode: u32,
}

/// Looks for the socket that is bound to `from` and connected to `to`.
fn find(diag: &Diag, from: SocketAddr, to: SocketAddr) -> Option<Found> {
    // A server of IPv6 may have a client of IPv4, and each of them sees both as its own kind.
    let ends = [from, to].map(|end| SocketAddr::new(end.ip().to_canonical(), end.port()));
    let answer = diag.ask(&request(ends))?;
    let (found, about) = read(&answer)?;
    (about == ends).then_some(found)
}

/// An `inet_diag_req_v2`: the socket with these ends, in any state.
fn request([from, to]: [SocketAddr; 2]) -> Vec<u8> {
    let family = match from {
        SocketAddr::V4(_) => libc::AF_INET,
        SocketAddr::V6(_) => libc::AF_INET6,
    };
    let mut request = vec![family as u8, libc::IPPROTO_TCP as u8, 0, 0];
    request.extend_from_slice(&u32::MAX.to_ne_bytes());
    for end in [from, to] {
        request.extend_from_slice(&end.port().to_be_bytes());
    }
    for end in [from, to] {
        let mut address = [0; 16];
        match end.ip() {
            IpAddr::V4(ip) => address[..4].copy_from_slice(&ip.octets()),
            IpAddr::V6(ip) => address.copy_from_slice(&ip.octets()),
        }
        request.extend_from_slice(&address);
    }
    // On any interface, and whatever its cookie.
    for word in [0, u32::MAX, u32::MAX] {
        request.extend_from_slice(&u32::to_ne_bytes(word));
    }
    request
}

/// An `inet_diag_msg`: a report, and its socket.
fn read(answer: &[u8]) -> Option<(Found, [SocketAddr; 2])> {
    let found = Found {
        state: *answer.get(1)?,
        uid: u32_at(answer, 64)?,
        inode: u32_at(answer, 68)?,
    };
    let is_v4 = i32::from(*answer.first()?) == libc::AF_INET;
    let end = |port: usize, ip: usize| {
        let port = u16::from_be_bytes(*answer.get(port..)?.first_chunk()?);
        let ip: [u8; 16] = *answer.get(ip..)?.first_chunk()?;
        let [a, b, c, d, ..] = ip;
        let ip = match is_v4 {
            true => IpAddr::from([a, b, c, d]),
            false => IpAddr::from(ip).to_canonical(),
        };
        Some(SocketAddr::new(ip, port))
    };
    Some((found, [end(4, 8)?, end(6, 24)?]))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::net::{Shutdown, TcpListener, TcpStream};
    use std::os::fd::{AsRawFd as _, OwnedFd};
    use std::thread;
    use std::time::{Duration, Instant};

    use nix::sched::{CloneFlags, unshare};
    use nix::sys::socket::{
        AddressFamily, SockFlag, SockType, SockaddrStorage, bind, connect, setsockopt, socket,
        sockopt,
    };
    use nix::unistd::geteuid;

    use super::*;

    fn owner(served: &TcpStream) -> Option<u32> {
        let own = served.local_addr().unwrap();
        of_other_end(served, own, served.peer_addr().unwrap())
    }

    fn own_user() -> Option<u32> {
        Some(geteuid().as_raw())
    }

    /// A client, and the server's end of its connection.
    fn pair(address: &str) -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind(address).unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (client, listener.accept().unwrap().0)
    }

    /// A stream socket bound to a port that may be bound again, connected if there is somewhere to.
    fn bound(own: SocketAddr, other: Option<SocketAddr>) -> TcpStream {
        let fd = socket(
            AddressFamily::Inet,
            SockType::Stream,
            SockFlag::SOCK_CLOEXEC,
            None,
        );
        let fd = fd.unwrap();
        setsockopt(&fd, sockopt::ReuseAddr, &true).unwrap();
        bind(fd.as_raw_fd(), &SockaddrStorage::from(own)).unwrap();
        if let Some(other) = other {
            connect(fd.as_raw_fd(), &SockaddrStorage::from(other)).unwrap();
        }
        fd.into()
    }

    /// Waits for a change that the kernel makes a moment later.
    fn eventually(condition: impl Fn() -> bool) {
        let end = Instant::now() + Duration::from_secs(10);
        while !condition() {
            assert!(Instant::now() < end);
            thread::yield_now();
        }
    }

    #[test]
    fn a_connection_of_ones_own() {
        let (client, served) = pair("127.0.0.1:0");
        assert_eq!(owner(&served), own_user());
        // From the other side too.
        assert_eq!(owner(&client), own_user());
    }

    #[test]
    fn over_ipv6_and_from_ipv4_to_a_server_of_ipv6() {
        let Ok(listener) = TcpListener::bind("[::1]:0") else {
            eprintln!("SKIPPED: there is no IPv6");
            return;
        };
        let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        assert_eq!(owner(&listener.accept().unwrap().0), own_user());
        let listener = TcpListener::bind("[::]:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let _client = TcpStream::connect(("127.0.0.1", port)).unwrap();
        assert_eq!(owner(&listener.accept().unwrap().0), own_user());
        // A client of IPv6 at an address of IPv4, as Java has them.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mapped = format!(
            "[::ffff:127.0.0.1]:{}",
            listener.local_addr().unwrap().port()
        );
        let _client = TcpStream::connect(mapped).unwrap();
        assert_eq!(owner(&listener.accept().unwrap().0), own_user());
    }

    #[test]
    fn a_client_that_has_ended_its_half_is_still_there() {
        let (client, served) = pair("127.0.0.1:0");
        client.shutdown(Shutdown::Write).unwrap();
        eventually(|| owner(&served) == own_user());
    }

    #[test]
    fn a_client_that_has_closed_is_nobody_and_not_root() {
        let (mut client, served) = pair("127.0.0.1:0");
        client.write_all(b"a request").unwrap();
        drop(client);
        assert_eq!(owner(&served), None);
    }

    #[test]
    fn a_listener_on_the_clients_port_is_not_the_client() {
        let (client, served) = pair("127.0.0.1:0");
        let (own, other) = (served.local_addr().unwrap(), served.peer_addr().unwrap());
        // A reset leaves nothing, and frees the port.
        setsockopt(
            &client,
            sockopt::Linger,
            &libc::linger {
                l_onoff: 1,
                l_linger: 0,
            },
        )
        .unwrap();
        drop(client);
        let _next = TcpListener::bind(other).unwrap();
        assert_eq!(of_other_end(&served, own, other), None);
    }

    #[test]
    fn the_next_connection_from_the_same_port_is_not_the_client() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let own = listener.local_addr().unwrap();
        let client = TcpStream::connect(own).unwrap();
        let other = client.local_addr().unwrap();
        let served = listener.accept().unwrap().0;
        setsockopt(
            &client,
            sockopt::Linger,
            &libc::linger {
                l_onoff: 1,
                l_linger: 0,
            },
        )
        .unwrap();
        drop(client);
        let _next = bound(other, Some(own));
        let next = listener.accept().unwrap().0;
        assert_eq!(of_other_end(&next, own, other), own_user());
        // The question was about the first connection, which had the same numbers.
        assert_eq!(of_other_end(&served, own, other), None);
    }

    #[test]
    fn a_pair_with_the_same_numbers_in_another_network_is_not_meant() {
        if !geteuid().is_root() {
            eprintln!("SKIPPED: needs root");
            return;
        }
        let (client, served) = pair("127.0.0.1:0");
        let (own, other) = (served.local_addr().unwrap(), served.peer_addr().unwrap());
        assert_eq!(owner(&served), own_user());
        // Another network with the same pair, asked from there.
        let answers = thread::spawn(move || {
            unshare(CloneFlags::CLONE_NEWNET).unwrap();
            loopback_up();
            let before = of_other_end(&served, own, other);
            let listener: TcpListener = OwnedFd::from(bound(own, None)).into();
            nix::sys::socket::listen(&listener, nix::sys::socket::Backlog::new(1).unwrap())
                .unwrap();
            let _theirs = bound(other, Some(own));
            let decoy = listener.accept().unwrap().0;
            let known = of_other_end(&decoy, own, other);
            (before, known, of_other_end(&served, own, other))
        });
        assert_eq!(answers.join().unwrap(), (None, own_user(), None));
        drop(client);
    }

    /// A new network has a loopback interface that is down.
    fn loopback_up() {
        let fd = socket(
            AddressFamily::Inet,
            SockType::Datagram,
            SockFlag::SOCK_CLOEXEC,
            None,
        );
        let fd = fd.unwrap();
        // SAFETY: all-zero is a valid ifreq; the name of an interface and flags are put into it.
        let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
        for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
            *to = *from as libc::c_char;
        }
        request.ifr_ifru.ifru_flags = libc::IFF_UP as libc::c_short;
        // SAFETY: the kernel reads an ifreq.
        let result = unsafe { libc::ioctl(fd.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request) };
        assert_eq!(result, 0);
    }
}
