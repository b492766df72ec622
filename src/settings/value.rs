//! The values of settings, from a command line and from a file, and their ranges.
//!
//! Knows no setting by its name; the settings are in the table above.

use std::fmt;
use std::time::Duration;

use super::duration;

/// The longest time that a setting takes: ten years.
pub const SECONDS_MAX: f64 = 315_360_000.0;

/// The lowest rate that a setting takes, besides zero: the time between two is then no longer than
/// about a quarter of an hour.
pub const RATE_MIN: f64 = 0.001;

/// Which values a setting accepts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// A whole number from the first to the second.
    Number(u64, u64),
    /// A number of bytes from the first to the second.
    Bytes(u64, u64),
    /// A number of seconds from the first to the second, with a fraction if need be.
    Seconds(f64, f64),
    /// How many in a second: zero, or a number up to this one, with a fraction if need be.
    Rate(f64),
    /// Permissions, octal.
    Mode,
    /// True or false.
    Bool,
    /// One of these words, each with its meaning.
    Words(&'static [(&'static str, &'static str)]),
}

/// A value that has passed the check of its kind.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    /// For [`Kind::Number`] and [`Kind::Bytes`].
    Number(u64),
    /// For [`Kind::Seconds`].
    Seconds(Duration),
    /// For [`Kind::Rate`].
    Rate(f64),
    /// For [`Kind::Mode`].
    Mode(u32),
    /// For [`Kind::Bool`].
    Bool(bool),
    /// For [`Kind::Words`].
    Word(&'static str),
}

impl Kind {
    /// The accepted values, as text after "not".
    pub fn accepted(self) -> String {
        match self {
            Self::Number(least, most) | Self::Bytes(least, most) => {
                format!("a number from {least} to {most}")
            }
            Self::Seconds(least, most) => {
                format!(
                    "a number of seconds from {least} to {most}, or {}",
                    duration::EXAMPLES
                )
            }
            Self::Rate(most) => format!("0 or a number from {RATE_MIN} to {most}"),
            Self::Mode => "an octal mode from 0 to 0777".into(),
            Self::Bool => "true or false".into(),
            Self::Words(words) => {
                let names: Vec<_> = words.iter().map(|(word, _)| *word).collect();
                match names.split_last() {
                    Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
                    None => String::new(),
                }
            }
        }
    }

    /// Takes a value from the text of a command line.
    ///
    /// # Errors
    ///
    /// The text has the accepted values.
    pub fn parse(self, text: &str) -> Result<Value, String> {
        let value = match self {
            Self::Number(..) => text.parse().ok().and_then(|n| self.number(n)),
            Self::Bytes(..) => bytes(text).and_then(|n| self.number(n)),
            Self::Seconds(..) => duration::parse(text).and_then(|s| self.seconds(s)),
            Self::Rate(_) => text.parse().ok().and_then(|rate| self.rate(rate)),
            Self::Mode => mode(text),
            Self::Bool => text.parse().ok().map(Value::Bool),
            Self::Words(_) => self.word(text),
        };
        value.ok_or_else(|| format!("not {}", self.accepted()))
    }

    /// The number, if it is in range.
    pub fn number(self, number: u64) -> Option<Value> {
        match self {
            Self::Number(least, most) | Self::Bytes(least, most)
                if (least..=most).contains(&number) =>
            {
                Some(Value::Number(number))
            }
            _ => None,
        }
    }

    /// The seconds, if they are in range.
    pub fn seconds(self, seconds: f64) -> Option<Value> {
        match self {
            Self::Seconds(least, most) if (least..=most).contains(&seconds) => {
                let time = Duration::from_secs_f64(seconds);
                // Zero may mean something else than very little.
                let least = Duration::from_nanos(u64::from(seconds > 0.0));
                Some(Value::Seconds(time.max(least)))
            }
            _ => None,
        }
    }

    /// The rate, if it is in range.
    pub fn rate(self, rate: f64) -> Option<Value> {
        match self {
            Self::Rate(most) if rate == 0.0 || (RATE_MIN..=most).contains(&rate) => {
                Some(Value::Rate(rate))
            }
            _ => None,
        }
    }

    /// The word, if it is one of those.
    fn word(self, text: &str) -> Option<Value> {
        let Self::Words(words) = self else {
            return None;
        };
        let (word, _) = words.iter().find(|(word, _)| *word == text)?;
        Some(Value::Word(word))
    }
}

/// A number of bytes; K, M and G stand for powers of 1024.
fn bytes(text: &str) -> Option<u64> {
    let (digits, factor) = match text.split_at_checked(text.len().checked_sub(1)?)? {
        (digits, "K") => (digits, 1 << 10),
        (digits, "M") => (digits, 1 << 20),
        (digits, "G") => (digits, 1 << 30),
        _ => (text, 1),
    };
    let number: u64 = digits.parse().ok()?;
    number.checked_mul(factor)
}

fn mode(text: &str) -> Option<Value> {
    let digits = text.strip_prefix("0o").unwrap_or(text);
    let mode = u32::from_str_radix(digits, 8).ok()?;
    (mode <= 0o777 && digits.bytes().all(|b| b.is_ascii_digit())).then_some(Value::Mode(mode))
}

/// A type that a setting has in the program.
pub trait Stored: Copy {
    /// As a value of its kind.
    fn value(self) -> Value;

    /// From a value of its kind. `None`: it is of another kind, or the type is too small.
    fn stored(value: Value) -> Option<Self>;
}

macro_rules! number {
    ($($number:ty),*) => {$(
        impl Stored for $number {
            fn value(self) -> Value {
                Value::Number(self as u64)
            }

            fn stored(value: Value) -> Option<Self> {
                match value {
                    Value::Number(number) => Self::try_from(number).ok(),
                    _ => None,
                }
            }
        }
    )*};
}

number!(u8, u32, u64, usize);

impl Stored for Duration {
    fn value(self) -> Value {
        Value::Seconds(self)
    }

    fn stored(value: Value) -> Option<Self> {
        match value {
            Value::Seconds(time) => Some(time),
            _ => None,
        }
    }
}

/// A time of zero seconds means none.
impl Stored for Option<Duration> {
    fn value(self) -> Value {
        Value::Seconds(self.unwrap_or_default())
    }

    fn stored(value: Value) -> Option<Self> {
        let time = Duration::stored(value)?;
        Some(Some(time).filter(|time| !time.is_zero()))
    }
}

/// Permissions of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mode(pub u32);

impl Stored for Mode {
    fn value(self) -> Value {
        Value::Mode(self.0)
    }

    fn stored(value: Value) -> Option<Self> {
        match value {
            Value::Mode(mode) => Some(Self(mode)),
            _ => None,
        }
    }
}

impl Stored for bool {
    fn value(self) -> Value {
        Value::Bool(self)
    }

    fn stored(value: Value) -> Option<Self> {
        match value {
            Value::Bool(is) => Some(is),
            _ => None,
        }
    }
}

/// A rate; zero means that there is no limit.
impl Stored for f64 {
    fn value(self) -> Value {
        Value::Rate(self)
    }

    fn stored(value: Value) -> Option<Self> {
        match value {
            Value::Rate(rate) => Some(rate),
            _ => None,
        }
    }
}

/// Makes an enum one of words. Each word is read as the first variant beside it.
macro_rules! words {
    ($type:ty { $($word:literal = $variant:path $(| $other:path)?),* $(,)? }) => {
        impl $crate::settings::value::Stored for $type {
            fn value(self) -> $crate::settings::value::Value {
                match self {
                    $($variant $(| $other)? => $crate::settings::value::Value::Word($word),)*
                }
            }

            fn stored(value: $crate::settings::value::Value) -> Option<Self> {
                match value {
                    $($crate::settings::value::Value::Word($word) => Some($variant),)*
                    _ => None,
                }
            }
        }
    };
}

pub(super) use words;

impl fmt::Display for Value {
    /// As it is given on a command line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Seconds(time) => write!(f, "{}", time.as_secs_f64()),
            Self::Rate(rate) => write!(f, "{rate}"),
            Self::Mode(mode) => write!(f, "0{mode:03o}"),
            Self::Bool(is) => write!(f, "{is}"),
            Self::Word(word) => f.write_str(word),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORDS: Kind = Kind::Words(&[("auto", ""), ("syslog", ""), ("stderr", "")]);

    #[test]
    fn what_is_accepted_comes_back_as_it_was_given() {
        for (kind, text) in [
            (Kind::Number(1, 65_535), "1"),
            (Kind::Number(1, 65_535), "65535"),
            (Kind::Number(0, 1 << 53), "9007199254740992"),
            (Kind::Seconds(0.0, 60.0), "0"),
            (Kind::Seconds(0.0, 60.0), "60"),
            (Kind::Seconds(0.1, 60.0), "0.1"),
            (Kind::Mode, "0000"),
            (Kind::Mode, "0660"),
            (Kind::Mode, "0777"),
            (Kind::Rate(1e6), "0"),
            (Kind::Rate(1e6), "0.001"),
            (Kind::Rate(1e6), "2.5"),
            (Kind::Rate(1e6), "1000000"),
            (Kind::Bool, "true"),
            (Kind::Bool, "false"),
            (WORDS, "syslog"),
        ] {
            assert_eq!(kind.parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Kind::Mode.parse("0o600"), Ok(Value::Mode(0o600)));
    }

    #[test]
    fn what_is_refused_is_told_what_is_accepted() {
        for (kind, texts, accepted) in [
            (
                Kind::Number(1, 9),
                &["0", "10", "-1", "", "1.5", "x", "99999999999999999999"][..],
                "not a number from 1 to 9",
            ),
            (
                Kind::Seconds(0.1, 60.0),
                &[
                    "0", "0.09", "60.1", "nan", "inf", "-1", "", "soon", "99ms", "2m", "5 s",
                ],
                "not a number of seconds from 0.1 to 60, or 500ms, 90s, 5m, 1h30m or 2d",
            ),
            (
                Kind::Mode,
                &["888", "1777", "+7", "-1", "", "rw", "0x7"],
                "not an octal mode from 0 to 0777",
            ),
            (
                Kind::Rate(1e6),
                &["-1", "1e-9", "1000001", "nan", "inf", "", "often"],
                "not 0 or a number from 0.001 to 1000000",
            ),
            (Kind::Bool, &["", "True", "yes", "1"], "not true or false"),
            (
                WORDS,
                &["", "Auto", "journal"],
                "not auto, syslog or stderr",
            ),
        ] {
            for text in texts {
                assert_eq!(kind.parse(text), Err(accepted.into()), "{text}");
            }
        }
    }
}
