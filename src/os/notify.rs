//! Notifications to the service manager (sd_notify(3)). Sending one never blocks, even if the
//! manager is blocked.
//!
//! Notifications that the manager does not accept, because its queue is full or it restarts, wait
//! here and are sent again: without READY=1 the manager ends the server after its start timeout,
//! and after RELOADING=1 it waits for READY=1.

use std::collections::VecDeque;
use std::env;
use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use sd_notify::NotifyState;

/// How long to wait while the manager's queue is full.
const FULL: Duration = Duration::from_millis(100);

/// How long to wait while there is no manager.
const GONE: Duration = Duration::from_secs(1);

/// Whether systemd has started this process itself, as a command of a unit: each process that it starts
/// has the variable, with that process's number.
pub fn is_started_by_manager() -> bool {
    env::var("SYSTEMD_EXEC_PID").is_ok_and(|pid| pid == std::process::id().to_string())
}

/// The service manager, if there is one that wants notifications.
#[derive(Debug)]
pub struct Notifier {
    manager: Option<Manager>,
    watchdog: Option<Duration>,
}

#[derive(Debug)]
struct Manager {
    address: SocketAddr,
    socket: UnixDatagram,
    /// Notifications that it has not accepted, in order.
    queue: VecDeque<String>,
    /// It is not there.
    gone: bool,
}

impl Notifier {
    /// Finds the manager that started this process. A manager of the parent only is not ours:
    /// inetd passes on its own variables, and WATCHDOG_PID shows that.
    pub fn from_env() -> Self {
        let foreign =
            env::var("WATCHDOG_PID").is_ok_and(|pid| pid != std::process::id().to_string());
        let socket = env::var_os("NOTIFY_SOCKET").filter(|_| !foreign);
        Self {
            manager: socket.and_then(|path| Manager::at(&path).ok()),
            watchdog: sd_notify::watchdog_enabled(),
        }
    }

    /// No manager: a superserver started this process for a client.
    pub fn none() -> Self {
        Self {
            manager: None,
            watchdog: None,
        }
    }

    /// Whether there is a manager.
    pub fn has_manager(&self) -> bool {
        self.manager.is_some()
    }

    /// The watchdog interval of the manager.
    pub fn watchdog(&self) -> Option<Duration> {
        self.manager.as_ref().and(self.watchdog)
    }

    /// Notifies the manager of `states`; the first is the key of the message. A message that it does
    /// not accept at once waits for [`Notifier::flush_or_retry_after`].
    pub fn notify(&mut self, states: &[NotifyState<'_>]) {
        if let Some(manager) = &mut self.manager {
            manager.put(
                states
                    .iter()
                    .map(|state| state.to_string() + "\n")
                    .collect(),
            );
            manager.flush();
        }
    }

    /// Sends waiting notifications again. Returns the time to wait before the next attempt, or
    /// `None` when none waits any more.
    pub fn flush_or_retry_after(&mut self) -> Option<Duration> {
        let manager = self.manager.as_mut()?;
        manager.flush();
        match (manager.queue.is_empty(), manager.gone) {
            (true, _) => None,
            (false, false) => Some(FULL),
            (false, true) => Some(GONE),
        }
    }
}

impl Manager {
    fn at(path: &OsStr) -> io::Result<Self> {
        let address = match path.as_bytes().strip_prefix(b"@") {
            Some(name) => SocketAddr::from_abstract_name(name)?,
            None => SocketAddr::from_pathname(path)?,
        };
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        Ok(Self {
            address,
            socket,
            queue: VecDeque::new(),
            gone: false,
        })
    }

    /// Adds a message, and removes those that it makes superfluous: so there are never many,
    /// however long the manager accepts none.
    fn put(&mut self, message: String) {
        match key(&message) {
            only @ ("STATUS" | "WATCHDOG") => self.queue.retain(|other| key(other) != only),
            "RELOADING" => {
                let is_before = |other: &String| key(other) != "RELOADING";
                let before = self.queue.iter().take_while(|m| is_before(m)).count();
                let after = self.queue.split_off(before).into_iter();
                let kept = after.filter(|m| !matches!(key(m), "RELOADING" | "READY"));
                self.queue.extend(kept);
            }
            _ => {}
        }
        self.queue.push_back(message);
    }

    fn flush(&mut self) {
        self.gone = false;
        while let Some(message) = self.queue.front() {
            // By its address each time: after a restart the manager has another socket there.
            match self.socket.send_to_addr(message.as_bytes(), &self.address) {
                Ok(_) => {
                    self.queue.pop_front();
                }
                Err(error) => {
                    let full = [libc::EAGAIN, libc::EINTR, libc::ENOBUFS, libc::ENOMEM];
                    self.gone = !error.raw_os_error().is_some_and(|e| full.contains(&e));
                    return;
                }
            }
        }
    }
}

/// The key of a message.
fn key(message: &str) -> &str {
    message.split('=').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manager(name: &str) -> (Notifier, UnixDatagram) {
        let name = format!("sockexec-notify-{name}-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let theirs = UnixDatagram::bind_addr(&address).unwrap();
        theirs.set_nonblocking(true).unwrap();
        let manager = Manager::at(format!("@{name}").as_ref()).unwrap();
        let notifier = Notifier {
            manager: Some(manager),
            watchdog: None,
        };
        (notifier, theirs)
    }

    fn received(theirs: &UnixDatagram) -> String {
        let mut bytes = [0; 4096];
        let mut all = String::new();
        while let Ok(n) = theirs.recv(&mut bytes) {
            all.push_str(std::str::from_utf8(&bytes[..n]).unwrap());
        }
        all
    }

    #[test]
    fn what_a_full_queue_does_not_take_comes_later_and_once() {
        let (mut notifier, theirs) = manager("full");
        let mut taken = 0;
        while notifier.flush_or_retry_after().is_none() {
            notifier.notify(&[NotifyState::Watchdog]);
            taken += 1;
        }
        for round in 0..50 {
            let status = round.to_string();
            notifier.notify(&[NotifyState::Ready]);
            for _ in 0..3 {
                notifier.notify(&[NotifyState::Reloading, NotifyState::MonotonicUsec(round)]);
                notifier.notify(&[NotifyState::Status(&status)]);
                notifier.notify(&[NotifyState::Watchdog]);
                notifier.notify(&[NotifyState::Ready]);
            }
        }
        notifier.notify(&[NotifyState::Stopping]);
        assert_eq!(notifier.flush_or_retry_after(), Some(FULL));
        assert!(notifier.manager.as_ref().unwrap().queue.len() < 8);
        let first = received(&theirs);
        assert_eq!(first.matches("WATCHDOG=1\n").count(), taken - 1);
        assert_eq!(notifier.flush_or_retry_after(), None);
        assert_eq!(
            received(&theirs),
            "READY=1\nRELOADING=1\nMONOTONIC_USEC=49\nSTATUS=49\nWATCHDOG=1\nREADY=1\nSTOPPING=1\n"
        );
    }

    #[test]
    fn a_manager_that_begins_anew_is_notified() {
        let (mut notifier, theirs) = manager("anew");
        drop(theirs);
        notifier.notify(&[NotifyState::Ready]);
        assert_eq!(notifier.flush_or_retry_after(), Some(GONE));
        let theirs = UnixDatagram::bind_addr(&notifier.manager.as_ref().unwrap().address).unwrap();
        theirs.set_nonblocking(true).unwrap();
        assert_eq!(notifier.flush_or_retry_after(), None);
        assert_eq!(received(&theirs), "READY=1\n");
    }
}
