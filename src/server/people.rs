//! The users of clients: their names, for the record.

use crate::os::accounts::names::Names;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct People {
    names: Names,
}

impl People {
    /// Takes the names of users anew, since the configuration is read.
    pub(super) fn read_again(&mut self) {
        self.names = Names::read();
    }

    /// The name of a user, if it is known without asking a directory service.
    pub(super) fn name_of(&self, uid: u32) -> Option<&str> {
        self.names.of(uid)
    }
}
