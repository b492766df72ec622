//! Questions about one socket, which the kernel answers over netlink (sock_diag(7)).
//!
//! Nothing here waits: the kernel answers while the question is sent. If it does not answer, as
//! in a sandbox without netlink, nothing is known.

use std::os::fd::{AsRawFd as _, OwnedFd};

use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, socket,
};

/// `SOCK_DIAG_BY_FAMILY`, the type of the question and of its answer.
const BY_FAMILY: u16 = 20;

/// `NLM_F_REQUEST`.
const REQUEST: u16 = 1;

/// The size of a `nlmsghdr`.
const HEADER: usize = 16;

/// More than any answer about one socket.
const ANSWER_MAX: usize = 4096;

/// A way to ask.
#[derive(Debug)]
pub struct Diag(OwnedFd);

impl Diag {
    /// Opens one, if the kernel and the sandbox let us.
    pub fn open() -> Option<Self> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let netlink = socket(
            AddressFamily::Netlink,
            SockType::Datagram,
            flags,
            SockProtocol::NetlinkSockDiag,
        );
        netlink.ok().map(Self)
    }

    /// Asks with the family's request, and returns the family's answer, without netlink's headers.
    pub fn ask(&self, request: &[u8]) -> Option<Vec<u8>> {
        let netlink = self.0.as_raw_fd();
        send(netlink, &question(request), MsgFlags::empty()).ok()?;
        let mut answer = [0; ANSWER_MAX];
        let n = recv(netlink, &mut answer, MsgFlags::empty()).ok()?;
        body(&answer[..n]).map(<[u8]>::to_vec)
    }
}

/// The message around a request: integers in the machine's own order.
fn question(request: &[u8]) -> Vec<u8> {
    let length = (HEADER + request.len()) as u32;
    let mut message = length.to_ne_bytes().to_vec();
    message.extend_from_slice(&BY_FAMILY.to_ne_bytes());
    message.extend_from_slice(&REQUEST.to_ne_bytes());
    // A sequence number and a port, which are not used.
    message.extend_from_slice(&[0; 8]);
    message.extend_from_slice(request);
    message
}

/// The content of an answer, if it is one.
fn body(answer: &[u8]) -> Option<&[u8]> {
    let message = answer.get(..u32_at(answer, 0)? as usize)?;
    match u16_at(message, 4)? {
        BY_FAMILY => message.get(HEADER..),
        _ => None,
    }
}

/// The number at a place.
pub fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// The number at a place.
pub fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_with_care() {
        let message = |length: u32, kind: u16| {
            let mut bytes = length.to_ne_bytes().to_vec();
            bytes.extend_from_slice(&kind.to_ne_bytes());
            bytes.resize(HEADER, 0);
            [&bytes[..], b"body"].concat()
        };
        let good = message(20, BY_FAMILY);
        assert_eq!(body(&good), Some(&b"body"[..]));
        for end in 0..good.len() {
            assert_eq!(body(&good[..end]), None, "{end} bytes");
        }
        // An error, and lengths that cannot be.
        for bad in [
            message(20, 2),
            message(21, BY_FAMILY),
            message(15, BY_FAMILY),
            message(0, BY_FAMILY),
            message(u32::MAX, BY_FAMILY),
        ] {
            assert_eq!(body(&bad), None, "{bad:?}");
        }
    }
}
