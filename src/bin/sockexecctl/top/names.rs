//! The names of users, for numbers of which the server says no name.
//!
//! User databases may be a directory service that hangs, so a thread of its own asks them, once for
//! each number.

use std::collections::BTreeMap;
use std::sync::mpsc::{Sender, channel};
use std::thread;

use nix::unistd::{Uid, User};
use sockexec::control::payload::Job;

use crate::units::UNKNOWN;

/// How many names are kept.
const MOST: usize = 10_000;

/// The names that are known, or asked for.
#[derive(Debug, Default)]
pub struct Names {
    names: BTreeMap<u32, Option<String>>,
    asked: Option<Sender<u32>>,
}

impl Names {
    /// Looks names up in a thread, which passes each answer to `put`.
    pub fn looked_up(put: impl Fn(u32, String) + Send + 'static) -> std::io::Result<Self> {
        let (asked, questions) = channel::<u32>();
        let look_up = move || {
            for uid in questions {
                if let Ok(Some(user)) = User::from_uid(Uid::from_raw(uid)) {
                    put(uid, user.name);
                }
            }
        };
        thread::Builder::new().name("names".into()).spawn(look_up)?;
        Ok(Self {
            names: BTreeMap::new(),
            asked: Some(asked),
        })
    }

    /// Takes an answer.
    pub fn learn(&mut self, uid: u32, name: String) {
        self.names.insert(uid, Some(name));
    }

    /// Asks for the names that these jobs need.
    pub fn ask<'a>(&mut self, jobs: impl IntoIterator<Item = &'a Job>) {
        let unnamed = jobs.into_iter().filter(|job| job.user.is_none());
        for uid in unnamed.filter_map(|job| job.peer.uid) {
            if self.names.len() >= MOST {
                return;
            }
            let sender = self.asked.as_ref();
            self.names.entry(uid).or_insert_with(|| {
                // If the thread has gone, the number has to do.
                let _ = sender.map(|sender| sender.send(uid));
                None
            });
        }
    }

    /// The name of a user, or its number.
    pub fn of(&self, uid: u32) -> String {
        match self.names.get(&uid) {
            Some(Some(name)) => name.clone(),
            _ => uid.to_string(),
        }
    }

    /// The user of a client, or its address.
    pub fn client(&self, job: &Job) -> String {
        let user = job.user.clone();
        let user = user.or_else(|| job.peer.uid.map(|uid| self.of(uid)));
        let user = user.or_else(|| job.peer.address.clone());
        user.unwrap_or_else(|| UNKNOWN.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    fn job(uid: u32) -> Job {
        let mut job = Job::default();
        job.peer.uid = Some(uid);
        job
    }

    #[test]
    fn names_are_looked_up_once_and_numbers_stand_in_for_them() {
        let (sender, answers) = channel();
        let mut names =
            Names::looked_up(move |uid, name| sender.send((uid, name)).unwrap()).unwrap();
        assert_eq!(names.client(&job(0)), "0");
        names.ask([&job(0), &job(0), &job(4_000_000_000)]);
        let (uid, name) = answers.recv().unwrap();
        assert_eq!((uid, &name[..]), (0, "root"));
        names.learn(uid, name);
        assert_eq!(names.client(&job(0)), "root");
        names.ask([&job(0)]);
        drop(names);
        assert!(answers.recv().is_err());
    }

    #[test]
    fn the_servers_own_name_for_a_user_wins() {
        let mut names = Names::default();
        names.learn(33, "web".into());
        let mut one = job(33);
        assert_eq!(names.client(&one), "web");
        one.user = Some("www-data".into());
        assert_eq!(names.client(&one), "www-data");
        one.user = None;
        one.peer.uid = None;
        assert_eq!(names.client(&one), "-");
        one.peer.address = Some("127.0.0.1:40000".into());
        assert_eq!(names.client(&one), "127.0.0.1:40000");
    }
}
