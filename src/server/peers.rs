//! Programs that run as their clients: a request waits until the client's account is known.

use super::Server;
use super::guard::Permit;
use crate::id::ConnectionId;
use crate::program::{NotPeer, SpawnError};

/// Whether a request can go on.
pub(super) enum Identified {
    /// It can.
    Yes,
    /// It waits for the account of its client, and will be judged again.
    Later,
}

impl Server {
    /// Puts the account of the client into a permit for a program that runs as its client.
    ///
    /// # Errors
    ///
    /// Why the program does not run as that user.
    pub(super) fn identify(
        &mut self,
        id: ConnectionId,
        permit: &mut Permit,
    ) -> Result<Identified, SpawnError> {
        let Some(entry) = self.table.get(id).filter(|_| permit.runs_as_client()) else {
            return Ok(Identified::Yes);
        };
        let people = self.guard.people_mut();
        let is_named = |uid| permit.rule().is_some_and(|rule| rule.users.contains(&uid));
        let uid = people
            .admit(entry.connection.peer(), is_named)
            .map_err(SpawnError::Refused)?;
        match people.account((id, uid), (self.io.poller(), self.io.now())) {
            None => Ok(Identified::Later),
            Some(Ok(Some(account))) => {
                permit.run_as(account);
                Ok(Identified::Yes)
            }
            Some(Ok(None)) => Err(SpawnError::Refused(people.refusal(uid, NotPeer::NoAccount))),
            Some(Err(errno)) => {
                let name = people.title_of(uid);
                Err(SpawnError::Account { name, errno })
            }
        }
    }

    /// A process that looks an account up has answered, or ended.
    pub(super) fn look_at_question(&mut self, index: usize) {
        let (poller, now) = (self.io.poller(), self.io.now());
        self.guard.people_mut().accounts().look(index, poller, now);
    }

    /// Gives up what took too long, and has requests judged again whose accounts are known.
    pub(super) fn look_at_accounts(&mut self) {
        let (poller, now) = (self.io.poller(), self.io.now());
        self.guard.people_mut().accounts().tick(poller, now);
        self.judge_again();
    }

    pub(super) fn judge_again(&mut self) {
        for id in self.guard.people_mut().accounts().take_answered() {
            self.schedule.judge_again(id);
        }
    }
}
