//! The client's side of the sockproc protocol: requests, and replies checked against each
//! rule about them.

use super::reply::shorten;
use super::{Client, Daemon, PATIENCE};
use std::io::{Read, Write};
use std::net::TcpStream;

/// A request for this command with this standard input.
pub fn request(command: impl AsRef<[u8]>, stdin: impl AsRef<[u8]>) -> Vec<u8> {
    let (command, stdin) = (command.as_ref(), stdin.as_ref());
    let count = stdin.len().to_string();
    [command, b"\r\n", count.as_bytes(), b"\r\n", stdin].concat()
}

/// A whole reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// As wait(2) encodes it.
    pub status: i32,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
}

impl Reply {
    /// Reads a whole reply and panics where it breaks a rule.
    #[track_caller]
    pub fn parse(bytes: &[u8]) -> Self {
        match Self::try_parse(bytes) {
            Ok(reply) => reply,
            Err(error) => panic!("{error} in the reply \"{}\"", shorten(bytes)),
        }
    }

    pub fn try_parse(bytes: &[u8]) -> Result<Self, String> {
        let rest = bytes.strip_prefix(b"status:").ok_or("no status")?;
        let (status, rest) = number(rest)?;
        let (stdout, rest) = output(rest)?;
        let (stderr, rest) = output(rest)?;
        if !rest.is_empty() {
            return Err(format!("\"{}\" after the end", shorten(rest)));
        }
        Ok(Self {
            status: i32::try_from(status).map_err(|e| e.to_string())?,
            stdout: stdout.to_vec(),
            stderr: stderr.to_vec(),
        })
    }

    pub fn out(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    pub fn err(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }

    /// Checks that the command succeeded, and returns what it wrote.
    #[track_caller]
    pub fn succeeded(self) -> String {
        assert_eq!(self.status, 0, "{}{}", self.out(), self.err());
        self.out()
    }

    /// Checks for a fault with this exit code whose reason, the last line of stderr, has
    /// all these words.
    #[track_caller]
    pub fn refused(&self, code: i32, words: &[&str]) {
        assert_eq!(self.status, code << 8, "{}{}", self.out(), self.err());
        self.reason(words);
    }

    /// Checks the reason of a fault.
    #[track_caller]
    pub fn reason(&self, words: &[&str]) {
        let text = self.err();
        let reason = text.lines().next_back().unwrap_or_default();
        assert!(
            text.ends_with('\n') && reason.starts_with("sockexec: "),
            "{text}"
        );
        for word in words {
            assert!(reason.contains(word), "no \"{word}\" in \"{reason}\"");
        }
    }
}

/// The number in the first line of `bytes`, and what follows that line.
pub fn number(bytes: &[u8]) -> Result<(u64, &[u8]), String> {
    let digits = bytes.iter().take_while(|b| b.is_ascii_digit()).count();
    let rest = bytes[digits..].strip_prefix(b"\r\n");
    let text = std::str::from_utf8(&bytes[..digits]).expect("digits");
    match (rest, text.parse()) {
        (Some(rest), Ok(number)) if text == "0" || !text.starts_with('0') => Ok((number, rest)),
        _ => Err(format!("no number in \"{}\"", shorten(bytes))),
    }
}

fn output(bytes: &[u8]) -> Result<(&[u8], &[u8]), String> {
    let (size, rest) = number(bytes)?;
    let size = usize::try_from(size).map_err(|e| e.to_string())?;
    rest.split_at_checked(size)
        .ok_or_else(|| format!("{} of {size} bytes of output", rest.len()))
}

/// Runs a command without stdin and waits for its reply.
#[track_caller]
pub fn run(daemon: &Daemon, command: &str) -> Reply {
    run_with_stdin(daemon, command, b"")
}

/// Runs a command and waits for its reply.
#[track_caller]
pub fn run_with_stdin(daemon: &Daemon, command: &str, stdin: &[u8]) -> Reply {
    reply(daemon.begin(request(command, stdin)))
}

/// Waits for the end of the reply.
#[track_caller]
pub fn reply(client: Client) -> Reply {
    Reply::parse(&client.try_rest().expect("a reply"))
}

/// Runs a command over TCP, as telnet would: the writing side stays open.
#[track_caller]
pub fn run_tcp(port: u16, command: &str) -> Reply {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(&request(command, b"")).unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).expect("a reply");
    Reply::parse(&bytes)
}
