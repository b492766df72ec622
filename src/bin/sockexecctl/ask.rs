//! The way to the server, and which exit code each failure has.

use std::fmt;
use std::io;

use serde::de::DeserializeOwned;
use sockexec::control::client::{Client, ControlError, Reason};

use crate::arguments::Arguments;

/// Why a command was not done.
#[derive(Debug)]
pub enum Failure {
    /// The server says no, or there is no answer of it.
    Server(ControlError),
    /// The server's answer is not what it should be.
    Payload(serde_json::Error),
    /// This side's descriptors fail.
    Output(io::Error),
}

impl Failure {
    /// 1 when the server says no, 111 for all else.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Server(error) if matches!(error.reason(), Reason::Failure(_)) => 1,
            _ => 111,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server(error) => error.fmt(f),
            Self::Payload(error) => write!(f, "the answer cannot be understood: {error}"),
            Self::Output(error) => write!(f, "cannot write to standard output: {error}"),
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
    Ok(Client::connect(&arguments.socket, arguments.timeout)?)
}

/// Reads the payload of an answer.
pub fn read<T: DeserializeOwned>(payload: &str) -> Result<T, Failure> {
    serde_json::from_str(payload).map_err(Failure::Payload)
}
