//! The peer of a socket.

use std::fmt;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, RawFd};

use libc::c_int;
use nix::errno::Errno;
use nix::sys::socket::{
    SockaddrLike, SockaddrStorage, getpeername, getsockname, getsockopt, sockopt,
};

use crate::os::{mapped, owner};

/// A client, by the peer credentials from the kernel, as they were when it connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// A process on a UNIX socket.
    Local {
        /// Its effective user, if that is one of ours: see [`mapped`].
        uid: Option<u32>,
        /// Its effective group, the same.
        gid: Option<u32>,
        /// Its number; 0 when it is in a pid namespace that is not visible from here.
        pid: i32,
    },
    /// A TCP connection.
    Tcp {
        /// Its address.
        address: SocketAddr,
        /// The user who made that socket, if it is known: see [`owner`].
        uid: Option<u32>,
    },
    /// Neither; such a socket can only have been handed over.
    Unknown,
}

impl Peer {
    /// Asks for the peer of `socket`.
    ///
    /// # Errors
    ///
    /// When the kernel does not know.
    pub fn of(socket: &(impl AsFd + AsRawFd)) -> Result<Self, Errno> {
        match getsockopt(socket, sockopt::PeerCredentials) {
            Ok(credentials) if credentials.uid() != u32::MAX => Ok(Self::Local {
                uid: Some(credentials.uid()).filter(|&uid| mapped::is_user(uid)),
                gid: Some(credentials.gid()).filter(|&gid| mapped::is_group(gid)),
                pid: credentials.pid(),
            }),
            // TCP has no credentials: this result is no error, or one of these errors.
            Ok(_) | Err(Errno::ENOPROTOOPT | Errno::EOPNOTSUPP) => Self::of_inet(socket),
            Err(errno) => Err(errno),
        }
    }

    /// Its effective user, if the kernel knows it.
    pub fn uid(&self) -> Option<u32> {
        match self {
            Self::Local { uid, .. } | Self::Tcp { uid, .. } => *uid,
            Self::Unknown => None,
        }
    }

    fn of_inet(socket: &(impl AsFd + AsRawFd)) -> Result<Self, Errno> {
        let other: SockaddrStorage = getpeername(socket.as_raw_fd())?;
        let own: SockaddrStorage = getsockname(socket.as_raw_fd())?;
        Ok(match (inet(&own), inet(&other)) {
            (Some(own), Some(other)) => Self::Tcp {
                address: other,
                uid: owner::of_other_end(socket, own, other),
            },
            _ => Self::Unknown,
        })
    }

    /// The variables that identify the client to a program, as in the UCSPI convention, each
    /// `NAME=value`. The user of a TCP client has the same variable as on a UNIX socket:
    /// `TCPREMOTEINFO` is a claim of the other host, and this number comes from the kernel.
    pub fn variables(&self) -> Vec<String> {
        let mut variables = Vec::new();
        let mut put = |name: &str, value: String| variables.push(format!("{name}={value}"));
        match self {
            Self::Local { .. } => put("PROTO", "IPC".into()),
            Self::Tcp { address, .. } => {
                put("PROTO", "TCP".into());
                put("TCPREMOTEIP", address.ip().to_string());
                put("TCPREMOTEPORT", address.port().to_string());
            }
            Self::Unknown => {}
        }
        if let Some(uid) = self.uid() {
            put("IPCREMOTEEUID", uid.to_string());
        }
        if let Self::Local { gid, pid, .. } = self {
            if let Some(gid) = gid {
                put("IPCREMOTEEGID", gid.to_string());
            }
            put("IPCREMOTEPID", pid.to_string());
        }
        variables
    }
}

/// The groups of the peer of a UNIX socket as they were when it connected: the effective
/// one and the supplementary ones. Empty if the kernel does not know them.
pub fn groups(socket: &(impl AsFd + AsRawFd)) -> Vec<u32> {
    let Ok(Peer::Local { gid, .. }) = Peer::of(socket) else {
        return Vec::new();
    };
    let mut groups = supplementary(socket.as_raw_fd());
    groups.retain(|&group| mapped::is_group(group));
    if let Some(gid) = gid.filter(|gid| !groups.contains(gid)) {
        groups.push(gid);
    }
    groups
}

fn supplementary(socket: RawFd) -> Vec<u32> {
    // Few processes are in more groups.
    let room = vec![0; 64 * size_of::<u32>()];
    let bytes = option(socket, libc::SO_PEERGROUPS, room).unwrap_or_default();
    let numbers = bytes.chunks_exact(size_of::<u32>());
    let number = |bytes: &[u8]| bytes.try_into().ok().map(u32::from_ne_bytes);
    numbers.filter_map(number).collect()
}

/// The security label of the peer as it was when it connected, such as
/// `system_u:system_r:httpd_t:s0`. `None` without a security module that has labels for sockets.
pub fn label(socket: &(impl AsFd + AsRawFd)) -> Option<Vec<u8>> {
    let mut label = option(socket.as_raw_fd(), libc::SO_PEERSEC, vec![0; 256]).ok()?;
    // Some modules count the NUL behind it.
    if label.last() == Some(&0) {
        label.pop();
    }
    Some(label).filter(|label| !label.is_empty())
}

/// A value that the kernel has for a socket. If `room` is too short, the kernel returns the size.
fn option(socket: RawFd, name: c_int, mut room: Vec<u8>) -> Result<Vec<u8>, Errno> {
    loop {
        let mut size = libc::socklen_t::try_from(room.len()).unwrap_or(0);
        // SAFETY: the kernel writes no more than `size` bytes into `room`, all of which are
        // initialized, and stores the size in `size`.
        let result = Errno::result(unsafe {
            libc::getsockopt(
                socket,
                libc::SOL_SOCKET,
                name,
                room.as_mut_ptr().cast(),
                &raw mut size,
            )
        });
        let needed = size as usize;
        match result {
            Ok(_) => {
                room.truncate(needed);
                return Ok(room);
            }
            Err(Errno::ERANGE) if needed > room.len() => room.resize(needed, 0),
            Err(errno) => return Err(errno),
        }
    }
}

/// The names of all variables by which this server, or another one of the convention,
/// identifies a client.
pub const VARIABLES: [&str; 13] = [
    "PROTO",
    "IPCREMOTEEUID",
    "IPCREMOTEEGID",
    "IPCREMOTEPID",
    "IPCREMOTEPATH",
    "IPCLOCALPATH",
    "TCPREMOTEIP",
    "TCPREMOTEPORT",
    "TCPREMOTEHOST",
    "TCPREMOTEINFO",
    "TCPLOCALIP",
    "TCPLOCALPORT",
    "TCPLOCALHOST",
];

/// The address as a type of the standard library, if it is an Internet address.
pub fn inet(address: &SockaddrStorage) -> Option<SocketAddr> {
    address.family()?;
    let v4 = address
        .as_sockaddr_in()
        .map(|a| SocketAddr::from((a.ip(), a.port())));
    v4.or_else(|| {
        address
            .as_sockaddr_in6()
            .map(|a| SocketAddr::from((a.ip(), a.port())))
    })
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = |number: &Option<u32>| number.map_or("unknown".into(), |n| n.to_string());
        match self {
            Self::Local { uid, gid, pid } => {
                write!(f, "uid={} gid={} pid={pid}", known(uid), known(gid))
            }
            Self::Tcp { address, uid } => write!(f, "tcp={address} uid={}", known(uid)),
            Self::Unknown => f.write_str("peer=unknown"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::os::unix::net::UnixStream;

    use nix::unistd::{getegid, getgroups};

    use super::*;

    #[test]
    fn groups_are_those_of_the_process_at_the_other_end() {
        let (one, _other) = UnixStream::pair().unwrap();
        let mut expected: Vec<u32> = getgroups().unwrap().iter().map(|g| g.as_raw()).collect();
        expected.push(getegid().as_raw());
        let mut found = groups(&one);
        for list in [&mut expected, &mut found] {
            list.sort_unstable();
            list.dedup();
        }
        assert_eq!(found, expected);
    }

    #[test]
    fn a_label_is_what_the_kernel_has_or_none() {
        let (one, _other) = UnixStream::pair().unwrap();
        // The label of this process, which made both ends; the file cannot be read without a
        // security module.
        let own = std::fs::read("/proc/self/attr/current").ok();
        let own = own.map(|own| own.trim_ascii_end().to_vec());
        match label(&one) {
            Some(label) => assert_eq!(Some(label.trim_ascii_end().to_vec()), own),
            None => assert_eq!(
                option(one.as_raw_fd(), libc::SO_PEERSEC, vec![0; 1]),
                Err(Errno::ENOPROTOOPT)
            ),
        }
        let (pipe, _) = nix::unistd::pipe().unwrap();
        assert_eq!(label(&pipe), None);
    }

    #[test]
    fn a_list_of_the_kernel_that_is_longer_than_the_room_is_whole() {
        let (one, _other) = UnixStream::pair().unwrap();
        let groups = |room| option(one.as_raw_fd(), libc::SO_PEERGROUPS, room).unwrap();
        assert_eq!(groups(Vec::new()), groups(vec![0; 4096]));
    }

    #[test]
    fn tcp_tells_no_groups() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (served, _) = listener.accept().unwrap();
        assert!(groups(&served).is_empty());
    }
}
