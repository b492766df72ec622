//! Signals by name and by number, as `kill` takes and tells them.

use nix::sys::signal::Signal;

/// The highest number of a signal.
pub const SIGNAL_MAX: i32 = 64;

/// A signal from its name, with or without `SIG` and in any case, or from its number, 1 to
/// [`SIGNAL_MAX`].
pub fn parse(word: &str) -> Option<i32> {
    if let Ok(number) = word.parse() {
        return (1..=SIGNAL_MAX).contains(&number).then_some(number);
    }
    let upper = word.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let signal: Signal = format!("SIG{name}").parse().ok()?;
    Some(signal as i32)
}

/// The name of a signal, such as `SIGTERM`; its number where it has none, as real-time signals.
pub fn name(number: i32) -> String {
    Signal::try_from(number).map_or_else(|_| number.to_string(), |signal| signal.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers() {
        for word in ["TERM", "SIGTERM", "term", "SigTerm", "15"] {
            assert_eq!(parse(word), Some(15), "{word}");
        }
        assert_eq!((parse("1"), parse("64")), (Some(1), Some(64)));
        for word in [
            "",
            "0",
            "65",
            "-9",
            "SIG",
            "SIGSIGTERM",
            "TER",
            "9.0",
            "EXIT",
        ] {
            assert_eq!(parse(word), None, "{word}");
        }
        assert_eq!((name(9), name(40)), ("SIGKILL".into(), "40".into()));
    }
}
