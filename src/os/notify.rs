//! Word to the service manager (sd_notify(3)), which never blocks, not even when the manager does.

use std::env;
use std::ffi::OsStr;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use sd_notify::NotifyState;

/// The service manager, if there is one that wants to hear.
#[derive(Debug)]
pub struct Notifier {
    socket: Option<UnixDatagram>,
    watchdog: Option<Duration>,
}

impl Notifier {
    /// Finds the manager that started this process. One that started only the parent is
    /// not ours: inetd passes on what it was given, and WATCHDOG_PID tells.
    pub fn from_env() -> Self {
        let foreign =
            env::var("WATCHDOG_PID").is_ok_and(|pid| pid != std::process::id().to_string());
        let socket = env::var_os("NOTIFY_SOCKET").filter(|_| !foreign);
        Self {
            socket: socket.and_then(|path| connect(&path).ok()),
            watchdog: sd_notify::watchdog_enabled(),
        }
    }

    /// No manager: whoever started this process did it on behalf of somebody else.
    pub fn none() -> Self {
        Self {
            socket: None,
            watchdog: None,
        }
    }

    /// Whether there is a manager.
    pub fn is_heard(&self) -> bool {
        self.socket.is_some()
    }

    /// Within which time the manager wants to hear of us, again and again.
    pub fn watchdog(&self) -> Option<Duration> {
        self.socket.as_ref().and(self.watchdog)
    }

    /// Tells the manager `states`. What it does not take at once is lost: each state is
    /// repeated, or followed by one that says more.
    pub fn notify(&self, states: &[NotifyState<'_>]) {
        if let Some(socket) = &self.socket {
            let message: String = states.iter().map(|state| format!("{state}\n")).collect();
            let _ = socket.send(message.as_bytes());
        }
    }
}

fn connect(path: &OsStr) -> std::io::Result<UnixDatagram> {
    let address = match path.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(path)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.connect_addr(&address)?;
    Ok(socket)
}
