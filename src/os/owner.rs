//! Which user has the other end of a TCP connection, where that end is on this machine.
//!
//! The kernel tells the owner of any socket of a network namespace (sock_diag(7)): the user who
//! made it. A connection is known by its four numbers, and a client may do with its end what it
//! likes meanwhile: close it, reset it, bind the port anew. So an answer is believed only if
//!
//! | condition | what it keeps out |
//! |---|---|
//! | it is about these four numbers | a listener on the client's port, which is found instead |
//! | its state is that of a connection | one that is just being made by somebody else |
//! | it has an inode | an end that was closed: the kernel says that it is root's |
//! | our own end is found *afterwards*, with the inode of our descriptor | an end that was reset, whose port is somebody else's now; a pair with the same numbers in another network namespace |

use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;

use nix::sys::stat::fstat;

use crate::os::mapped;
use crate::os::sock_diag::{Diag, u32_at};

/// `TCP_ESTABLISHED`, `TCP_FIN_WAIT1`, `TCP_FIN_WAIT2` and `TCP_CLOSE_WAIT`: connected, and at most
/// one side has ended its half.
const CONNECTED: [u8; 4] = [1, 4, 5, 8];

/// Who made the other end of `socket`, whose addresses these are. `None` where that is not on this
/// machine, has gone, or cannot be found out.
pub fn of_other_end(socket: impl AsFd, own: SocketAddr, other: SocketAddr) -> Option<u32> {
    let diag = Diag::open()?;
    let theirs = find(&diag, other, own)?;
    if !CONNECTED.contains(&theirs.state) || theirs.inode == 0 {
        return None;
    }
    let ours = find(&diag, own, other)?;
    let inode = fstat(socket).ok()?.st_ino;
    (u64::from(ours.inode) == inode && mapped::is_user(theirs.uid)).then_some(theirs.uid)
}

/// What the kernel says of a socket.
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

/// An `inet_diag_msg`: what it says, and of which socket.
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
mod tests;
