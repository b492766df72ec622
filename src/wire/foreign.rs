//! Recognition of the other protocols, for the reason of a refusal and for clients at the wrong socket.
//!
//! Decides nothing: the decoders refuse, and this names the likely cause. It sees only bytes that the
//! refusal has depended on, so that the reason does not depend on how the bytes arrived.

use std::fmt;

use super::Protocol;

/// The protocol whose request begins with these four bytes, taken for the length of a message.
pub fn of_length(bytes: [u8; 4]) -> Option<Protocol> {
    match bytes.iter().all(|b| b.is_ascii_graphic() || *b == b' ') {
        true if is_netstring(&bytes) => Some(Protocol::Exec),
        true => of_first(bytes[0]),
        false => None,
    }
}

/// The protocol whose request begins with this byte, which begins no netstring.
pub fn of_first(byte: u8) -> Option<Protocol> {
    match byte {
        // The length of a message with less than 16 MiB.
        0 => Some(Protocol::Control),
        // The first letter of a command, which is hardly a capital: that is HTTP.
        b'/' | b'a'..=b'z' => Some(Protocol::Sockproc),
        _ => None,
    }
}

/// Whether this begins as a netstring does: digits, then a colon.
pub fn is_netstring(bytes: &[u8]) -> bool {
    let digits = bytes.iter().take_while(|b| b.is_ascii_digit()).count();
    digits > 0 && bytes.get(digits) == Some(&b':')
}

/// The protocol of a server whose answer begins with these bytes.
fn of_reply(bytes: &[u8]) -> Option<Protocol> {
    const EXEC: [&[u8]; 4] = [b"6:stdout,", b"6:stderr,", b"8:exitcode,", b"7:termsig,"];
    if EXEC.iter().any(|pair| bytes.starts_with(pair)) {
        return Some(Protocol::Exec);
    }
    if bytes.starts_with(b"status:") {
        return Some(Protocol::Sockproc);
    }
    let is_message = bytes.first() == Some(&0) && bytes.get(4..6) == Some(b":{");
    is_message.then_some(Protocol::Control)
}

/// Names what a socket takes, and the likely cause of a refusal there.
pub fn explain(here: Protocol, spoken: Protocol) -> String {
    format!(
        "this socket takes {}, and no {}",
        requests(here),
        requests(spoken)
    )
}

fn requests(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Exec => "requests of the exec protocol (netstrings)",
        Protocol::Sockproc => "shell commands of the sockproc protocol",
        Protocol::Control => "messages of the control protocol",
    }
}

/// A server that answers in another protocol than its client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrongSocket {
    ours: Protocol,
    theirs: Protocol,
}

impl WrongSocket {
    /// By the first bytes of an answer to a client of the exec protocol.
    pub fn for_exec(answer: &[u8]) -> Option<Self> {
        Self::by(answer, Protocol::Exec)
    }

    /// By the first bytes of an answer to a client of the control protocol.
    pub fn for_control(answer: &[u8]) -> Option<Self> {
        Self::by(answer, Protocol::Control)
    }

    fn by(answer: &[u8], ours: Protocol) -> Option<Self> {
        let theirs = of_reply(answer).filter(|theirs| *theirs != ours)?;
        Some(Self { ours, theirs })
    }
}

impl fmt::Display for WrongSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (ours, theirs) = (self.ours.name(), self.theirs.name());
        write!(
            f,
            "the wrong socket: it speaks the {theirs} protocol, and not the {ours} protocol"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_and_replies_are_recognised_by_their_first_bytes() {
        for (bytes, protocol) in [
            (b"1:2,", Some(Protocol::Exec)),
            (b"2:10", Some(Protocol::Exec)),
            (b"echo", Some(Protocol::Sockproc)),
            (b"GET ", None),
            (b"id\r\n", None),
            (b"\0\x20\0\0", None),
        ] {
            assert_eq!(of_length(*bytes), protocol, "{bytes:?}");
        }
        for (byte, protocol) in [
            (0, Some(Protocol::Control)),
            (b'e', Some(Protocol::Sockproc)),
            (b'-', None),
            (b'\n', None),
        ] {
            assert_eq!(of_first(byte), protocol, "{byte}");
        }
        for (bytes, protocol) in [
            (&b"6:stderr,3:abc,"[..], Some(Protocol::Exec)),
            (b"8:exitcode,1:0,", Some(Protocol::Exec)),
            (b"status:0\r\n", Some(Protocol::Sockproc)),
            (b"\0\0\0\x0e:{\"cmd\"", Some(Protocol::Control)),
            (b"6:state,", None),
            (b"", None),
            (b"HTTP/1.1 400", None),
        ] {
            assert_eq!(of_reply(bytes), protocol, "{bytes:?}");
        }
    }
}
