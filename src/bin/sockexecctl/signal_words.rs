//! `kill -9 12`, as kill(1) has it: the signal as an option of its own, or after `-s`.
//!
//! clap knows options by name, so these words become `--signal` before it reads them.

use std::ffi::{OsStr, OsString};

use sockexec::signal;

/// The options whose value is the next word.
const WITH_VALUE: [&str; 7] = [
    "--socket",
    "--instance",
    "--timeout",
    "--signal",
    "--user",
    "--program",
    "--rule",
];

/// The words of a command line, in which a signal after `kill` is the value of `--signal`.
pub fn named(words: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut words = words.into_iter();
    let mut all: Vec<_> = words.next().into_iter().collect();
    let mut is_kill = false;
    while let Some(word) = words.next() {
        let text = word.to_str().unwrap_or_default();
        match text {
            "--" => {
                all.push(word);
                break;
            }
            "-s" => {
                let value = words.next();
                let is_signal = is_kill && value.as_deref().is_some_and(is_signal);
                all.push(if is_signal { "--signal".into() } else { word });
                all.extend(value);
            }
            _ if WITH_VALUE.contains(&text) => {
                all.push(word);
                all.extend(words.next());
            }
            _ if is_kill => {
                all.push(signal_of(text).map_or(word.clone(), |s| format!("--signal={s}").into()))
            }
            _ => {
                if !text.starts_with('-') {
                    // Of another command they are words of its own.
                    if text != "kill" {
                        all.push(word);
                        break;
                    }
                    is_kill = true;
                }
                all.push(word);
            }
        }
    }
    all.extend(words);
    all
}

fn is_signal(word: &OsStr) -> bool {
    word.to_str()
        .is_some_and(|word| signal::parse(word).is_some())
}

/// The signal in `-9`, `-KILL` or `-sKILL`. A number is one in any case, so that the error is about it.
fn signal_of(word: &str) -> Option<&str> {
    let name = word.strip_prefix('-').filter(|name| !name.is_empty())?;
    let is_number = name.bytes().all(|b| b.is_ascii_digit());
    if is_number || signal::parse(name).is_some() {
        return Some(name);
    }
    name.strip_prefix('s')
        .filter(|rest| signal::parse(rest).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_is_found_where_kill_has_it_and_nowhere_else() {
        for (given, read) in [
            ("ctl kill -9 12", "ctl kill --signal=9 12"),
            ("ctl kill 12 -KILL", "ctl kill 12 --signal=KILL"),
            ("ctl kill -SIGTERM 12", "ctl kill --signal=SIGTERM 12"),
            ("ctl kill -s hup 12", "ctl kill --signal hup 12"),
            ("ctl kill -sHUP 12", "ctl kill --signal=HUP 12"),
            (
                "ctl -s KILL kill -s KILL 1",
                "ctl -s KILL kill --signal KILL 1",
            ),
            ("ctl kill -s /run/x 12", "ctl kill -s /run/x 12"),
            (
                "ctl --timeout 9 kill -99 1",
                "ctl --timeout 9 kill --signal=99 1",
            ),
            ("ctl kill --user -9 -9", "ctl kill --user -9 --signal=9"),
            ("ctl kill -h", "ctl kill -h"),
            ("ctl kill -- -9", "ctl kill -- -9"),
            ("ctl --json explain kill -9", "ctl --json explain kill -9"),
            ("ctl", "ctl"),
        ] {
            let words = given.split(' ').map(OsString::from);
            let read: Vec<_> = read.split(' ').map(OsString::from).collect();
            assert_eq!(named(words), read, "{given}");
        }
    }
}
