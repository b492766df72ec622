//! The command line of `sockproc`, the daemon's second name: that of the program which it
//! takes the place of.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{ArgAction, Parser};

use super::address::absolute;
use super::{Address, Given};
use crate::wire::Protocol;

const ABOUT: &str = "\
Runs shell commands for the clients of a UNIX socket, or of a TCP port of this machine.

This is sockexec under its second name, with the command line of sockproc. It runs in the
background. sockexec(8) describes the rest; other settings are in the configuration file,
see sockexec.toml(5).";

/// The parsed options.
#[derive(Debug, Parser)]
#[command(
    name = "sockproc",
    about = "Runs shell commands for the clients of a socket",
    long_about = ABOUT,
    version,
    disable_version_flag = true,
    max_term_width = 96
)]
struct Flags {
    /// A path, or a port of 127.0.0.1
    #[arg(
        allow_negative_numbers = true,
        value_name = "PATH|PORT",
        value_parser = Address::parse,
        required_unless_present = "check"
    )]
    address: Option<Address>,

    /// A pid file
    pidfile: Option<PathBuf>,

    /// Stay in the foreground
    #[arg(long)]
    foreground: bool,

    /// The configuration file, which must exist [default: /etc/sockexec/sockexec.toml, if it exists]
    #[arg(long, value_name = "FILE", overrides_with = "config")]
    config: Option<PathBuf>,

    /// Only check the options and the configuration file, and print the rules in force
    #[arg(long)]
    check: bool,

    /// Print the version
    #[arg(short, short_alias = 'V', long, action = ArgAction::Version)]
    version: Option<bool>,
}

/// Reads the command line.
pub fn read(arguments: Vec<OsString>) -> Result<Given, clap::Error> {
    let flags = Flags::try_parse_from(arguments)?;
    let address = flags.address.map(|address| match address {
        Address::Path(path) => Address::Path(absolute(&path)),
        tcp @ Address::Tcp(_) => tcp,
    });
    Ok(Given {
        file: flags.config,
        listen: address
            .map(|address| (Protocol::Sockproc, address))
            .into_iter()
            .collect(),
        check: flags.check,
        background: !flags.foreground,
        pidfile: flags.pidfile.as_deref().map(absolute),
        ..Given::default()
    })
}
