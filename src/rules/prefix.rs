//! Whether a program in front of another leaves the client's arguments alone.
//!
//! The words of a `run-prefix` are followed by the path of the client's program and the client's
//! arguments. Most programs look for options in all of their arguments: `runuser -u nobody`
//! followed by `/usr/bin/id -u root` runs `id` as root. There are two safe forms:
//!
//! ```text
//! [..., "--"]     nothing after it is an option
//! a known program with options and operands of its own, perhaps several of them:
//!                 nice -n 10   timeout -k 5 60   nice ionice -c 3
//! ```
//!
//! The known programs stop at the first word that is not theirs. They are safe only if the prefix
//! ends where they expect a command: in `setsid -w runuser -u nobody` the last program decides.

/// A program that stops at its command, and the options with which it runs one.
struct Known {
    name: &'static str,
    /// One letter each. A mark after it describes its operand, see [`takes`].
    short: &'static str,
    /// Names, with the same marks.
    long: &'static [&'static str],
    /// The number of words between options and command.
    operands: usize,
}

static KNOWN: [Known; 10] = [
    Known {
        name: "nice",
        // The digits are its old form: -10.
        short: "n:0123456789",
        long: &["adjustment:"],
        operands: 0,
    },
    Known {
        name: "ionice",
        short: "c:n:t",
        long: &["class:", "classdata:", "ignore"],
        operands: 0,
    },
    Known {
        name: "timeout",
        short: "fk:ps:v",
        long: &[
            "foreground",
            "kill-after:",
            "preserve-status",
            "signal:",
            "verbose",
        ],
        operands: 1,
    },
    Known {
        name: "chrt",
        short: "bdefiorRT:P:D:v",
        long: &[
            "batch",
            "deadline",
            "ext",
            "fifo",
            "idle",
            "other",
            "rr",
            "reset-on-fork",
            "sched-runtime:",
            "sched-period:",
            "sched-deadline:",
            "verbose",
        ],
        operands: 1,
    },
    Known {
        name: "stdbuf",
        short: "i:o:e:",
        long: &["input:", "output:", "error:"],
        operands: 0,
    },
    Known {
        name: "setsid",
        short: "cfw",
        long: &["ctty", "fork", "wait"],
        operands: 0,
    },
    Known {
        name: "nohup",
        short: "",
        long: &[],
        operands: 0,
    },
    Known {
        name: "prlimit",
        short: "c=d=e=f=i=l=m=n=q=r=s=t=u=v=x=y=",
        long: &[
            "core=",
            "data=",
            "nice=",
            "fsize=",
            "sigpending=",
            "memlock=",
            "rss=",
            "nofile=",
            "msgqueue=",
            "rtprio=",
            "stack=",
            "cpu=",
            "nproc=",
            "as=",
            "locks=",
            "rttime=",
        ],
        operands: 0,
    },
    Known {
        name: "taskset",
        short: "c",
        long: &["cpu-list"],
        operands: 1,
    },
    Known {
        name: "unshare",
        short: "m=u=i=n=p=U=C=T=frcR:w:S:G:",
        long: &[
            "mount=",
            "uts=",
            "ipc=",
            "net=",
            "pid=",
            "user=",
            "cgroup=",
            "time=",
            "fork",
            "map-root-user",
            "map-current-user",
            "map-auto",
            "map-user:",
            "map-group:",
            "map-users:",
            "map-groups:",
            "kill-child=",
            "mount-proc=",
            "propagation:",
            "setgroups:",
            "keep-caps",
            "root:",
            "wd:",
            "setuid:",
            "setgid:",
            "monotonic:",
            "boottime:",
        ],
        operands: 0,
    },
];

/// What is wrong with these words as a prefix, if anything is.
pub fn complaint(words: &[Vec<u8>]) -> Option<String> {
    match words {
        // A line of a shell. No name in PATH has a space.
        [first, ..] if first.contains(&b' ') && !first.contains(&b'/') => {
            Some("each word is a string of its own, such as [\"nice\", \"-n\", \"10\"]".into())
        }
        [own @ .., last] if last == b"--" && !own.is_empty() => {
            let program = innermost(own).filter(|known| known.operands > 0)?;
            let name = program.name;
            Some(format!(
                "{name} would take the \"--\" at the end for its command"
            ))
        }
        _ if innermost(words).is_some() => None,
        _ => {
            let known: Vec<_> = KNOWN.iter().map(|known| known.name).collect();
            let known = known.join(", ");
            Some(format!(
                "must end in \"--\", or the program in front could take options from the \
                 client's arguments (only {known}, with options of their own, need none)"
            ))
        }
    }
}

/// The last program in front, if all are known and it expects its command behind the words.
fn innermost(words: &[Vec<u8>]) -> Option<&'static Known> {
    let (program, rest) = words.split_first()?;
    let name = program.rsplit(|&b| b == b'/').next()?;
    let known = KNOWN.iter().find(|known| known.name.as_bytes() == name)?;
    match known.command(rest)? {
        [] => Some(known),
        another => innermost(another),
    }
}

/// What an option takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Takes {
    Nothing,
    /// A value, in the next word if not in the same.
    Value,
    /// A value in the same word, or none.
    ValueHere,
}

impl Known {
    /// The words from its command on: those behind its options and operands. `None` when
    /// there is an option that is not known, or the words end too early.
    fn command<'w>(&self, words: &'w [Vec<u8>]) -> Option<&'w [Vec<u8>]> {
        let mut rest = words;
        while let Some((word, behind)) = rest.split_first() {
            if word == b"--" {
                rest = behind;
                break;
            }
            let values = match word.strip_prefix(b"--") {
                Some(long) => self.long_option(long)?,
                None if word.len() > 1 && word[0] == b'-' => self.short_options(&word[1..])?,
                None => break,
            };
            rest = behind.get(values..)?;
        }
        rest.get(self.operands..)
    }

    /// How many of the words behind it belong to a long option.
    fn long_option(&self, option: &[u8]) -> Option<usize> {
        let (name, value) = match option.iter().position(|&b| b == b'=') {
            Some(at) => (&option[..at], true),
            None => (option, false),
        };
        let takes = self.long.iter().find_map(|known| {
            let bare = known.trim_end_matches([':', '=']);
            (bare.as_bytes() == name).then(|| takes(known[bare.len()..].bytes().next()))
        })?;
        match (takes, value) {
            (Takes::Nothing, true) => None,
            (Takes::Value, false) => Some(1),
            _ => Some(0),
        }
    }

    /// How many of the words behind it belong to a word of short options.
    fn short_options(&self, letters: &[u8]) -> Option<usize> {
        for (n, letter) in letters.iter().enumerate() {
            let at = self.short.bytes().position(|known| known == *letter)?;
            match takes(self.short.as_bytes().get(at + 1).copied()) {
                Takes::Nothing => {}
                Takes::Value if n + 1 == letters.len() => return Some(1),
                Takes::Value | Takes::ValueHere => return Some(0),
            }
        }
        Some(0)
    }
}

/// What the mark behind an option means: `:` that it takes a value, `=` that it takes one
/// in the same word only.
fn takes(mark: Option<u8>) -> Takes {
    match mark {
        Some(b':') => Takes::Value,
        Some(b'=') => Takes::ValueHere,
        _ => Takes::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<Vec<u8>> {
        line.split(' ').map(|word| word.into()).collect()
    }

    #[test]
    fn prefixes_that_leave_the_clients_arguments_alone() {
        for line in [
            "nice",
            "nice -n 10",
            "/usr/bin/nice -n10",
            "nice -10",
            "nice --adjustment=5",
            "nice --adjustment 5",
            "nice -n 10 --",
            "nice --",
            "nice ionice -c 3",
            "ionice -tc3 -n 7",
            "timeout 60",
            "timeout -k 5 -s KILL 60",
            "timeout --preserve-status --kill-after=5 60",
            "timeout -- 60",
            "chrt -i 0",
            "chrt -b 0 nice -n 3 nohup",
            "stdbuf -oL -e 0",
            "setsid -w",
            "setsid --wait --ctty",
            "prlimit --nofile=64 -u10 --as=1000000:2000000",
            "taskset -c 0-3",
            "taskset 0x3",
            "unshare -rn --mount-proc --wd /",
            "unshare --net --map-user=0 timeout 5",
            // Whatever it is.
            "env --",
            "runuser -u nobody --",
            "chroot /srv/x env --",
            "nice -n 10 runuser -u nobody --",
        ] {
            assert_eq!(complaint(&words(line)), None, "{line}");
        }
    }

    #[test]
    fn prefixes_that_take_the_clients_arguments() {
        for line in [
            "env",
            "runuser -u nobody",
            "--",
            "/opt/bin/nicer -n 10",
            "sudo -u nobody",
            "env -- X=1",
            // The last program decides, and it is not known.
            "nice env",
            "nice -n 10 runuser -u nobody",
            "setsid -w runuser -u nobody",
            "timeout 60 runuser -u nobody",
            "stdbuf -oL xargs",
            "nohup --help env",
            "prlimit --nofile 64",
            "prlimit -n 64",
            "unshare --mount-proc /proc",
            "nice -n 10 -- env",
            // A value or an operand is missing: the path would be taken for it.
            "nice -n",
            "timeout",
            "timeout -k 5",
            "unshare --root",
            "taskset -c",
            // Not a command, but something that runs already.
            "ionice -p 1",
            "chrt -p 0",
            "taskset -p 1",
            "prlimit --pid 1",
            // Unknown programs.
            "nice -x",
            "nice --adj 10",
            "nice -n 10 -",
            "setsid --wait=yes",
        ] {
            let complaint = complaint(&words(line)).unwrap();
            assert!(complaint.starts_with("must end in \"--\""), "{line}");
        }
        let shell = [b"nice -n 10".to_vec(), b"--".to_vec()];
        assert!(complaint(&shell).unwrap().starts_with("each word"));
        for line in ["timeout 60 --", "taskset -c 0 --", "nice chrt -i 0 --"] {
            let complaint = complaint(&words(line)).unwrap();
            assert!(complaint.contains("for its command"), "{line}");
        }
    }
}
