//! The connection to the server, and the exit code of each failure.

use std::fmt;
use std::io;

use serde::de::DeserializeOwned;
use sockexec::control::client::{Client, ControlError, Reason};
use sockexec::program::without_number;

use crate::arguments::Arguments;

/// For an invalid command line.
pub const EXIT_USAGE: u8 = 100;

/// Why a command was not carried out.
#[derive(Debug)]
pub enum Failure {
    /// The server refused the command, or did not answer.
    Server(ControlError),
    /// The server's answer is invalid.
    Payload(serde_json::Error),
    /// A server does not answer, or there is none.
    Nothing(String),
    /// A name on the command line means nothing.
    Name(String),
    /// Some of what was named was not done, for these reasons.
    Partly(Vec<String>),
    /// This side's descriptors fail.
    Output(io::Error),
}

impl Failure {
    /// 1 if the server refused the command or a part of it, 100 for wrong usage, 111 for any other failure.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Server(error) if matches!(error.reason(), Reason::Failure(_)) => 1,
            Self::Partly(_) => 1,
            Self::Name(_) => EXIT_USAGE,
            _ => 111,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server(error) => error.fmt(f),
            Self::Nothing(error) | Self::Name(error) => f.write_str(error),
            Self::Partly(errors) => f.write_str(&errors.join("; ")),
            Self::Payload(error) => write!(f, "the answer cannot be understood: {error}"),
            Self::Output(error) => {
                let reason = without_number(&error.to_string());
                write!(f, "cannot write to standard output: {reason}")
            }
        }
    }
}

impl From<ControlError> for Failure {
    fn from(error: ControlError) -> Self {
        Self::Server(error)
    }
}

/// Connects to the server that the command line names.
pub fn connect(arguments: &Arguments) -> Result<Client, Failure> {
    Ok(Client::connect(arguments.socket(), arguments.timeout())?)
}

/// Reads the payload of an answer.
pub fn read<T: DeserializeOwned>(payload: &str) -> Result<T, Failure> {
    serde_json::from_str(payload).map_err(Failure::Payload)
}
