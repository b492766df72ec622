//! A client of the exec protocol that can do everything wrong, too.

use super::reply::{self, Reply};
use super::{PATIENCE, process};
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, UnixAddr, connect, setsockopt, socket, sockopt,
};
use nix::sys::time::TimeVal;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

/// One connection. No wait on it is longer than [`PATIENCE`].
#[derive(Debug)]
pub struct Client {
    stream: UnixStream,
    /// What is not yet a pair.
    received: Vec<u8>,
    /// What of stdout is not yet a line, or not yet asked for.
    text: Vec<u8>,
}

impl From<UnixStream> for Client {
    /// Takes over a connection.
    fn from(stream: UnixStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self {
            stream,
            received: Vec::new(),
            text: Vec::new(),
        }
    }
}

impl Client {
    #[track_caller]
    pub fn connect(path: &Path) -> Self {
        Self::try_connect(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    }

    pub fn try_connect(path: &Path) -> io::Result<Self> {
        let fd = socket(
            AddressFamily::Unix,
            SockType::Stream,
            SockFlag::SOCK_CLOEXEC,
            None,
        )?;
        // A full listen queue makes connect wait for as long as a send may.
        let patience = TimeVal::new(PATIENCE.as_secs().try_into().unwrap(), 0);
        setsockopt(&fd, sockopt::SendTimeout, &patience)?;
        setsockopt(&fd, sockopt::ReceiveTimeout, &patience)?;
        connect(std::os::fd::AsRawFd::as_raw_fd(&fd), &UnixAddr::new(path)?)?;
        Ok(UnixStream::from(fd).into())
    }

    pub fn stream(&self) -> &UnixStream {
        &self.stream
    }

    #[track_caller]
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).unwrap();
    }

    /// Sends bytes and waits until the server has taken them all, so that what follows
    /// comes to it as another piece. A server that has stopped reading is not waited for.
    pub fn send_piece(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)?;
        let end = Instant::now() + Duration::from_millis(100);
        while process::unread(&self.stream) > 0 && Instant::now() < end {
            std::thread::yield_now();
        }
        Ok(())
    }

    /// Sends one netstring.
    #[track_caller]
    pub fn send_netstring(&mut self, data: &[u8]) {
        let mut bytes = Vec::new();
        reply::put(&mut bytes, data);
        self.send(bytes);
    }

    /// Shuts down the writing side.
    pub fn end(&self) {
        // The server may have closed already; the reply has the result.
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Waits for the next pair.
    #[track_caller]
    pub fn pair(&mut self) -> (String, Vec<u8>) {
        loop {
            if let Some(((kind, data), rest)) = reply::pair(&self.received).unwrap() {
                let found = (String::from_utf8(kind.to_vec()).unwrap(), data.to_vec());
                self.received = rest.to_vec();
                return found;
            }
            let mut bytes = [0; 4096];
            let count = match self.stream.read(&mut bytes) {
                // The tests were stopped and went on, which ends a wait that has a limit.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                count => count.expect("a pair"),
            };
            assert_ne!(
                count,
                0,
                "the end instead of a pair, after \"{}\"",
                reply::shorten(&self.received)
            );
            self.received.extend_from_slice(&bytes[..count]);
        }
    }

    /// Waits for stdout up to the end of a line, and returns the line.
    #[track_caller]
    pub fn line(&mut self) -> String {
        let end = loop {
            if let Some(at) = self.text.iter().position(|&b| b == b'\n') {
                break at;
            }
            let (kind, data) = self.pair();
            assert_eq!(kind, "stdout", "{}", data.escape_ascii());
            self.text.extend_from_slice(&data);
        };
        let rest = self.text.split_off(end + 1);
        let mut line = std::mem::replace(&mut self.text, rest);
        line.pop();
        String::from_utf8(line).unwrap()
    }

    /// Waits for a line that is a number, such as a process's id.
    #[track_caller]
    pub fn number(&mut self) -> u32 {
        let line = self.line();
        line.parse().unwrap_or_else(|_| panic!("{line:?}"))
    }

    /// Waits for the end of the reply and returns all bytes not yet taken as pairs.
    #[track_caller]
    pub fn try_rest(mut self) -> io::Result<Vec<u8>> {
        assert_eq!(self.text, b"", "lines that were not asked for");
        self.stream.read_to_end(&mut self.received)?;
        Ok(self.received)
    }

    /// Waits for the end of the reply.
    #[track_caller]
    pub fn reply(self) -> Reply {
        Reply::parse(&self.try_rest().expect("a reply"))
    }
}

/// The head of a request: everything up to the last argument.
pub fn request(arguments: &[impl AsRef<[u8]>]) -> Vec<u8> {
    let mut out = Vec::new();
    reply::put(&mut out, arguments.len().to_string().as_bytes());
    for argument in arguments {
        reply::put(&mut out, argument.as_ref());
    }
    out
}

/// The head of a request for a shell script.
pub fn shell(script: &str) -> Vec<u8> {
    request(&["sh", "-c", script])
}

/// The empty netstring, the end of the program's input.
pub const END: &[u8] = b"0:,";
