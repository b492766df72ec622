//! The daemon: from the command line to a running server.

mod listening;
mod stepping_down;

use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::process::ExitCode;
use std::time::Duration;

use clap::error::ErrorKind;
use log::{Level, LevelFilter};
use sockexec::config::{Address, Config, Source, reason_of_refusal};
use sockexec::execution::Execution;
use sockexec::log::Target;
use sockexec::os::background::{self, Pidfile};
use sockexec::os::descriptors;
use sockexec::os::environment::Environment;
use sockexec::os::errors::reason;
use sockexec::os::launch::{FIRST_FREE, Launcher};
use sockexec::os::listen::{self, Inherited};
use sockexec::os::memory;
use sockexec::os::notify::{self, Notifier};
use sockexec::os::privileges;
use sockexec::os::signals::Signals;
use sockexec::server::{Frame, Server, explain};
use sockexec::settings::LogTo;
use sockexec::wire::{Protocol, Purpose};

use crate::listening::Listening;
use crate::stepping_down::{given_user, step_down, user_to_become};

#[global_allocator]
static ALLOCATOR: memory::Allocator = memory::Allocator;

/// The command line is wrong.
const USAGE: u8 = 100;

/// The system refused something.
const SYSTEM: u8 = 111;

/// How long a server that inetd started waits for the next client.
const INETD_IDLE: Duration = Duration::from_secs(30);

/// Why the server cannot run.
enum Fatal {
    Usage(String),
    System(String),
}

impl Fatal {
    fn system(what: &str) -> impl FnOnce(io::Error) -> Self {
        let what = what.to_owned();
        move |error| Self::System(format!("{what}: {}", reason(error)))
    }
}

fn main() -> ExitCode {
    if let Err(error) = memory::hide() {
        complain(&format!("PR_SET_DUMPABLE: {}", reason(error)));
        return ExitCode::from(SYSTEM);
    }
    if let Err(error) = privileges::keep_from_programs() {
        complain(&format!("capset: {}", reason(error)));
        return ExitCode::from(SYSTEM);
    }
    let mut source = match Source::from_command_line() {
        Ok(source) => source,
        Err(error) => return refuse(&error),
    };
    let result = source.load().map_err(Fatal::Usage).and_then(|config| {
        if source.is_check() {
            return report(&source, &config);
        }
        if let Some(asked) = source.question() {
            let question = asked.question().map_err(Fatal::Usage)?;
            let explained = explain(&config, Environment::inherited().path(), &question);
            return print(&explained.lines());
        }
        run(config, source)
    });
    let (code, message) = match result {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Fatal::Usage(message)) => (USAGE, message),
        Err(Fatal::System(message)) => (SYSTEM, message),
    };
    // To the journal by standard error, which has the unit: it may not be able to find out the unit of a
    // process that has written to syslog and ended.
    if log::max_level() == LevelFilter::Off || sockexec::log::stderr_is_journal() {
        complain(&message);
    } else {
        log::error!("{message}");
    }
    log::logger().flush();
    ExitCode::from(code)
}

/// Reports an error before the log is started.
fn complain(message: &str) {
    sockexec::log::early(Level::Error, message);
}

/// Ends with what the command line is refused for.
fn refuse(error: &clap::Error) -> ExitCode {
    if matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
    ) {
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    if sockexec::log::stderr_is_journal() {
        complain(&reason_of_refusal(error));
    } else {
        let _ = error.print();
    }
    ExitCode::from(USAGE)
}

/// Reports that the configuration is valid.
fn report(source: &Source, config: &Config) -> Result<(), Fatal> {
    given_user(config)?;
    // In its unit, with the privileges of a server. By hand it may be run by anyone.
    if notify::is_started_by_manager() {
        config.check_privileges().map_err(Fatal::Usage)?;
    }
    for (_, address) in &config.listen {
        if matches!(address, Address::Path(path) if path.is_file()) {
            return Err(Fatal::Usage(format!(
                "{address}: a file, and nowhere to listen; --config names the configuration file"
            )));
        }
    }
    if source.is_quiet() {
        return Ok(());
    }
    for warning in config.warnings() {
        sockexec::log::early(Level::Warn, &warning);
    }
    let mut lines = vec![source.verdict(config)];
    lines.extend(config.rules.summaries());
    print(&lines)
}

fn print(lines: &[String]) -> Result<(), Fatal> {
    let text = lines.join("\n");
    writeln!(io::stdout(), "{text}").map_err(Fatal::system("standard output"))
}

fn run(config: Config, source: Source) -> Result<(), Fatal> {
    memory::prepare();
    let user = user_to_become(&config)?;
    let inherited = inherit(&config)?;
    let handed_over = !inherited.is_empty();
    let plan = Listening::new(&config, inherited)?;
    let starter = match config.background {
        true => Some(background::daemonize(FIRST_FREE).map_err(Fatal::system("the background"))?),
        false => None,
    };
    // Before anything else is opened: descriptors with these numbers are replaced.
    let limit = descriptors::raise_limit().map_err(Fatal::system("the limit of descriptors"))?;
    let mut environment = Environment::inherited();
    if let Some(user) = &user {
        environment = environment.of(&Execution::default(), Some(user));
    }
    let launcher = Launcher::new(environment, limit).map_err(Fatal::system("starting programs"))?;
    let frame = Frame {
        descriptors: usize::try_from(limit.raised).unwrap_or(usize::MAX),
        listeners: plan.len(),
        spools: plan.has(Protocol::keeps_output),
        control: plan.has(|protocol| protocol.purpose() == Purpose::Commands),
        idle_exit: (config.inetd && plan.listens()).then_some(INETD_IDLE),
    };
    let demand = frame.demand(&config);
    descriptors::reserve(
        launcher.null().as_fd(),
        limit.raised.min(demand.descriptors() as u64),
    );
    start_log(&config, handed_over);
    let signals = Signals::new().map_err(Fatal::system("signals"))?;
    let notifier = if config.inetd {
        Notifier::none()
    } else {
        Notifier::from_env()
    };
    plan.warn();
    let files = plan.files();
    let (listeners, clients) = plan.open(&config, user.as_ref())?;
    // Lives as long as this function.
    let _pidfile = match &config.pidfile {
        Some(path) => {
            let written = Pidfile::write(path);
            Some(written.map_err(Fatal::system(&path.display().to_string()))?)
        }
        None => None,
    };
    if let Some(user) = &user {
        step_down(user, &config, &files)?;
    }
    config.check_privileges().map_err(Fatal::Usage)?;
    let mut server = Server::new((config, source), frame, launcher, signals, notifier)
        .map_err(Fatal::system("waiting for events"))?;
    server.prepare().map_err(Fatal::System)?;
    for listener in listeners {
        server.listen(listener);
    }
    for (client, protocol) in clients {
        server
            .serve(client, protocol)
            .map_err(Fatal::system("the client handed over"))?;
    }
    if let Some(starter) = starter {
        starter.let_go().map_err(Fatal::system("the background"))?;
    }
    server.run().map_err(Fatal::system("waiting for events"))
}

/// The sockets that came with the process.
fn inherit(config: &Config) -> Result<Vec<Inherited>, Fatal> {
    let activated =
        listen::from_activation(FIRST_FREE).map_err(Fatal::system("socket activation"))?;
    if !activated.is_empty() {
        return Ok(activated);
    }
    if config.inetd {
        let socket = listen::from_stdin(FIRST_FREE).map_err(Fatal::system("--inetd"))?;
        return Ok(vec![socket]);
    }
    Ok(Vec::new())
}

fn start_log(config: &Config, handed_over: bool) {
    let service = config.inetd
        || config.background
        || handed_over
        || std::env::var_os("NOTIFY_SOCKET").is_some();
    let settings = &config.settings;
    let target = match settings.log {
        LogTo::Syslog => Target::Syslog,
        LogTo::Journal => Target::Journal,
        LogTo::Stderr => Target::Stderr,
        // Under inetd standard error is the client's socket.
        LogTo::Auto if config.inetd => Target::Syslog,
        LogTo::Auto if service && sockexec::log::has_syslog() => Target::Syslog,
        LogTo::Auto => Target::Stderr,
    };
    sockexec::log::start(target, settings.log_facility as u8, settings.log_level);
}
