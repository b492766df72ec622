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

/// Warnings about programs, for people.
#[derive(Debug, Default)]
pub struct Findings {
    /// Programs that could be changed.
    pub unsafe_ones: Vec<String>,
    /// Programs and directories that are not there, or are something else, and programs that run
    /// what a client names.
    pub missing: Vec<String>,
}

impl Findings {
    /// Examines all programs of rules, for a server of the user `own`.
    pub fn new(rules: &Rules, own: u32) -> Self {
        let mut findings = Self::default();
        let general = rules.general().directory.as_deref();
        findings.examine_directory("", general);
        for (index, rule) in rules.iter().enumerate() {
            let heading = rules.heading(index);
            findings.examine(rule, &heading, own);
            let directory = rule.execution.directory.as_deref();
            let own_directory = directory.filter(|_| directory != general);
            findings.examine_directory(&format!("{heading}: "), own_directory);
        }
        findings
    }

    /// Examines the directory in which programs start.
    fn examine_directory(&mut self, heading: &str, directory: Option<&[u8]>) {
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
        self.missing
            .push(format!("{heading}directory: {path} {what}"));
    }

    fn examine(&mut self, rule: &Rule, heading: &str, own: u32) {
        let job = user_of(&rule.execution, own);
        let (mut reasons, mut names) = (Vec::new(), Vec::new());
        for path in paths_of(rule) {
            let program = printable(path.display());
            if let Some(what) = unusable(path) {
                self.missing.push(format!("{heading}: {program} {what}"));
            }
            // Two spellings of one path are one program.
            let is_new = !names.contains(&path.file_name());
            if let Some(what) = interpreter(rule, path).filter(|_| is_new) {
                self.missing.push(format!("{heading}: {program} {what}"));
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
