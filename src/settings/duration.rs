//! The text of a time: a number of seconds, or numbers with units.
//!
//! The one parser of such text, for command lines, the file and the control socket. Ranges are the
//! affair of a [`Kind`](super::value::Kind).

/// The units, from the longest to the shortest, with their seconds and their parts in a second.
const UNITS: [(&str, f64, f64); 5] = [
    ("d", 86_400.0, 1.0),
    ("h", 3600.0, 1.0),
    ("m", 60.0, 1.0),
    ("s", 1.0, 1.0),
    ("ms", 1.0, 1000.0),
];

/// The accepted text with units, for errors and help.
pub const EXAMPLES: &str = "500ms, 90s, 5m, 1h30m or 2d";

/// The same for places where text is in quotes.
pub const QUOTED: &str = "\"90s\", \"5m\" or \"1h30m\"";

/// The seconds of a time: a number such as `60` or `0.5`, or numbers with units such as `1h30m`,
/// each unit once at most, longer ones first.
pub fn parse(text: &str) -> Option<f64> {
    match text.parse() {
        Ok(seconds) => Some(seconds),
        Err(_) => with_units(text),
    }
}

fn with_units(mut text: &str) -> Option<f64> {
    let (mut sum, mut units) = (0.0, &UNITS[..]);
    // At least one number: nothing at all is no time.
    loop {
        let (number, rest) = text.split_at(length(text, |b| b.is_ascii_digit() || b == b'.'));
        let (unit, rest) = rest.split_at(length(rest, |b| b.is_ascii_alphabetic()));
        let index = units.iter().position(|(name, ..)| *name == unit)?;
        let (_, factor, divisor) = units[index];
        let number: f64 = number.parse().ok()?;
        sum += number * factor / divisor;
        if rest.is_empty() {
            return Some(sum);
        }
        (text, units) = (rest, &units[index + 1..]);
    }
}

/// The number of such bytes in front.
fn length(text: &str, is_such: impl Fn(u8) -> bool) -> usize {
    let end = text.bytes().position(|b| !is_such(b));
    end.unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_seconds_and_units_add_up() {
        for (text, seconds) in [
            ("0", 0.0),
            ("60", 60.0),
            ("0.5", 0.5),
            ("1e-10", 1e-10),
            ("90s", 90.0),
            ("5m", 300.0),
            ("1h", 3600.0),
            ("1h30m", 5400.0),
            ("1h30m15s", 5415.0),
            ("500ms", 0.5),
            ("100ms", 0.1),
            ("1s500ms", 1.5),
            ("1.5h", 5400.0),
            ("0s", 0.0),
            ("2d", 172_800.0),
            ("1d1h1m1s1ms", 90_061.001),
            ("90m", 5400.0),
        ] {
            assert_eq!(parse(text), Some(seconds), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "", " ", "s", "5 m", "5m ", "m5", "1h30", "30m1h", "1h1h", "5M", "5min", "5µs", "-5m",
            "+5m", "1e3s", "1..5s", ".s", "infs", "nans", "5,5s", "soon", "0x5s", "5s\0",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_examples_are_accepted() {
        for example in EXAMPLES.replace(" or ", ", ").split(", ") {
            assert!(parse(example).is_some(), "{example}");
        }
    }
}
