//! Whether the programs of rules are safe from change: by other users, and by the programs
//! themselves.

use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use crate::execution::{Execution, RunAs};
use crate::os::trusted::{self, Untrusted};
use crate::rules::{Program, Rule, Rules};

const MISSING: &str = "does not exist";
const RUNS_ALL: &str = "runs any program that its arguments name: the rule allows everything to its clients; \
                        \"arguments\" limits that";

/// Shells, interpreters, and programs that run another, without the number of their version.
const INTERPRETERS: [&str; 34] = [
    "ash", "awk", "bash", "busybox", "csh", "dash", "doas", "env", "expect", "find", "fish",
    "gawk", "gdb", "ksh", "lua", "luajit", "mawk", "mksh", "nawk", "node", "nodejs", "perl", "php",
    "pypy", "python", "rbash", "ruby", "sh", "ssh", "sudo", "tclsh", "tcsh", "xargs", "zsh",
];

const NO_DIRECTORY: &str = "is not a directory";
const NOT_IN_PATH: &str = "is in no directory of PATH";

/// What is wrong with a rule, or with what holds for all.
#[derive(Debug)]
pub struct Finding {
    /// The index of the rule.
    rule: Option<usize>,
    what: String,
}

impl Finding {
    /// With the place of the rule in front, if it is known.
    pub fn placed(&self, file: Option<&Path>, lines: &[usize]) -> String {
        let line = self.rule.and_then(|index| lines.get(index));
        match (file, line) {
            (Some(file), Some(line)) => format!("{}:{line}: {}", file.display(), self.what),
            _ => self.what.clone(),
        }
    }
}

/// Warnings about programs, for people.
#[derive(Debug, Default)]
pub struct Findings {
    /// Programs that could be changed.
    pub unsafe_ones: Vec<String>,
    /// Programs and directories that are not there, or are something else, and programs that run
    /// what a client names.
    pub missing: Vec<Finding>,
}

impl Findings {
    /// Examines all programs of rules, for a server of the user `own`.
    pub fn new(rules: &Rules, own: u32) -> Self {
        let mut findings = Self::default();
        let general = rules.general().directory.as_deref();
        findings.examine_directory(None, "", general);
        for (index, rule) in rules.iter().enumerate() {
            let heading = rules.heading(index);
            findings.examine(index, rule, &heading, own);
            let directory = rule.execution.directory.as_deref();
            let own_directory = directory.filter(|_| directory != general);
            findings.examine_directory(Some(index), &format!("{heading}: "), own_directory);
        }
        findings
    }

    /// Examines the directory in which programs start.
    fn examine_directory(&mut self, rule: Option<usize>, heading: &str, directory: Option<&[u8]>) {
        let Some(path) = directory.map(|path| Path::new(OsStr::from_bytes(path))) else {
            return;
        };
        let what = match fs::metadata(path) {
            Ok(found) if !found.is_dir() => NO_DIRECTORY,
            Err(error) if error.kind() == ErrorKind::NotADirectory => NO_DIRECTORY,
            Err(error) if error.kind() == ErrorKind::NotFound => MISSING,
            _ => return,
        };
        let path = printable(path.display());
        self.missing.push(Finding {
            rule,
            what: format!("{heading}directory: {path} {what}"),
        });
    }

    fn examine(&mut self, index: usize, rule: &Rule, heading: &str, own: u32) {
        let job = user_of(&rule.execution, own);
        let add = |missing: &mut Vec<Finding>, what: String| {
            missing.push(Finding {
                rule: Some(index),
                what: format!("{heading}: {what}"),
            });
        };
        if let Some(name) = rule.run_prefix.first().filter(|name| is_nowhere(name)) {
            let name = printable(String::from_utf8_lossy(name));
            add(
                &mut self.missing,
                format!("run-prefix: {name} {NOT_IN_PATH}"),
            );
        }
        let (mut reasons, mut names) = (Vec::new(), Vec::new());
        for path in paths_of(rule) {
            let program = printable(path.display());
            if let Some(what) = unusable(path) {
                add(&mut self.missing, format!("{program} {what}"));
            }
            // Two spellings of one path are one program.
            let is_new = !names.contains(&path.file_name());
            if let Some(what) = interpreter(rule, path).filter(|_| is_new) {
                add(&mut self.missing, format!("{program} {what}"));
                names.push(path.file_name());
            }
            let Err(untrusted) = trusted::check_program(path, own, job) else {
                continue;
            };
            // What two programs have in common, such as a directory, is reported once.
            let reason = printable(&untrusted);
            if !is_absent(&untrusted) && !reasons.contains(&reason) {
                let what = format!("{heading}: {program}: {reason}");
                self.unsafe_ones.push(what);
                reasons.push(reason);
            }
        }
    }
}

/// Text without control characters, such as a name of a file may have.
fn printable(text: impl fmt::Display) -> String {
    let mut plain = String::new();
    for character in text.to_string().chars() {
        match character.is_control() {
            true => plain.extend(character.escape_debug()),
            false => plain.push(character),
        }
    }
    plain
}

/// Whether this is a name without a slash, and no directory of PATH has it.
fn is_nowhere(name: &[u8]) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let name = Path::new(OsStr::from_bytes(name));
    let is_bare = name.components().count() == 1 && !name.has_root();
    // Without PATH the system's own default holds.
    let mut directories = std::env::split_paths(&path);
    is_bare && !path.is_empty() && !directories.any(|directory| directory.join(name).is_file())
}

/// Why this can be no program, or no directory with programs.
fn unusable(path: &Path) -> Option<&'static str> {
    match fs::metadata(path) {
        Ok(found) if !found.is_dir() && found.mode() & 0o111 == 0 => Some("is not executable"),
        Err(error) if error.kind() == ErrorKind::NotADirectory => Some(NO_DIRECTORY),
        Err(error) if error.kind() == ErrorKind::NotFound => Some(MISSING),
        _ => None,
    }
}

/// What a program means that runs other programs, or text as a program.
fn interpreter(rule: &Rule, path: &Path) -> Option<&'static str> {
    let file = Program::File(path.as_os_str().as_bytes().to_vec());
    let is_program = rule.programs.contains(&file);
    let name = path.file_name()?.to_str()?;
    // Such as python3.13.
    let plain = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.' || c == '-');
    // With patterns for its arguments it runs only what they allow.
    let found = is_program && rule.arguments.is_empty() && path.is_file();
    (found && INTERPRETERS.contains(&plain)).then_some(RUNS_ALL)
}

/// Whether this is no more than what [`unusable`] reports.
fn is_absent(untrusted: &Untrusted) -> bool {
    let absent = [ErrorKind::NotFound, ErrorKind::NotADirectory];
    matches!(untrusted, Untrusted::System(_, error) if absent.contains(&error.kind()))
}

/// Whether a program may run as the user `own`.
pub fn may_run_as(rules: &Rules, own: u32) -> bool {
    let mut all = rules.executions();
    all.any(|execution| user_of(execution, own) == Some(own))
}

/// The mistake where a program would become the user `own` of the server: it could end the
/// server. Root is no such user: a rule that names it means that.
pub fn names_server(rules: &Rules, own: u32) -> Option<String> {
    let is_own = |execution: &Execution| match &execution.run_as {
        Some(RunAs::User(account)) => account.uid == own && own != 0,
        Some(RunAs::Peer) | None => false,
    };
    let rule = rules.iter().position(|rule| is_own(&rule.execution));
    let place = match rule {
        _ if is_own(rules.general()) => "run-as".to_owned(),
        Some(index) => format!("{}: run-as", rules.heading(index)),
        None => return None,
    };
    Some(format!(
        "{place}: that is the server's own user, as which a program could end the server"
    ))
}

/// The user of a program, if it is the same for all clients.
fn user_of(execution: &Execution, own: u32) -> Option<u32> {
    match &execution.run_as {
        None => Some(own),
        Some(RunAs::User(account)) => Some(account.uid),
        Some(RunAs::Peer) => None,
    }
}

/// The paths that a rule names.
fn paths_of(rule: &Rule) -> impl Iterator<Item = &Path> {
    let programs = rule.programs.iter().filter_map(|program| match program {
        Program::Any => None,
        Program::File(path) | Program::Below(path) => Some(path),
    });
    let in_front = rule.run_prefix.first();
    let in_front = in_front.filter(|path| path.starts_with(b"/"));
    let all = programs.chain(in_front);
    all.map(|path| Path::new(OsStr::from_bytes(path)))
}
