//! Messages of a process that has no log: before it is started, and of a process that only checks.
//! They go to standard error, with a priority if that is the journal, which has the name already.

use std::io::{self, Write as _};

use log::Level;

use super::sink::severity;
use super::stderr;

/// Writes a message to standard error. One that cannot be written is lost.
pub fn early(level: Level, text: &str) {
    let bytes = form(level, text, stderr::is_the_journal());
    let _ = io::stderr().write_all(&bytes);
}

/// Whether standard error is the journal, where advice for a terminal has no place.
pub fn stderr_is_journal() -> bool {
    stderr::is_the_journal()
}

fn form(level: Level, text: &str, journal: bool) -> Vec<u8> {
    let label = match level {
        Level::Warn => "warning: ",
        _ => "",
    };
    let start = match journal {
        true => format!("<{}>{label}", severity(level) as u8),
        false => format!("sockexec: {label}"),
    };
    let mut lines = text.lines();
    let mut whole = format!("{start}{}\n", lines.next().unwrap_or_default());
    for line in lines {
        // The journal makes an entry of each line.
        let start = if journal { &start[..] } else { "" };
        whole += &format!("{start}{line}\n");
    }
    whole.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_journal_reads_a_priority_in_front_of_each_line() {
        let form = |level, text, journal| String::from_utf8(form(level, text, journal)).unwrap();
        assert_eq!(form(Level::Error, "one\ntwo", true), "<3>one\n<3>two\n");
        assert_eq!(form(Level::Warn, "one", true), "<4>warning: one\n");
        assert_eq!(
            form(Level::Error, "one\ntwo", false),
            "sockexec: one\ntwo\n"
        );
        assert_eq!(form(Level::Warn, "one", false), "sockexec: warning: one\n");
    }
}
