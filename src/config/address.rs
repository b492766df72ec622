//! Where to listen: a path, or a port of this machine.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A UNIX socket.
    Path(PathBuf),
    /// A TCP socket, on a loopback address.
    Tcp(SocketAddr),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => path.display().fmt(f),
            Self::Tcp(address) => address.fmt(f),
        }
    }
}

impl Address {
    /// Takes digits alone as a port of 127.0.0.1, an IP address and a port as themselves if
    /// the address is a loopback one, and anything else as a path.
    ///
    /// # Errors
    ///
    /// The text has the accepted values: another machine could reach the address, there is no
    /// such port, or it looks like a host's name and a port, which a path seldom does.
    pub fn parse(text: &str) -> Result<Self, String> {
        const PORTS: &str = "not a port from 1 to 65535";
        let digits = text.strip_prefix('-').unwrap_or(text);
        if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) {
            return match text.parse() {
                Ok(port @ 1..) => Ok(Self::Tcp((Ipv4Addr::LOCALHOST, port).into())),
                _ => Err(format!("{PORTS} (a file of that name is ./{text})")),
            };
        }
        if let Ok(address) = text.parse::<SocketAddr>() {
            if !address.ip().to_canonical().is_loopback() {
                return Err(format!(
                    "{} is not a loopback address, and every client that reaches the port may run programs: \
                     only 127.0.0.0/8 and [::1] are accepted",
                    address.ip()
                ));
            }
            if address.port() == 0 {
                return Err(PORTS.into());
            }
            return Ok(Self::Tcp(address));
        }
        if is_host_and_port(text) {
            return Err(format!(
                "a host must be an IP address, such as 127.0.0.1:80 or [::1]:80 (a file of that \
                 name is ./{text})"
            ));
        }
        if text.is_empty() {
            return Err("not a path nor a port".into());
        }
        Ok(Self::Path(text.into()))
    }
}

/// Whether it would be a name and a port, if names were asked for.
fn is_host_and_port(text: &str) -> bool {
    !text.contains('/')
        && text
            .rsplit_once(':')
            .is_some_and(|(_, port)| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()))
}

/// The same path for a process that has changed its directory. If the directory is not known,
/// the path is returned unchanged.
pub(super) fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_loopback_addresses_and_paths() {
        for (text, address) in [
            ("1", Some("127.0.0.1:1")),
            ("65535", Some("127.0.0.1:65535")),
            ("127.3.2.1:80", Some("127.3.2.1:80")),
            ("[::1]:80", Some("[::1]:80")),
            ("[::ffff:127.0.0.1]:80", Some("[::ffff:127.0.0.1]:80")),
            ("./80", None),
            ("/run/my.sock", None),
            ("my.sock", None),
            ("/run/x:80", None),
            ("80x", None),
        ] {
            let expected = match address {
                Some(address) => Address::Tcp(address.parse().unwrap()),
                None => Address::Path(text.into()),
            };
            assert_eq!(Address::parse(text), Ok(expected));
        }
    }

    #[test]
    fn what_others_could_reach_is_refused() {
        for (text, words) in [
            ("0", "1 to 65535"),
            ("-1", "1 to 65535"),
            ("65536", "1 to 65535"),
            ("99999999999999999999", "1 to 65535"),
            ("127.0.0.1:0", "1 to 65535"),
            ("0.0.0.0:80", "only 127.0.0.0/8 and [::1]"),
            ("192.0.2.1:80", "not a loopback address"),
            ("[::]:80", "not a loopback address"),
            ("[::ffff:192.0.2.1]:80", "not a loopback address"),
            ("localhost:80", "must be an IP address"),
            ("*:80", "must be an IP address"),
            (":80", "must be an IP address"),
            ("", "not a path"),
        ] {
            let error = Address::parse(text).unwrap_err();
            assert!(error.contains(words), "{text}: {error}");
        }
    }
}
