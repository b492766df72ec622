//! The users of clients: their names, for the record, and their accounts, for programs that run as
//! their clients.

use std::time::Instant;

use super::accounts::{Accounts, Known};
use crate::id::ConnectionId;
use crate::os::accounts::names::Names;
use crate::os::accounts::uid_min;
use crate::os::peer::Peer;
use crate::os::poller::Poller;
use crate::program::{NotPeer, Refusal};

/// See the module.
#[derive(Debug)]
pub(super) struct People {
    own_uid: u32,
    /// The lowest number of a person; those below belong to the system.
    uid_min: u32,
    names: Names,
    accounts: Accounts,
}

impl People {
    /// Those of a server whose user is `own_uid`.
    pub(super) fn new(own_uid: u32) -> Self {
        Self {
            own_uid,
            uid_min: uid_min(),
            names: Names::default(),
            accounts: Accounts::default(),
        }
    }

    /// Takes names and accounts anew, since the configuration is read.
    pub(super) fn read_again(&mut self) {
        self.uid_min = uid_min();
        self.names = Names::read();
        self.accounts.forget();
    }

    /// The name of a user, if it is known without asking a directory service.
    pub(super) fn name_of(&self, uid: u32) -> Option<&str> {
        let name = self.names.of(uid);
        name.or_else(|| self.accounts.name_of(uid))
    }

    /// How a reason calls a user.
    pub(super) fn title_of(&self, uid: u32) -> String {
        match self.name_of(uid) {
            Some(name) => name.to_owned(),
            None => format!("user {uid}"),
        }
    }

    /// The user as which a client's program runs, if that is the client's own. Only a rule that
    /// names a user lets programs run as one of the system's.
    ///
    /// # Errors
    ///
    /// Why no program runs as that user.
    pub(super) fn admit(
        &self,
        peer: &Peer,
        is_named: impl Fn(u32) -> bool,
    ) -> Result<u32, Refusal> {
        let Peer::Local { uid: Some(uid), .. } = *peer else {
            return Err(Refusal::Peer {
                name: "the client's user".into(),
                why: NotPeer::Unknown,
            });
        };
        match uid {
            _ if uid == self.own_uid && uid != 0 => Err(self.refusal(uid, NotPeer::Server)),
            _ if is_named(uid) => Ok(uid),
            0 => Err(self.refusal(uid, NotPeer::Root)),
            _ if uid < self.uid_min => Err(self.refusal(uid, NotPeer::System(self.uid_min))),
            _ => Ok(uid),
        }
    }

    pub(super) fn refusal(&self, uid: u32, why: NotPeer) -> Refusal {
        let name = self.title_of(uid);
        Refusal::Peer { name, why }
    }

    /// The account of a user. `None`: the request waits for it from now on.
    pub(super) fn account(
        &mut self,
        (id, uid): (ConnectionId, u32),
        (poller, now): (&Poller, Instant),
    ) -> Option<Known> {
        let known = self.accounts.get(uid, now).cloned();
        if known.is_none() {
            self.accounts.wait((id, uid), (poller, now));
        }
        known
    }

    /// The accounts that are being looked up.
    pub(super) fn accounts(&mut self) -> &mut Accounts {
        &mut self.accounts
    }

    /// When there is something to do about accounts.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.accounts.poll_timeout()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local(uid: Option<u32>) -> Peer {
        let (gid, pid) = (None, 1);
        Peer::Local { uid, gid, pid }
    }

    #[test]
    fn programs_run_as_people_and_as_others_only_if_they_are_named() {
        let mut people = People::new(990);
        people.uid_min = 1000;
        let why = |peer: &Peer, named: &[u32]| match people.admit(peer, |uid| named.contains(&uid))
        {
            Ok(_) => None,
            Err(Refusal::Peer { why, .. }) => Some(why),
            Err(other) => panic!("{other:?}"),
        };
        for (uid, unnamed, named) in [
            (0, Some(NotPeer::Root), None),
            (1, Some(NotPeer::System(1000)), None),
            (999, Some(NotPeer::System(1000)), None),
            (1000, None, None),
            (65534, None, None),
            (990, Some(NotPeer::Server), Some(NotPeer::Server)),
        ] {
            let peer = local(Some(uid));
            assert_eq!(why(&peer, &[]), unnamed, "{uid}");
            assert_eq!(why(&peer, &[uid]), named, "{uid}");
        }
        let tcp = Peer::Tcp {
            address: ([127, 0, 0, 1], 1).into(),
            uid: Some(1000),
        };
        for peer in [local(None), tcp, Peer::Unknown] {
            assert_eq!(why(&peer, &[1000]), Some(NotPeer::Unknown), "{peer:?}");
        }
    }
}
