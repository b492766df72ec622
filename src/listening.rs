//! Where the server listens: sockets that were handed over, and those it makes itself.

use std::os::fd::{AsFd as _, OwnedFd};
use std::path::PathBuf;

use sockexec::config::{Address, Config};
use sockexec::os::listen::{self, Inherited};
use sockexec::os::tcp::listen_tcp;
use sockexec::server::{Listener, Origin};
use sockexec::wire::Protocol;

use crate::Fatal;

/// Permissions of a control socket: the server answers only root and its own user anyway.
const CONTROL_MODE: u32 = 0o600;

/// Where the server will listen: what was handed over comes first, and what the command
/// line says for the protocols for which nothing was.
pub(crate) struct Plan {
    path: Option<PathBuf>,
    sockproc: Option<Address>,
    control: Option<PathBuf>,
    unused: Vec<String>,
    /// Somebody may ask for output that is kept until the end.
    pub(crate) spools: bool,
    /// There may be control connections.
    pub(crate) control_served: bool,
    /// There will be a socket on which clients come.
    pub(crate) listens: bool,
}

impl Plan {
    pub(crate) fn new(config: &Config, inherited: &[Inherited]) -> Result<Self, Fatal> {
        let given = |protocol| {
            inherited
                .iter()
                .any(|i| Protocol::of_socket(i.name.as_deref()) == protocol)
        };
        let mut plan = Self {
            path: config.path.clone(),
            sockproc: config.sockproc.clone(),
            control: config.control.clone(),
            unused: Vec::new(),
            spools: config.sockproc.is_some() || given(Protocol::Sockproc),
            control_served: config.control.is_some() || given(Protocol::Control),
            listens: false,
        };
        let path = |path: PathBuf| path.display().to_string();
        if given(Protocol::Exec) {
            plan.unused.extend(plan.path.take().map(path));
        }
        if given(Protocol::Sockproc) {
            let address = plan.sockproc.take();
            plan.unused
                .extend(address.map(|address| address.to_string()));
        }
        if given(Protocol::Control) {
            plan.unused.extend(plan.control.take().map(path));
        }
        let own = plan.path.is_some() || plan.sockproc.is_some();
        let programs = own || given(Protocol::Exec) || given(Protocol::Sockproc);
        plan.listens = own || plan.control.is_some() || inherited.iter().any(|i| i.listens);
        if !programs {
            return Err(Fatal::Usage(
                "no PATH to listen at, no --sockproc, and no socket for programs was handed over \
                 (see --help)"
                    .into(),
            ));
        }
        Ok(plan)
    }

    /// Tells what the command line says in vain.
    pub(crate) fn warn(&self) {
        for unused in &self.unused {
            log::warn!("{unused} is not used: a socket was handed over, which comes first");
        }
    }

    /// Opens what is to be opened. Returns what listens, and clients.
    #[allow(clippy::type_complexity)]
    pub(crate) fn open(
        self,
        config: &Config,
        inherited: Vec<Inherited>,
    ) -> Result<(Vec<Listener>, Vec<(OwnedFd, Protocol)>), Fatal> {
        let (mut listeners, mut clients) = (Vec::new(), Vec::new());
        for given in inherited {
            let protocol = Protocol::of_socket(given.name.as_deref());
            if !given.listens {
                clients.push((given.socket, protocol));
                continue;
            }
            let address = listen::describe(given.socket.as_fd());
            log::info!("serving {address}, handed over, for {}", protocol.name());
            listeners.push(Listener {
                socket: given.socket,
                protocol,
                origin: Origin::HandedOver,
            });
        }
        let paths = [
            (self.path, Protocol::Exec),
            (self.control, Protocol::Control),
        ];
        let mut addresses: Vec<(Address, Protocol)> = paths
            .into_iter()
            .filter_map(|(path, protocol)| Some((Address::Path(path?), protocol)))
            .collect();
        addresses.extend(self.sockproc.map(|address| (address, Protocol::Sockproc)));
        for (address, protocol) in addresses {
            listeners.push(open(&address, protocol, config)?);
        }
        Ok((listeners, clients))
    }
}

/// Listens at an address.
fn open(address: &Address, protocol: Protocol, config: &Config) -> Result<Listener, Fatal> {
    let queue = config.queue as usize;
    let (socket, origin) = match address {
        Address::Path(path) => {
            let mode = match protocol {
                Protocol::Control => CONTROL_MODE,
                Protocol::Exec | Protocol::Sockproc => config.mode,
            };
            let (socket, bound) = listen::listen_at(path, mode, queue)
                .map_err(Fatal::system(&path.display().to_string()))?;
            log::info!("serving {} for {}", bound.path().display(), protocol.name());
            (socket, Origin::Bound(bound))
        }
        Address::Tcp(address) => {
            let socket =
                listen_tcp(*address, queue).map_err(Fatal::system(&address.to_string()))?;
            log::info!("serving {address} for {}", protocol.name());
            (socket, Origin::Address)
        }
    };
    Ok(Listener {
        socket,
        protocol,
        origin,
    })
}
