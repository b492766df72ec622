//! The commands of control connections.
//!
//! Commands wait in a queue and are carried out at the end of a turn, one of each
//! connection, so that a client with many commands does not delay the bytes of others.

use super::Server;
use super::history::LISTED_MAX;
use super::replies::{answered, has_memory, json, response};
use crate::control::command::Command;
use crate::control::message::{Request, Response};
use crate::control::table;
use crate::id::ConnectionId;
use crate::os::memory;
use crate::os::peer::Peer;
use crate::session::Input;

/// The maximum memory for a byte of JSON when it is read, in bytes: a number of one digit and
/// its comma become one value, in a list that doubles when it is full.
const VALUE_MAX: usize = 64;

/// The maximum memory for the answer about one connection, in bytes.
const ANSWER_EACH: usize = 8192;

impl Server {
    /// Carries out waiting commands. Send the answers after the resulting orders have been
    /// carried out: a client with the answer to a drain finds no listening socket.
    pub(super) fn carry_out_commands(&mut self) -> Vec<(ConnectionId, Input)> {
        let mut answers = Vec::new();
        for (id, message) in self.control.take_messages() {
            let Some(entry) = self.table.get(id) else {
                continue;
            };
            let peer = *entry.connection.peer();
            self.statistics.commands += 1;
            let (request, response) = self.answer(id, &peer, &message);
            answers.extend(response.map(|response| (id, answered(request, response))));
        }
        answers.extend(self.answer_held());
        answers
    }

    /// Carries out one message. Without a response its answer comes later.
    fn answer(
        &mut self,
        id: ConnectionId,
        peer: &Peer,
        message: &[u8],
    ) -> (Request, Option<Response>) {
        let needed = VALUE_MAX * message.len() + ANSWER_EACH * self.table.len();
        if !memory::has(needed) {
            self.control.history.give_up(self.io.now());
        }
        if !memory::has(needed) {
            let failure = Response::failure("the server has no memory for it");
            return (Request::default(), Some(failure));
        }
        let request = match Request::read(message) {
            Ok(request) => request,
            Err(error) => {
                let failure = Response::failure(error.to_string());
                return (Request::default(), Some(failure));
            }
        };
        let result = Command::read(&request).and_then(|command| {
            // Changes, and their author, must be found later; questions need not be.
            let level = match command {
                Command::Kill { .. }
                | Command::Set(_)
                | Command::Reload
                | Command::Drain
                | Command::Undrain => log::Level::Info,
                _ => log::Level::Debug,
            };
            log::log!(
                level,
                "connection {id}: {peer}: command {}",
                request.cmd.escape_debug()
            );
            match command {
                Command::Events(since) => self.events((id, &request), &since),
                command => self.execute(command).map(Some),
            }
        });
        let response = result.transpose().map(response);
        (request, response)
    }

    /// Returns the payload of the answer.
    fn execute(&mut self, command: Command) -> Result<String, String> {
        Ok(match command {
            Command::Ping => "pong".into(),
            Command::Version => env!("CARGO_PKG_VERSION").into(),
            Command::Help => table::help(),
            Command::Status => json(&self.status_answer())?,
            Command::Jobs => json(&self.jobs_answer())?,
            Command::Metrics => self.metrics(),
            Command::Recent(wanted) => {
                let history = &self.control.history;
                let most = usize::try_from(wanted.limit).unwrap_or(usize::MAX);
                has_memory(most.min(history.jobs()))?;
                json(&history.recent(&wanted))?
            }
            Command::Events(_) => unreachable!("it may have to wait"),
            Command::Totals => {
                has_memory(LISTED_MAX)?;
                json(&self.totals_answer())?
            }
            Command::Kill { target, signal } => self.kill(&target, signal)?,
            Command::Set(settings) => {
                self.set(&settings);
                json(&self.limits_answer())?
            }
            Command::Explain(question) => json(&self.explain(&question))?,
            Command::Config => json(&self.configured_answer())?,
            Command::Rules => json(&self.rules_answer())?,
            Command::Reload => json(&self.reload()?)?,
            Command::Drain => {
                let counts = self.schedule.counts();
                log::info!("drain: {} connections active", counts.active);
                let draining = self.draining();
                self.drain(None);
                json(&draining)?
            }
            Command::Undrain => json(&self.undrain()?)?,
        })
    }
}
