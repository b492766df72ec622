//! What ARCHITECTURE.md says of the layers, and how files read, checked on the sources.

use std::fs;
use std::path::{Path, PathBuf};

fn sources(directory: &str) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(directory);
    let mut found = Vec::new();
    let mut left = vec![root];
    while let Some(path) = left.pop() {
        for entry in fs::read_dir(&path)
            .expect("a directory of sources")
            .flatten()
        {
            let path = entry.path();
            if path.is_dir() {
                left.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                found.push(path);
            }
        }
    }
    assert!(!found.is_empty(), "no sources in {directory}");
    found
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).expect("a source")
}

/// The lines that are program, not comments and not unit tests.
fn program(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .take_while(|line| *line != "#[cfg(test)]")
        .filter(|line| !line.trim_start().starts_with("//"))
}

fn forbid(directory: &str, words: &[&str]) {
    for path in sources(directory) {
        for line in program(&read(&path)) {
            for word in words {
                assert!(!line.contains(word), "{}: {word}: {line}", path.display());
            }
        }
    }
}

#[test]
fn rules_wire_and_session_make_no_system_call_read_no_clock_and_never_log() {
    let words = [
        "std::fs",
        "std::io",
        "std::net",
        "std::os",
        "std::process",
        "std::thread",
        "std::env",
        "Instant::now",
        "SystemTime",
        "libc::",
        "nix::unistd",
        "nix::fcntl",
        "log::info",
        "log::warn",
        "log::debug",
        "log::error",
        "log::log",
        "println!",
        "eprintln!",
        "crate::os",
        "crate::connection",
        "crate::server",
        "unsafe",
    ];
    forbid("src/rules", &words);
    forbid("src/wire", &words);
    forbid("src/session", &words);
    forbid("src/rules", &["crate::", "nix::"]);
    forbid("src/wire", &["crate::session"]);
}

#[test]
fn os_knows_no_protocol() {
    let words = [
        "crate::wire",
        "crate::session",
        "crate::connection",
        "crate::server",
        "crate::config",
        "crate::log",
    ];
    forbid("src/os", &words);
}

#[test]
fn program_is_a_leaf() {
    let text = read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/program.rs"));
    assert!(program(&text).all(|line| !line.contains("crate::")));
}

#[test]
fn unsafe_stands_only_where_it_must_and_is_argued() {
    let with_unsafe = [
        "background.rs",
        "descriptors.rs",
        "launch/buffer.rs",
        "launch/child.rs",
        "launch/clone.rs",
        "launch/stack.rs",
        "listen.rs",
        "memory.rs",
        "peer.rs",
        "poller.rs",
        "process.rs",
        "queued.rs",
        "rights.rs",
        "signals.rs",
        "syscall.rs",
    ];
    let os = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/os");
    let with_unsafe = with_unsafe.map(|name| os.join(name));
    for path in sources("src") {
        let text = read(&path);
        let uses = program(&text).any(|line| line.contains("unsafe {"));
        assert!(
            !uses || with_unsafe.contains(&path),
            "unsafe in {}",
            path.display()
        );
    }
}

#[test]
fn files_open_with_what_they_are_and_stay_readable() {
    for directory in ["src", "tests", "benches", "fuzz/fuzz_targets"] {
        for path in sources(directory) {
            let text = read(&path);
            assert!(
                text.starts_with("//!"),
                "{} does not say what it is",
                path.display()
            );
            for (number, line) in text.lines().enumerate() {
                let place = format!("{}:{}", path.display(), number + 1);
                assert!(line.chars().count() <= 120, "{place} is too long");
                assert!(line.trim_end() == line, "{place} ends with a blank");
                assert!(!line.contains(concat!("TO", "DO")), "{place} is not done");
            }
        }
    }
}
