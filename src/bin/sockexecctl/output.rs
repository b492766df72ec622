//! Standard output: how wide it is, what may be written to it, and its quiet end.

use std::io::{self, ErrorKind, Write};

use terminal_size::{Width, terminal_size_of};

use crate::ask::Failure;

/// How many columns standard output has; `None` when it is no terminal, where nothing is cut.
pub fn width() -> Option<usize> {
    let (Width(columns), _) = terminal_size_of(io::stdout())?;
    // A terminal that does not know its size says 0.
    Some(usize::from(columns)).filter(|&columns| columns > 0)
}

/// What a terminal shows in as many columns as there are characters, and takes for no command.
/// The server escapes as well; nobody relies on it.
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

/// Writes lines.
pub fn say(lines: &[String]) -> Result<(), Failure> {
    let mut text = lines.join("\n");
    text.push('\n');
    say_as_it_is(&text)
}

/// Writes text of which nothing is to be changed. Where its reader is gone, the process ends.
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

/// Ends as any filter whose reader is gone. Rust programs start with SIGPIPE ignored.
fn end_by_broken_pipe() -> ! {
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
}
