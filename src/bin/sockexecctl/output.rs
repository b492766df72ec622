//! Standard output: its width, the characters that it may get, and its silent end.

use std::io::{self, ErrorKind, IsTerminal as _, Write};

use serde_json::Value;
use terminal_size::{Width, terminal_size_of};

use crate::ask::Failure;

/// The number of columns of standard output; `None` if it is not a terminal, where nothing is cut.
pub fn width() -> Option<usize> {
    let (Width(columns), _) = terminal_size_of(io::stdout())?;
    // A terminal that does not know its size reports 0.
    Some(usize::from(columns)).filter(|&columns| columns > 0)
}

/// Text that a terminal shows in as many columns as it has characters, and never interprets as a
/// command. The server escapes as well, but this client does not rely on that.
pub fn printable(text: &str) -> String {
    let mut printable = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            ' '..='~' => printable.push(c),
            _ => printable.extend(c.escape_default()),
        }
    }
    printable
}

/// The same for JSON, which keeps its meaning: there is nothing to escape outside of its strings.
pub fn json(value: &Value) -> String {
    let mut printable = String::new();
    for c in value.to_string().chars() {
        match c {
            ' '..='~' => printable.push(c),
            _ => {
                let units = c.encode_utf16(&mut [0; 2]).to_vec();
                printable.extend(units.iter().map(|unit| format!("\\u{unit:04x}")));
            }
        }
    }
    printable
}

/// Whether standard output is a terminal, even one that does not know its width.
pub fn is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Writes lines.
pub fn say(lines: &[String]) -> Result<(), Failure> {
    let mut text = lines.join("\n");
    text.push('\n');
    say_as_it_is(&text)
}

/// Writes text unchanged. If the reader has gone, the process ends.
pub fn say_as_it_is(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
    {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => end_by_broken_pipe(),
        Err(error) => Err(Failure::Output(error)),
    }
}

/// Writes a line on standard error. A failure cannot be reported anywhere.
pub fn complain(line: &str) {
    let _ = writeln!(io::stderr(), "sockexecctl: {}", printable(line));
}

/// Ends as any filter whose reader has gone. Rust programs start with SIGPIPE ignored.
pub fn end_by_broken_pipe() -> ! {
    let _ = signal_hook::low_level::emulate_default_handler(signal_hook::consts::SIGPIPE);
    unreachable!("a default handler that ends the process has returned")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_reaches_a_terminal_that_it_could_take_for_a_command() {
        assert_eq!(printable("plain \"text\" ~"), "plain \"text\" ~");
        assert_eq!(
            printable("\x1b[2J\r\n\u{7f}\u{9b}\u{202e}\u{e4}"),
            "\\u{1b}[2J\\r\\n\\u{7f}\\u{9b}\\u{202e}\\u{e4}"
        );
    }

    #[test]
    fn json_is_the_same_with_nothing_a_terminal_could_take_for_a_command() {
        let value =
            serde_json::json!({"a\u{9b}": ["\x1b[2J\n\u{7f}\u{202e}\u{e4}", "\u{e0001}", "\\ \""]});
        let text = json(&value);
        assert!(text.chars().all(|c| matches!(c, ' '..='~')), "{text}");
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
        assert!(
            text.contains("\\u009b") && text.contains("\\udb40\\udc01"),
            "{text}"
        );
    }
}
