//! The daemon: from the command line to a server that runs.

use std::io;
use std::os::fd::AsFd;
use std::process::ExitCode;
use std::time::Duration;

use clap::error::ErrorKind;
use log::LevelFilter;
use sockexec::config::{Config, LogTo, Source};
use sockexec::log::Target;
use sockexec::os::descriptors;
use sockexec::os::environment::Environment;
use sockexec::os::launch::{FIRST_FREE, Launcher};
use sockexec::os::listen::{self, Inherited};
use sockexec::os::memory;
use sockexec::os::notify::Notifier;
use sockexec::os::poller::LISTENERS_MAX;
use sockexec::os::signals::Signals;
use sockexec::server::{Listener, Server, Settings};
use sockexec::session::policy::Budget;

/// The command line is wrong.
const USAGE: u8 = 100;

/// The system refused something.
const SYSTEM: u8 = 111;

/// How long a server that inetd started waits for the next client.
const INETD_IDLE: Duration = Duration::from_secs(30);

/// Names of sockets that are not for the exec protocol. Any other name is.
const RESERVED: [&str; 2] = ["sockproc", "control"];

/// Why the server does not run.
enum Fatal {
    Usage(String),
    System(String),
}

impl Fatal {
    fn system(what: &str) -> impl FnOnce(io::Error) -> Self {
        let what = what.to_owned();
        move |error| Self::System(format!("{what}: {error}"))
    }
}

fn main() -> ExitCode {
    let mut source = match Source::from_command_line() {
        Ok(source) => source,
        Err(error) => {
            // Help and version come this way too, and are no errors.
            let _ = error.print();
            return match error.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => ExitCode::SUCCESS,
                _ => ExitCode::from(USAGE),
            };
        }
    };
    let result = source
        .load()
        .map_err(Fatal::Usage)
        .and_then(|config| run(&config));
    let (code, message) = match result {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Fatal::Usage(message)) => (USAGE, message),
        Err(Fatal::System(message)) => (SYSTEM, message),
    };
    if log::max_level() == LevelFilter::Off {
        eprintln!("sockexec: {message}");
    } else {
        log::error!("{message}");
        sockexec::log::flush();
    }
    ExitCode::from(code)
}

fn run(config: &Config) -> Result<(), Fatal> {
    memory::give_back_large_pieces();
    let inherited = inherit(config)?;
    if config.path.is_none() && inherited.is_empty() {
        return Err(Fatal::Usage(
            "no PATH to listen at, and no socket was handed over (see --help)".into(),
        ));
    }
    // Before anything else is opened: these numbers are taken from whoever has them.
    let limit = descriptors::raise_limit().map_err(Fatal::system("the limit of descriptors"))?;
    let launcher = Launcher::new(Environment::inherited(), limit)
        .map_err(Fatal::system("starting programs"))?;
    let wanted = config.max_connections as usize;
    let available = usize::try_from(limit.raised).unwrap_or(usize::MAX);
    descriptors::reserve(
        launcher.null().as_fd(),
        limit.raised.min(Budget::needed(wanted) as u64),
    );
    start_log(config, &inherited);
    let signals = Signals::new().map_err(Fatal::system("signals"))?;
    let budget = Budget::new(wanted, available);
    if available < Budget::needed(wanted) {
        log::warn!(
            "-m {wanted} needs {} descriptors and the hard limit is {available}: serving {} \
             connections with {} programs at once",
            Budget::needed(wanted),
            budget.connections_max,
            budget.programs_max
        );
    }
    let path = config.path.as_ref().filter(|_| inherited.is_empty());
    if let Some(unused) = config.path.as_ref().filter(|_| path.is_none()) {
        log::warn!(
            "{} is not used: sockets were handed over, which come first",
            unused.display()
        );
    }
    let listens = path.is_some() || inherited.iter().any(|i| i.listens);
    let settings = Settings {
        limits: config.limits.clone(),
        budget,
        stop_grace: config.stop_grace,
        idle_exit: match config.idle_exit {
            Some(idle) => Some(idle).filter(|idle| !idle.is_zero()),
            None => (config.inetd && listens).then_some(INETD_IDLE),
        },
    };
    let notifier = if config.inetd {
        Notifier::none()
    } else {
        Notifier::from_env()
    };
    let mut server = Server::new(settings, launcher, signals, notifier)
        .map_err(Fatal::system("waiting for events"))?;
    for given in inherited {
        if given.listens {
            log::info!("serving {}, handed over", listen::describe(&given.socket));
            server.listen(Listener {
                socket: given.socket,
                bound: None,
            });
        } else {
            server
                .serve(given.socket)
                .map_err(Fatal::system("the client handed over"))?;
        }
    }
    if let Some(path) = path {
        let (socket, bound) = listen::listen_at(path, config.mode, config.queue as usize)
            .map_err(Fatal::system(&path.display().to_string()))?;
        log::info!("serving {}", bound.path().display());
        server.listen(Listener {
            socket,
            bound: Some(bound),
        });
    }
    server.run().map_err(Fatal::system("waiting for events"))
}

/// The sockets that came with the process.
fn inherit(config: &Config) -> Result<Vec<Inherited>, Fatal> {
    let activated =
        listen::from_activation(FIRST_FREE).map_err(Fatal::system("socket activation"))?;
    if !activated.is_empty() {
        return check(activated);
    }
    if config.inetd {
        let socket = listen::from_stdin(FIRST_FREE).map_err(Fatal::system("--inetd"))?;
        return check(vec![socket]);
    }
    Ok(Vec::new())
}

fn check(inherited: Vec<Inherited>) -> Result<Vec<Inherited>, Fatal> {
    for name in inherited.iter().filter_map(|i| i.name.as_deref()) {
        // Whoever may connect to one of these must not get a server that runs programs.
        if RESERVED.contains(&name) {
            return Err(Fatal::Usage(format!(
                "a socket named {name} was handed over, and this version does not speak that protocol"
            )));
        }
    }
    if inherited.len() > LISTENERS_MAX {
        return Err(Fatal::Usage(format!(
            "{} sockets handed over, at most {LISTENERS_MAX} can be served",
            inherited.len()
        )));
    }
    Ok(inherited)
}

fn start_log(config: &Config, inherited: &[Inherited]) {
    let service =
        config.inetd || !inherited.is_empty() || std::env::var_os("NOTIFY_SOCKET").is_some();
    let target = match config.log {
        LogTo::Syslog => Target::Syslog,
        LogTo::Stderr => Target::Stderr,
        // Under inetd standard error is the client.
        LogTo::Auto if config.inetd => Target::Syslog,
        LogTo::Auto if service && sockexec::log::has_syslog() => Target::Syslog,
        LogTo::Auto => Target::Stderr,
    };
    sockexec::log::start(target, config.level);
}
