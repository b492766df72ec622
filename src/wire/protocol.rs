//! The protocols, and the properties of each that the rest of the program needs before a byte is
//! read.

/// The protocol of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protocol {
    /// Netstrings: an argument list, and output as it is written.
    Exec,
    /// One shell command, and its output when it has ended.
    Sockproc,
    /// JSON messages to the server itself.
    Control,
}

/// The kind of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// One program; the reply has its exit status.
    Program,
    /// Commands to the server itself, one after the other, each with an answer.
    Commands,
}

impl Protocol {
    /// All of them.
    pub const ALL: [Self; 3] = {
        // A new protocol stops the compiler here, as everywhere.
        match Self::Exec {
            Self::Exec | Self::Sockproc | Self::Control => {}
        }
        [Self::Exec, Self::Sockproc, Self::Control]
    };

    /// Its name, also that of a socket that is handed over.
    pub fn name(self) -> &'static str {
        match self {
            Self::Exec => "exec",
            Self::Sockproc => "sockproc",
            Self::Control => "control",
        }
    }

    /// The protocol of a socket of this name: an unknown name means exec.
    pub fn of_socket(name: Option<&str>) -> Self {
        let known = |name| {
            Self::ALL
                .into_iter()
                .find(|protocol| protocol.name() == name)
        };
        name.and_then(known).unwrap_or(Self::Exec)
    }

    /// The kind of request of its clients.
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
