//! Standard input and output, on which an HTTP client is: a socket from a service manager, or pipes.
//!
//! No client holds this process for long: each wait has an end.

use std::io::{self, Write as _};
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{MsgFlags, Shutdown, send, shutdown};

use super::request::{Refusal, SIZE_MAX, length};

/// How long a client may send more after its answer. A socket that is closed with unread bytes
/// would have the kernel drop the answer.
const LINGER: Duration = Duration::from_secs(1);

/// The maximum number of bytes that are read then.
const LINGER_SIZE: usize = 64 * 1024;

/// See the module.
#[derive(Debug)]
pub struct Exchange {
    timeout: Duration,
}

impl Exchange {
    /// An exchange in which the request, and then the answer, may take `timeout`.
    pub fn new(timeout: Duration) -> Self {
        Self { timeout }
    }

    /// Reads the request. `None`: the client has gone, or waits, without a byte of it.
    ///
    /// # Errors
    ///
    /// When it is cut short, late or too large.
    pub fn request(&mut self) -> Result<Option<Vec<u8>>, Refusal> {
        let deadline = Instant::now() + self.timeout;
        let mut bytes = Vec::new();
        loop {
            let Some(more) = read(deadline, SIZE_MAX + 1 - bytes.len()) else {
                return match bytes.is_empty() {
                    true => Ok(None),
                    false => Err(Refusal::Late),
                };
            };
            if more.is_empty() {
                return match bytes.is_empty() {
                    true => Ok(None),
                    false => Err(Refusal::Malformed),
                };
            }
            bytes.extend_from_slice(&more);
            if let Some(length) = length(&bytes).filter(|length| *length <= SIZE_MAX) {
                bytes.truncate(length);
                return Ok(Some(bytes));
            }
            if bytes.len() > SIZE_MAX {
                return Err(Refusal::TooLarge);
            }
        }
    }

    /// Sends the answer. A client that has gone is no failure of this process.
    pub fn answer(&mut self, bytes: &[u8]) {
        if write_all(bytes, Instant::now() + self.timeout).is_ok() {
            linger();
        }
    }
}

/// Waits until a descriptor is ready. Returns whether it is, before the deadline.
fn wait(fd: BorrowedFd<'_>, flags: PollFlags, deadline: Instant) -> bool {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return false;
        }
        // A wait of less than a millisecond would not be one.
        let left = left.max(Duration::from_millis(1));
        let left = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        match poll(&mut [PollFd::new(fd, flags)], left) {
            Ok(0) | Err(Errno::EINTR) => {}
            // Reading or writing then shows an error.
            Ok(_) | Err(_) => return true,
        }
    }
}

/// Reads at most `size` bytes; none at the end, and after an error. `None`: nothing came in time.
fn read(deadline: Instant, size: usize) -> Option<Vec<u8>> {
    // Not by way of `Stdin::read`, which reads ahead: no wait would show that.
    let stdin = io::stdin();
    let mut bytes = vec![0; size];
    while wait(stdin.as_fd(), PollFlags::POLLIN, deadline) {
        match nix::unistd::read(stdin.as_fd(), &mut bytes) {
            Err(Errno::EAGAIN | Errno::EINTR) => {}
            result => {
                bytes.truncate(result.unwrap_or(0));
                return Some(bytes);
            }
        }
    }
    None
}

/// Writes all bytes, for as long as the client takes some before the deadline.
fn write_all(mut bytes: &[u8], deadline: Instant) -> io::Result<()> {
    let stdout = io::stdout();
    while !bytes.is_empty() {
        if !wait(stdout.as_fd(), PollFlags::POLLOUT, deadline) {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
        match send(stdout.as_raw_fd(), bytes, flags) {
            Ok(count) => bytes = &bytes[count..],
            Err(Errno::EAGAIN | Errno::EINTR) => {}
            // A pipe or a file, of a shell that waits for it.
            Err(Errno::ENOTSOCK) => {
                let mut stdout = stdout.lock();
                return stdout.write_all(bytes).and_then(|()| stdout.flush());
            }
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}

/// Ends the answer, and reads what the client still sends, until it closes its side.
fn linger() {
    if shutdown(io::stdout().as_raw_fd(), Shutdown::Write).is_err() {
        return;
    }
    let deadline = Instant::now() + LINGER;
    let mut left = LINGER_SIZE;
    while left > 0 {
        match read(deadline, left) {
            Some(bytes) if !bytes.is_empty() => left -= bytes.len(),
            Some(_) | None => return,
        }
    }
}
