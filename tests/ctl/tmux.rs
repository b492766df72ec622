//! `top` as a person sees it: in tmux, with a real server and busy jobs, in three sizes.

use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use crate::common::process::eventually;
use crate::common::skip;
use crate::common::{Daemon, PATIENCE, Setup, shell};
use crate::server::PROGRAM;

/// A tmux server of its own, with one window.
struct Tmux {
    program: PathBuf,
    socket: PathBuf,
}

impl Tmux {
    /// Runs `top` in a window of this size.
    fn start(program: PathBuf, daemon: &Daemon, (width, height): (u16, u16)) -> Self {
        let tmux = Self {
            program,
            socket: daemon.directory.join("tmux"),
        };
        let (width, height) = (width.to_string(), height.to_string());
        let socket = daemon.directory.join("control");
        let socket = socket.to_str().unwrap();
        tmux.run(&[
            "-f",
            "/dev/null",
            "new-session",
            "-d",
            "-x",
            &width,
            "-y",
            &height,
            "env",
            "NO_COLOR=",
            PROGRAM,
            "--socket",
            socket,
            "top",
            "--interval",
            "0.2",
        ]);
        tmux
    }

    fn run(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(&self.program);
        command.env_remove("TMUX").arg("-S").arg(&self.socket);
        let output = command.args(arguments).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    fn keys(&self, keys: &[&str]) {
        self.run(&[&["send-keys"], keys].concat());
    }

    fn resize(&self, (width, height): (u16, u16)) {
        let (width, height) = (width.to_string(), height.to_string());
        self.run(&["resize-window", "-x", &width, "-y", &height]);
    }

    fn screen(&self) -> Vec<String> {
        let text = self.run(&["capture-pane", "-p"]);
        text.lines().map(str::to_owned).collect()
    }

    /// Waits until the screen is as wanted, and returns it.
    #[track_caller]
    fn wait_for(&self, what: &str, wanted: impl Fn(&[String]) -> bool) -> Vec<String> {
        let end = Instant::now() + PATIENCE;
        loop {
            let screen = self.screen();
            if wanted(&screen) {
                return screen;
            }
            assert!(Instant::now() < end, "no {what}: {screen:#?}");
        }
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        self.run(&["kill-server"]);
    }
}

fn has(screen: &[String], words: &[&str]) -> bool {
    let mut lines = screen.iter();
    lines.any(|line| words.iter().all(|word| line.contains(word)))
}

/// Whether a row has a figure in the column of this name that is more than zero.
fn figure(screen: &[String], column: &str, row: &str) -> bool {
    let heading = screen.iter().find(|line| line.contains(" COMMAND"));
    let row = screen.iter().find(|line| line.contains(row));
    let (Some(heading), Some(row)) = (heading, row) else {
        return false;
    };
    // Columns of numbers end where their names end.
    let end = heading
        .find(&format!(" {column} "))
        .map(|n| n + 1 + column.len());
    let cell = end.and_then(|end| row.get(..end)?.rsplit(' ').next());
    cell.is_some_and(|cell| cell.chars().any(|c| ('1'..='9').contains(&c)))
}

const SIZES: [(u16, u16); 3] = [(80, 24), (200, 50), (40, 10)];

#[test]
fn busy_jobs_in_tmux_in_three_sizes() {
    let Some(tmux) = skip::unless_tool("tmux") else {
        return;
    };
    let daemon = Setup::new().control().start();
    let busy = ": busy; while :; do :; done";
    let mut clients = vec![daemon.begin(shell(busy))];
    clients.push(daemon.begin(shell(": flow; while echo some output; do sleep 0.01; done")));
    clients.push(daemon.begin(shell(
        "sleep 1000 # \x1b[2J\x1b]0;mine\x07 \u{65e5}\u{672c}\u{8a9e}",
    )));
    daemon.shell("echo no such paper >&2; exit 3");
    let tmux = Tmux::start(tmux, &daemon, SIZES[0]);
    let screen = tmux.wait_for("figures of the jobs", |screen| {
        figure(screen, "CPU", "\": busy")
            && figure(screen, "MEM", "\": busy")
            && figure(screen, "OUT/s", "\": flow")
            && has(screen, &["jobs ", "out "])
    });
    assert!(has(&screen, &["?", "1-3 of 3"]), "{screen:#?}");
    for (width, height) in SIZES.into_iter().rev().chain([SIZES[1]]) {
        tmux.resize((width, height));
        let screen = tmux.wait_for("screen of the new size", |screen| {
            screen.len() == usize::from(height)
                && has(&screen[screen.len() - 1..], &["1-3 of 3, by AGE"])
        });
        assert!(screen[0].starts_with("sockexec "), "{screen:#?}");
        assert!(
            screen
                .iter()
                .all(|line| line.chars().count() <= width.into())
        );
        assert!(has(&screen, &["sh -c"]), "{screen:#?}");
    }
    // What has failed, and why.
    tmux.keys(&["3"]);
    tmux.wait_for("failed job", |screen| has(screen, &["x ", "exit 3"]));
    tmux.keys(&["Enter"]);
    tmux.wait_for("its stderr", |screen| {
        has(screen, &["end of stderr", "no such paper"])
    });
    tmux.keys(&["Escape"]);
    tmux.wait_for("table", |screen| has(screen, &["[3 failed]"]));
    // The programs, with those that run.
    tmux.keys(&["4"]);
    tmux.wait_for("programs", |screen| {
        has(screen, &["[4 programs]"]) && has(screen, &[" 3 ", " sh"])
    });
    // The filter finds the busy job, which is killed.
    tmux.keys(&["1"]);
    tmux.keys(&["-l", "/: busy"]);
    tmux.keys(&["Enter"]);
    tmux.wait_for("busy job", |screen| has(screen, &["1-1 of 1 with"]));
    tmux.keys(&["k"]);
    tmux.wait_for("question", |screen| {
        has(screen, &["kill job ", "with TERM? y/n"])
    });
    tmux.keys(&["y"]);
    tmux.wait_for("answer", |screen| {
        has(screen, &["SIGTERM sent to the process group of "])
    });
    clients.remove(0).reply();
    tmux.wait_for("no busy job", |screen| {
        has(screen, &["no row has the text of the filter"])
    });
    tmux.keys(&["Escape", "q"]);
    eventually("end", || tmux.run(&["list-sessions"]).is_empty());
}
