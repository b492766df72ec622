//! The sessions that a page shows in blocks of `console`: each command is run, in the order of
//! the page, and must print what the page has below it.
//!
//! A daemon of the test takes the place of the installed one. Programs that come first in `PATH`
//! take the places of sudo, systemctl and journalctl. Numbers, and the room between words, may be
//! others than the page has; a line `...` stands for any lines.

use crate::common::daemon::{command, finish};
use crate::common::{Daemon, Setup, skip};
use crate::pages;
use std::fs;
use std::path::Path;

/// A command and the lines below it, or a file that the reader is to write.
enum Step {
    Command(String, Vec<String>),
    Configuration(String),
}

/// The steps of a session. A command is a line with a `$` in front.
fn steps(page: &str) -> Vec<Vec<Step>> {
    let mut sessions = Vec::new();
    for (kind, text) in pages::blocks(Path::new(page)) {
        let mut session: Vec<Step> = Vec::new();
        match &kind[..] {
            "toml" => session.push(Step::Configuration(text)),
            "console" => {
                for line in text.lines() {
                    match (line.strip_prefix("$ "), session.last_mut()) {
                        (Some(command), _) => {
                            session.push(Step::Command(command.to_owned(), Vec::new()));
                        }
                        (None, Some(Step::Command(_, lines))) => lines.push(line.to_owned()),
                        _ => panic!("{page}: output without a command: {line}"),
                    }
                }
            }
            _ => continue,
        }
        sessions.push(session);
    }
    sessions
}

/// A line without what differs from run to run.
fn plain(line: &str) -> String {
    let mut plain = String::new();
    for word in line.split_whitespace() {
        let mut number = false;
        for c in word.chars() {
            // 1m00s and 304ms are one number each.
            number = c.is_ascii_digit() || number && (c == '.' || "msu".contains(c));
            match number {
                true if plain.ends_with('#') => {}
                true => plain.push('#'),
                false => plain.push(c),
            }
        }
        plain.push(' ');
    }
    plain
}

/// Whether the lines are those of the page.
fn same(shown: &[String], printed: &[&str]) -> bool {
    match (shown, printed) {
        ([], []) => true,
        ([first, rest @ ..], _) if first == "..." => {
            (0..=printed.len()).any(|skipped| same(rest, &printed[skipped..]))
        }
        ([first, shown @ ..], [line, printed @ ..]) => {
            plain(first) == plain(line) && same(shown, printed)
        }
        _ => false,
    }
}

/// The daemon, and what the commands find in its place.
struct Reader {
    daemon: Daemon,
    user: String,
}

impl Reader {
    fn new() -> Self {
        let daemon = Setup::new()
            .config("# The page writes this file.\n")
            .control()
            .before_exec(|| std::env::set_current_dir("/"))
            .start();
        let id = finish(command("id").arg("-un")).stdout;
        let user = String::from_utf8(id).unwrap().trim().to_owned();
        let reader = Self { daemon, user };
        reader.programs();
        reader
    }

    /// The programs in front of those of the system.
    fn programs(&self) {
        let directory = &self.daemon.directory;
        let [client, ctl] = [
            env!("CARGO_BIN_EXE_sockexec-client"),
            env!("CARGO_BIN_EXE_sockexecctl"),
        ];
        let control = self.daemon.control_path();
        let ctl = format!("{ctl} --socket {}", control.display());
        let pid = self.daemon.pid();
        let children = format!("/proc/{pid}/task/{pid}/children");
        fs::create_dir(directory.join("bin")).unwrap();
        for (name, text) in [
            ("sudo", "exec \"$@\"".to_owned()),
            (
                "sockexec",
                format!("exec {} \"$@\"", crate::common::daemon::PROGRAM),
            ),
            ("sockexec-client", format!("exec {client} \"$@\"")),
            // A job that is shown has been started before, so it has the number before the command's;
            // or it has ended.
            (
                "sockexecctl",
                format!(
                    "if [ \"$1\" = jobs ]; then\n\
                     until grep -q . {children}; do :; done\n\
                     until {ctl} jobs | grep -q running; do :; done\n\
                     elif [ \"$1\" = recent ]; then\n\
                     until {ctl} recent | grep -q sleep; do :; done\n\
                     fi\n\
                     exec {ctl} \"$@\""
                ),
            ),
            (
                "systemctl",
                format!("[ \"$*\" = 'reload sockexec' ] && {ctl} reload >/dev/null"),
            ),
            (
                "journalctl",
                format!("cat {}", directory.join("journal").display()),
            ),
        ] {
            directory.file(
                &format!("bin/{name}"),
                0o755,
                format!("#!/bin/sh\n{text}\n"),
            );
        }
    }

    /// A text of the page with the names that hold here.
    fn ours(&self, text: &str) -> String {
        let path = |name| self.daemon.directory.join(name).display().to_string();
        text.replace(
            "/run/sockexec/exec.sock",
            self.daemon.path().to_str().unwrap(),
        )
        .replace("/etc/sockexec/sockexec.toml", &path("sockexec.toml"))
        .replace(" as=_sockexec-job", "")
        .replace("_sockexec-job", &self.user)
        .replace("root", &self.user)
    }

    /// The last line about a job, as the journal has it, when this many have ended.
    fn journal(&self, jobs: usize) {
        let ended = |line: &&String| {
            let words = ["exit=", "signal=", "fault="];
            words.iter().any(|word| line.contains(&format!(" {word}")))
        };
        let last = self.daemon.log.wait(|lines| {
            let ended: Vec<_> = lines.iter().filter(ended).collect();
            let last = ended.last().and_then(|line| line.split_once(": "));
            let text = last.map_or("", |(_, text)| text).to_owned();
            (ended.len() >= jobs).then_some(text)
        });
        let text = format!("{}\n", last.expect("a line for each job"));
        self.daemon.directory.file("journal", 0o644, text);
    }

    /// Runs the commands of a block in one shell, and compares.
    #[track_caller]
    fn run(&self, session: &[(&String, &Vec<String>)]) {
        const MARK: &str = "~~~ next ~~~\n";
        let mut script = String::new();
        for (command, _) in session {
            script += &format!(
                "{}\n_code=$?; printf '%s' '{MARK}'; (exit $_code)\n",
                self.ours(command)
            );
        }
        let directory = self.daemon.directory.path();
        let mut bash = command("bash");
        bash.args(["-c", &format!("exec 2>&1\n{script}")])
            .current_dir(directory)
            .env("PATH", format!("{}/bin:/usr/bin:/bin", directory.display()));
        let output = String::from_utf8(finish(&mut bash).stdout).unwrap();
        let mut printed = output.split(MARK);
        for (command, shown) in session {
            let shown: Vec<_> = shown.iter().map(|line| self.ours(line)).collect();
            let lines = printed.next().unwrap_or_default().lines();
            // Here the file belongs to the user of the server and of its programs.
            let lines = lines.filter(|line| !line.contains("can change the rules"));
            let lines: Vec<_> = lines.collect();
            assert!(same(&shown, &lines), "{command}:\n{shown:#?}\n{lines:#?}");
        }
    }
}

/// Runs all sessions of a page.
fn follow(page: &str) {
    let reader = Reader::new();
    let [mut count, mut jobs] = [0; 2];
    for steps in steps(page) {
        let mut session = Vec::new();
        for step in &steps {
            match step {
                Step::Command(command, lines) => session.push((command, lines)),
                Step::Configuration(text) => {
                    reader.daemon.directory.file("sockexec.toml", 0o644, text);
                }
            }
        }
        count += session.len();
        reader.journal(jobs);
        reader.run(&session);
        let clients = session
            .iter()
            .filter(|(command, _)| command.contains("sockexec-client "));
        jobs += clients.count();
    }
    assert!(count > 10, "{page}: {count} commands");
}

#[test]
fn the_first_hour() {
    if skip::unless_tool("bash").is_none() {
        return;
    }
    follow("docs/first-hour.md");
}

#[test]
fn lines_that_differ_are_found() {
    let shown = ["a 12 b", "...", "end"].map(str::to_owned);
    assert!(same(&shown, &["a 3.5ms   b", "x", "y", "end"]));
    assert!(same(&shown, &["a 3  b", "end"]));
    assert!(!same(&shown, &["a b", "end"]));
    assert!(!same(&shown, &["a 1 b", "x"]));
    assert!(!same(&shown[2..], &["end", "more"]));
    assert!(!same(&shown[2..], &["end."]));
}
