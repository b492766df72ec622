//! The configuration, from the command line and the configuration file.
//!
//! An option wins, then the file, then the default. Everything is checked before anything
//! is used, so that reading the file again while the server runs changes all or nothing.

pub mod address;
mod allow;
mod document;
mod effects;
mod execution;
mod file;
mod flags;
mod origin;
mod place;
mod programs;
mod refusal;
mod rule;
mod sockproc;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use address::Address;
use address::absolute;
pub use allow::RULE_KEYS;
pub use execution::{EXECUTION_KEYS, limit_of};
pub use origin::{Origin, Origins};
pub use place::Accepts;
pub use refusal::reason as reason_of_refusal;

use self::programs::Findings;
use crate::control::question::Asked;
use crate::execution::{Execution, RunAs};
use crate::os::{accounts, privileges, trusted};
use crate::rules::Rules;
use crate::settings::value::Value;
use crate::settings::{KEYS, Key, Settings};
use crate::wire::Protocol;

/// The configuration file, if no option names one.
pub const FILE: &str = "/etc/sockexec/sockexec.toml";

/// The setting whose default depends on the way the server is started.
const IDLE_EXIT: &str = "idle-exit";

/// The option for the user of programs.
const JOB_USER: &str = "--job-user";

/// The daemon's second name, under which it has another command line.
const SECOND_NAME: &str = "sockproc";

/// The configuration in force.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// The value of each setting.
    pub settings: Settings,
    /// `idle-exit` is not a default: without it the way the server was started decides.
    pub idle_exit_given: bool,
    /// The rules.
    pub rules: Rules,
    /// Where to listen, and for which protocol.
    pub listen: Vec<(Protocol, Address)>,
    /// Descriptor 0 is the socket.
    pub inetd: bool,
    /// To leave the foreground.
    pub background: bool,
    /// Where to write the server's number; absolute.
    pub pidfile: Option<PathBuf>,
    /// The directory for the cgroups of jobs, if one was named.
    pub cgroup: Option<PathBuf>,
    /// The configuration file, if it was there; absolute.
    pub file: Option<PathBuf>,
    /// The file belongs to a user as which programs run, and they could change it.
    pub exposed: bool,
    /// Where each of its values came from.
    pub origins: Origins,
    /// Warnings about the programs of rules, for people.
    about_programs: Vec<String>,
    /// The user to become, for a server that root starts.
    pub user: Option<String>,
}

impl Config {
    /// The user of a server with this configuration, if this process becomes one.
    pub fn server_user(&self) -> u32 {
        server_user(self.user.as_deref())
    }

    /// Gives a setting a value.
    pub fn put(&mut self, key: &Key, value: Value, origin: Origin) {
        key.put(&mut self.settings, value);
        self.origins.note(key.name, origin);
        self.idle_exit_given |= key.name == IDLE_EXIT;
    }

    /// Gives settings of these names their values.
    fn put_all(&mut self, values: &[(&'static str, Value)], origin: Origin) {
        for &(name, value) in values {
            let key = Key::find(name).expect("the name of a setting");
            self.put(key, value, origin);
        }
    }

    /// The time without any connection after which to exit: zero for never, `None` if neither the
    /// file nor an option sets it.
    pub fn idle_exit(&self) -> Option<Duration> {
        self.idle_exit_given.then_some(self.settings.idle_exit)
    }

    /// The rules in force and the user of programs, for people.
    pub fn summary(&self) -> String {
        let rules = &self.rules;
        let users = || rules.executions().map(|execution| &execution.run_as);
        let general = &rules.general().run_as;
        let (run_as, rest) = match users().next() {
            None => (&None, ""),
            Some(first) if users().all(|user| user == first) => (first, ""),
            Some(_) if users().all(|user| user != general) => {
                return format!("{rules}; programs run as the users of their rules");
            }
            Some(_) => (general, ", unless their rule has another"),
        };
        let user = match run_as {
            None if rest.is_empty() => return rules.to_string(),
            None => "the server's user",
            Some(RunAs::User(account)) => &account.name,
            Some(RunAs::Peer) => "their client's user",
        };
        format!("{rules}; programs run as {user}{rest}")
    }

    /// All warnings, for people.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = self.rules.warnings();
        warnings.extend(self.about_programs.iter().cloned());
        warnings.extend(self.without_effect());
        warnings.extend(self.exposure());
        warnings
    }

    /// The warning, if programs could change the rules.
    fn exposure(&self) -> Option<String> {
        let file = self.file.as_ref()?.display();
        (self.exposed && !self.rules.allow_everything()).then(|| {
            format!(
                "{file}: programs that the server runs can change the rules: the file, or a directory \
                 above it, belongs to their user"
            )
        })
    }

    /// Examines the programs of rules on these `lines`, for a server of the user `own`.
    ///
    /// # Errors
    ///
    /// When one would run as that user by its name, or could be changed by others and the
    /// configuration is strict.
    fn check_programs(&mut self, own: u32, lines: &[usize]) -> Result<(), String> {
        if let Some(mistake) = programs::names_server(&self.rules, own) {
            return Err(mistake);
        }
        self.exposed &= programs::may_run_as(&self.rules, own);
        let found = Findings::new(&self.rules, own);
        self.about_programs = found.unsafe_ones;
        match self.about_programs.first() {
            Some(first) if self.settings.strict => return Err(format!("strict: {first}")),
            _ => {
                let file = self.file.as_deref();
                let missing = found.missing.iter();
                let placed = missing.map(|finding| finding.placed(file, lines));
                self.about_programs.extend(placed);
            }
        }
        Ok(())
    }

    /// Whether this process may do what the configuration asks for.
    ///
    /// # Errors
    ///
    /// Programs are to run as other users, and cannot. The text names the remedy.
    pub fn check_privileges(&self) -> Result<(), String> {
        match self.rules.executions().any(|e| e.run_as.is_some()) {
            true => privileges::check_change_of_user(),
            false => Ok(()),
        }
    }

    /// The warning, if this process is root's and so are programs.
    pub fn warning_of_root(&self) -> Option<&'static str> {
        (privileges::is_root() && self.rules.executions().any(|e| e.run_as.is_none())).then_some(
            "programs run as root; with run-as they run as another user, and with --user the \
             server does",
        )
    }

    /// The names of the settings that differ, `allow` and `default` for the rules. Only what the file may
    /// set is compared; [`takes_effect_at_start`] reports which of them need a restart.
    pub fn changed_since(&self, old: &Self) -> Vec<&'static str> {
        let keys = KEYS.iter().filter(|key| {
            key.get(&self.settings) != key.get(&old.settings)
                // A given 0, and the default for the way it was started, differ.
                || (key.name == IDLE_EXIT && self.idle_exit_given != old.idle_exit_given)
        });
        let mut changed: Vec<_> = keys.map(|key| key.name).collect();
        let (new, old) = (&self.rules, &old.rules);
        if !new.iter().eq(old.iter()) {
            changed.push(allow::NAME);
        }
        if new.default_given() != old.default_given() {
            changed.push(allow::DEFAULT);
        }
        changed.extend(execution::changed(new.general(), old.general()));
        changed
    }
}

/// Whether a change of the setting of this name takes effect only when the server is started
/// the next time: the sockets and the log are opened once.
pub fn takes_effect_at_start(name: &str) -> bool {
    Key::find(name).is_some_and(|key| key.is.at_start)
}

/// A parsed command line, of either name.
#[derive(Clone, Debug, Default)]
struct Given {
    values: Vec<(&'static str, Value)>,
    /// Settings for which the file has no value either.
    fallback: Vec<(&'static str, Value)>,
    file: Option<PathBuf>,
    listen: Vec<(Protocol, Address)>,
    inetd: bool,
    /// The user of programs for which the file has none.
    job_user: Option<String>,
    check: bool,
    quiet: bool,
    explain: Option<Asked>,
    background: bool,
    pidfile: Option<PathBuf>,
    cgroup: Option<PathBuf>,
    user: Option<String>,
}

/// The source of the configuration, which can be read again.
#[derive(Clone, Debug)]
pub struct Source {
    given: Given,
    file: PathBuf,
    /// The file must be there: it was named, or it has been there before.
    required: bool,
}

impl Source {
    /// Reads the command line of this process.
    ///
    /// # Errors
    ///
    /// When it is wrong, or asks for help or the version.
    pub fn from_command_line() -> Result<Self, clap::Error> {
        Self::from_arguments(std::env::args_os())
    }

    /// Reads this command line. By the name in front, `sockproc` or another, is decided
    /// which options it may have.
    ///
    /// # Errors
    ///
    /// When it is wrong, or asks for help or the version.
    pub fn from_arguments(
        arguments: impl IntoIterator<Item = impl Into<OsString>>,
    ) -> Result<Self, clap::Error> {
        let mut arguments: Vec<OsString> = arguments.into_iter().map(Into::into).collect();
        // A socket of this name can be given as ./help.
        if arguments.len() == 2 && arguments[1] == "help" {
            arguments[1] = "--help".into();
        }
        let name = arguments.first().map(Path::new).and_then(Path::file_name);
        let given = if name.is_some_and(|name| name == SECOND_NAME) {
            sockproc::read(arguments)?
        } else {
            flags::read(arguments)?
        };
        Ok(Self {
            file: absolute(given.file.as_deref().unwrap_or(Path::new(FILE))),
            required: given.file.is_some(),
            given,
        })
    }

    /// Whether nothing is asked for but whether it is valid.
    pub fn is_check(&self) -> bool {
        self.given.check
    }

    /// Whether only what is wrong is reported then.
    pub fn is_quiet(&self) -> bool {
        self.given.quiet
    }

    /// The configuration file, and whether an option names it.
    pub fn file(&self) -> (&Path, bool) {
        (&self.file, self.given.file.is_some())
    }

    /// The question about the rules, if nothing else is asked for.
    pub fn question(&self) -> Option<Asked> {
        self.given.explain.clone()
    }

    /// The message of `--check` for a valid configuration.
    pub fn verdict(&self, config: &Config) -> String {
        let file = self.file.display();
        match config.file {
            Some(_) => format!("{file} is valid; {}", config.summary()),
            None => format!("there is no {file}; {}", config.summary()),
        }
    }

    /// Reads the file and puts everything together. A file that was there once must be
    /// there the next time: it may hold the rules, and without them every client may run
    /// everything.
    ///
    /// # Errors
    ///
    /// When the file must exist and does not, cannot be read, or has a mistake. The text names
    /// the file, and the line if there is one.
    pub fn load(&mut self) -> Result<Config, String> {
        let mut config = Config::default();
        let general = match &self.given.job_user {
            Some(name) => execution::by_option(JOB_USER, name)?,
            None => Execution::default(),
        };
        if self.given.job_user.is_some() {
            config.origins.note("run-as", Origin::Option);
        }
        let mut lines = Vec::new();
        config.put_all(&self.given.fallback, Origin::Fallback);
        let content = file::read(&self.file, self.required, &general)?;
        if let Some(content) = content {
            for (key, value) in content.values {
                config.put(key, value, Origin::Default);
            }
            for (name, line) in content.lines {
                config.origins.note(&name, Origin::File(line));
            }
            lines = content.lines_of_rules;
            config.rules = content.rules;
            config.exposed = content.exposed;
            config.file = Some(self.file.clone());
            self.required = true;
        } else {
            config.rules = config.rules.with_general(general);
        }
        let given = self.given.clone();
        config.put_all(&given.values, Origin::Option);
        let fail = |what| format!("{}: {what}", self.file.display());
        let own = server_user(given.user.as_deref());
        config.check_programs(own, &lines).map_err(fail)?;
        config.listen = given.listen;
        config.inetd = given.inetd;
        config.background = given.background;
        config.pidfile = given.pidfile;
        config.cgroup = given.cgroup;
        config.user = given.user;
        Ok(config)
    }
}

/// The user of a server, once it has become the one it was given.
fn server_user(given: Option<&str>) -> u32 {
    match given.map(accounts::user) {
        Some(Ok(Some(uid))) => uid,
        _ => trusted::own(),
    }
}

#[cfg(test)]
mod tests;
