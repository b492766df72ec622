//! Signals by name and by number, as kill(1) has them. Plain values, which know no other part.

use nix::sys::signal::Signal;

/// The highest number of a signal.
pub const SIGNAL_MAX: i32 = 64;

/// A signal from its name, as [`from_name`] has it, or from its number, 1 to [`SIGNAL_MAX`].
pub fn parse(word: &str) -> Option<i32> {
    match word.parse() {
        Ok(number) => (1..=SIGNAL_MAX).contains(&number).then_some(number),
        Err(_) => from_name(word),
    }
}

/// A signal from its name, with or without `SIG` and in any case. Some have two.
pub fn from_name(name: &str) -> Option<i32> {
    let upper = name.to_ascii_uppercase();
    let short = match upper.strip_prefix("SIG").unwrap_or(&upper) {
        "POLL" => "IO",
        "CLD" => "CHLD",
        "IOT" => "ABRT",
        other => other,
    };
    let signal: Signal = format!("SIG{short}").parse().ok()?;
    Some(signal as i32)
}

/// The name of a signal without its `SIG`, such as `TERM`. Real-time signals have none.
pub fn short_name(number: i32) -> Option<&'static str> {
    Signal::try_from(number).ok()?.as_str().strip_prefix("SIG")
}

/// The name of a signal, such as `SIGTERM`; its number where it has none.
pub fn name_or_number(number: i32) -> String {
    short_name(number).map_or_else(|| number.to_string(), |name| format!("SIG{name}"))
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
        assert_eq!((short_name(9), short_name(40)), (Some("KILL"), None));
        assert_eq!(
            (name_or_number(9), name_or_number(40)),
            ("SIGKILL".into(), "40".into())
        );
    }

    #[test]
    fn second_names() {
        for (second, first) in [("POLL", "IO"), ("SIGCLD", "SIGCHLD"), ("iot", "abrt")] {
            assert!(parse(second).is_some());
            assert_eq!(parse(second), parse(first));
        }
    }
}
