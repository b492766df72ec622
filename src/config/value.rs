//! The values that settings take: what is accepted, from a command line and from a file.
//!
//! Knows no setting by its name; those are in `keys`.

use std::fmt;
use std::time::Duration;

/// The longest time that a setting takes: ten years.
pub const SECONDS_MAX: f64 = 315_360_000.0;

/// Which values a setting accepts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// A whole number from the first to the second.
    Number(u64, u64),
    /// A number of seconds from the first to the second, with a fraction if need be.
    Seconds(f64, f64),
    /// Permissions, octal.
    Mode,
    /// One of some words; what each means stands beside it.
    Words(&'static [(&'static str, &'static str)]),
}

/// A value that has passed the check of its kind.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    /// For [`Kind::Number`].
    Number(u64),
    /// For [`Kind::Seconds`].
    Seconds(Duration),
    /// For [`Kind::Mode`].
    Mode(u32),
    /// For [`Kind::Words`].
    Word(&'static str),
}

impl Kind {
    /// What is accepted, to go on after "not".
    pub fn accepted(self) -> String {
        match self {
            Self::Number(least, most) => format!("a number from {least} to {most}"),
            Self::Seconds(least, most) => format!("a number of seconds from {least} to {most}"),
            Self::Mode => "an octal mode from 0 to 0777".into(),
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
    /// Says what is accepted.
    pub fn parse(self, text: &str) -> Result<Value, String> {
        let value = match self {
            Self::Number(..) => text.parse().ok().and_then(|n| self.number(n)),
            Self::Seconds(..) => text.parse().ok().and_then(|s| self.seconds(s)),
            Self::Mode => mode(text),
            Self::Words(_) => self.word(text),
        };
        value.ok_or_else(|| format!("not {}", self.accepted()))
    }

    /// The number, if it is in range.
    pub fn number(self, number: u64) -> Option<Value> {
        match self {
            Self::Number(least, most) if (least..=most).contains(&number) => {
                Some(Value::Number(number))
            }
            _ => None,
        }
    }

    /// The seconds, if they are in range.
    pub fn seconds(self, seconds: f64) -> Option<Value> {
        match self {
            Self::Seconds(least, most) if (least..=most).contains(&seconds) => {
                Some(Value::Seconds(Duration::from_secs_f64(seconds)))
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

fn mode(text: &str) -> Option<Value> {
    let digits = text.strip_prefix("0o").unwrap_or(text);
    let mode = u32::from_str_radix(digits, 8).ok()?;
    (mode <= 0o777 && digits.bytes().all(|b| b.is_ascii_digit())).then_some(Value::Mode(mode))
}

impl Value {
    /// The number, as the type of the setting that it is for.
    ///
    /// # Panics
    ///
    /// When it is none, or the type is smaller than the setting's range.
    pub fn number<T: TryFrom<u64>>(self) -> T {
        match self {
            Self::Number(number) => T::try_from(number).ok().expect("a range within the type"),
            _ => panic!("{self:?} is not a number"),
        }
    }

    /// The time.
    ///
    /// # Panics
    ///
    /// When it is none.
    pub fn time(self) -> Duration {
        match self {
            Self::Seconds(time) => time,
            _ => panic!("{self:?} is not a time"),
        }
    }

    /// The permissions.
    ///
    /// # Panics
    ///
    /// When it is none.
    pub fn mode(self) -> u32 {
        match self {
            Self::Mode(mode) => mode,
            _ => panic!("{self:?} is not a mode"),
        }
    }

    /// The word.
    ///
    /// # Panics
    ///
    /// When it is none.
    pub fn word(self) -> &'static str {
        match self {
            Self::Word(word) => word,
            _ => panic!("{self:?} is not a word"),
        }
    }
}

impl fmt::Display for Value {
    /// As it is given on a command line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Seconds(time) => write!(f, "{}", time.as_secs_f64()),
            Self::Mode(mode) => write!(f, "0{mode:03o}"),
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
                &["0", "0.09", "60.1", "nan", "inf", "-1", "", "soon"],
                "not a number of seconds from 0.1 to 60",
            ),
            (
                Kind::Mode,
                &["888", "1777", "+7", "-1", "", "rw", "0x7"],
                "not an octal mode from 0 to 0777",
            ),
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
