//! `--user`: root's server becomes another user's, once everything is open that only root may open.

use std::fs::File;
use std::path::PathBuf;

use sockexec::config::Config;
use sockexec::execution::Account;
use sockexec::os::errors::reason;
use sockexec::os::{accounts, privileges};

use crate::Fatal;

/// The user to become, if there is one, for a process that is able to.
pub(crate) fn user_to_become(config: &Config) -> Result<Option<Account>, Fatal> {
    match config.user.is_some() && !privileges::is_root() {
        true => Err(Fatal::Usage("--user: only root can change its user".into())),
        false => given_user(config),
    }
}

/// The user that the command line names.
pub(crate) fn given_user(config: &Config) -> Result<Option<Account>, Fatal> {
    let Some(name) = &config.user else {
        return Ok(None);
    };
    match accounts::account(name) {
        Ok(Some(account)) if account.uid == 0 => Err(Fatal::Usage(format!(
            "--user: {name} is root, with all privileges"
        ))),
        Ok(Some(account)) => Ok(Some(account)),
        Ok(None) => Err(Fatal::Usage(format!("--user: there is no user {name:?}"))),
        Err(errno) => Err(Fatal::System(format!("--user {name}: {}", errno.desc()))),
    }
}

/// Becomes this user, and logs what it will not be able to do.
pub(crate) fn step_down(user: &Account, config: &Config, files: &[PathBuf]) -> Result<(), Fatal> {
    let name = &user.name;
    privileges::become_user(user).map_err(Fatal::system(&format!("--user {name}")))?;
    if let Some(file) = &config.file {
        if let Err(error) = File::open(file) {
            log::warn!(
                "{}: it cannot be read again as {name}: {}",
                file.display(),
                reason(error)
            );
        }
    }
    for file in files {
        if !privileges::may_remove(file) {
            log::warn!(
                "{}: {name} will not be able to remove it at the end; the next start replaces it",
                file.display()
            );
        }
    }
    log::info!("the server runs as {name} now");
    Ok(())
}
