//! The listening sockets: those that were handed over, and those that the server makes itself.

use std::os::fd::{AsFd as _, OwnedFd};
use std::path::PathBuf;

use sockexec::config::{Address, Config};
use sockexec::execution::Account;
use sockexec::os::listen::{self, Inherited};
use sockexec::os::poller::LISTENERS_MAX;
use sockexec::server::{Listener, Own};
use sockexec::wire::{Protocol, Purpose};

use crate::Fatal;

/// Permissions of a control socket: the server answers only root and its own user anyway.
const CONTROL_MODE: u32 = 0o600;

/// A client's connection that was handed over, and its protocol.
type Client = (OwnedFd, Protocol);

/// The listening sockets to be: first those that were handed over, then those of the command
/// line, for the other protocols.
pub(crate) struct Listening {
    inherited: Vec<(Protocol, Inherited)>,
    own: Vec<(Protocol, Address)>,
    unused: Vec<Address>,
}

impl Listening {
    pub(crate) fn new(config: &Config, inherited: Vec<Inherited>) -> Result<Self, Fatal> {
        let inherited: Vec<_> = inherited
            .into_iter()
            .map(|socket| (Protocol::of_socket(socket.name.as_deref()), socket))
            .collect();
        let is_given = |protocol| inherited.iter().any(|(given, _)| *given == protocol);
        let addresses = config.listen.iter().cloned();
        let (unused, own): (Vec<_>, Vec<_>) =
            addresses.partition(|(protocol, _)| is_given(*protocol));
        let plan = Self {
            inherited,
            own,
            unused: unused.into_iter().map(|(_, address)| address).collect(),
        };
        if !plan.has(|protocol| protocol.purpose() == Purpose::Program) {
            return Err(Fatal::Usage(
                "no PATH to listen at, no --sockproc, and no socket for programs was handed over \
                 (see --help)"
                    .into(),
            ));
        }
        if plan.inherited.len() > LISTENERS_MAX {
            return Err(Fatal::Usage(format!(
                "{} sockets handed over, at most {LISTENERS_MAX} can be served",
                plan.inherited.len()
            )));
        }
        if plan.len() > LISTENERS_MAX {
            return Err(Fatal::Usage(format!(
                "{} sockets to listen on, at most {LISTENERS_MAX} can be served",
                plan.len()
            )));
        }
        Ok(plan)
    }

    /// Whether any socket is for a protocol like this.
    pub(crate) fn has(&self, is_meant: impl Fn(Protocol) -> bool) -> bool {
        let inherited = self.inherited.iter().map(|(protocol, _)| *protocol);
        let own = self.own.iter().map(|(protocol, _)| *protocol);
        inherited.chain(own).any(is_meant)
    }

    /// The number of sockets.
    pub(crate) fn len(&self) -> usize {
        self.inherited.len() + self.own.len()
    }

    /// Whether there will be a listening socket for clients.
    pub(crate) fn listens(&self) -> bool {
        !self.own.is_empty() || self.inherited.iter().any(|(_, socket)| socket.listens)
    }

    /// The files of the sockets that the server makes itself.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let files = self.own.iter().filter_map(|(_, address)| match address {
            Address::Path(path) => Some(path.clone()),
            Address::Tcp(_) => None,
        });
        files.collect()
    }

    /// Logs the sockets of the command line that are ignored.
    pub(crate) fn warn(&self) {
        for unused in &self.unused {
            log::warn!("{unused} is not used: a socket was handed over, which comes first");
        }
    }

    /// Opens the sockets, whose files are to be this user's. Returns listeners, and clients.
    pub(crate) fn open(
        self,
        config: &Config,
        user: Option<&Account>,
    ) -> Result<(Vec<Listener>, Vec<Client>), Fatal> {
        let (mut listeners, mut clients) = (Vec::new(), Vec::new());
        for (protocol, given) in self.inherited {
            if !given.listens {
                clients.push((given.socket, protocol));
                continue;
            }
            let address = listen::describe(given.socket.as_fd());
            log::info!("serving {address}, handed over, for {}", protocol.name());
            listeners.push(Listener::handed_over(given.socket, protocol));
        }
        for (protocol, address) in self.own {
            listeners.push(open(&address, protocol, config, user)?);
        }
        Ok((listeners, clients))
    }
}

/// Listens at an address.
fn open(
    address: &Address,
    protocol: Protocol,
    config: &Config,
    user: Option<&Account>,
) -> Result<Listener, Fatal> {
    let own = Own {
        address: address.clone(),
        protocol,
        mode: match protocol.purpose() {
            Purpose::Program => config.settings.mode.0,
            Purpose::Commands => CONTROL_MODE,
        },
        owner: user.map(|user| (user.uid, user.gid)),
        queue: config.settings.queue as usize,
    };
    let listener = Listener::own(own).map_err(Fatal::system(&address.to_string()))?;
    log::info!("serving {} for {}", listener.address(), protocol.name());
    Ok(listener)
}
