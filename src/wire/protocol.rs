//! Which protocols there are, and what the rest of the program has to know of each before a byte
//! is read.

/// What is spoken on a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protocol {
    /// Netstrings: an argument list, and output as it comes.
    Exec,
    /// One shell command, and its output when it has ended.
    Sockproc,
    /// JSON messages to the server itself.
    Control,
}

/// What a client asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// One program; the reply says how it has ended.
    Program,
    /// Commands to the server itself, one after the other, each with an answer.
    Commands,
}

impl Protocol {
    /// All of them.
    pub const ALL: [Self; 3] = {
        // One more stops the compiler here, as everywhere.
        match Self::Exec {
            Self::Exec | Self::Sockproc | Self::Control => {}
        }
        [Self::Exec, Self::Sockproc, Self::Control]
    };

    /// Its name, which a socket that is handed over has too.
    pub fn name(self) -> &'static str {
        match self {
            Self::Exec => "exec",
            Self::Sockproc => "sockproc",
            Self::Control => "control",
        }
    }

    /// What is spoken on a socket of this name: a name that is not known means exec.
    pub fn of_socket(name: Option<&str>) -> Self {
        let known = |name| {
            Self::ALL
                .into_iter()
                .find(|protocol| protocol.name() == name)
        };
        name.and_then(known).unwrap_or(Self::Exec)
    }

    /// What its clients ask for.
    pub fn purpose(self) -> Purpose {
        match self {
            Self::Exec | Self::Sockproc => Purpose::Program,
            Self::Control => Purpose::Commands,
        }
    }

    /// Whether output is kept until the program has ended, because the reply begins with its
    /// size.
    pub fn keeps_output(self) -> bool {
        match self {
            Self::Sockproc => true,
            Self::Exec | Self::Control => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_of_an_unknown_name_speaks_exec() {
        for protocol in Protocol::ALL {
            assert_eq!(Protocol::of_socket(Some(protocol.name())), protocol);
        }
        for name in [None, Some(""), Some("Control"), Some("sockexec.socket")] {
            assert_eq!(Protocol::of_socket(name), Protocol::Exec);
        }
    }
}
