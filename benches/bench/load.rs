//! A closed loop of clients: each sends its next request when it has its last reply.
//!
//! One thread with one epoll serves them all, and wakes once for a request, when the
//! server has shut down its side: the clients run on the measured machine and take
//! processor time from the server. So this is for replies that fit into a socket.

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};

use crate::PATIENCE;
use crate::floor::Until;
use crate::wire::{self, Reply};

/// What is asked, and by how many at a time.
#[derive(Clone, Debug)]
pub struct Load<'a> {
    /// Where the server listens.
    pub path: &'a Path,
    /// The words of a program that succeeds and writes nothing.
    pub words: &'a [&'a str],
    /// How many clients there are.
    pub clients: usize,
}

/// A request that is under way.
#[derive(Debug)]
struct Client(UnixStream);

impl Load<'_> {
    /// Runs the loop and returns how many replies came in a second. Any reply but a whole
    /// and successful one is an error.
    pub fn run(&self, until: Until<'_>) -> io::Result<f64> {
        let request = wire::request(self.words);
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let mut clients: Vec<Option<Client>> = Vec::new();
        let mut events = vec![EpollEvent::empty(); self.clients];
        let (mut started, mut replies) = (0, 0);
        let begin = Instant::now();
        for number in 0..self.clients as u64 {
            let wanted = until.wants_more(started);
            started += usize::from(wanted);
            clients.push(if wanted {
                Some(Client::start(self.path, &request, &epoll, number)?)
            } else {
                None
            });
        }
        while replies < started {
            let ready = epoll.wait(&mut events, PATIENCE.as_millis() as u16)?;
            if ready == 0 {
                let what = format!("{} requests without a reply", started - replies);
                return Err(io::Error::new(io::ErrorKind::TimedOut, what));
            }
            for event in &events[..ready] {
                let client = &mut clients[event.data() as usize];
                if let Some(ended) = client.take() {
                    ended.finish()?;
                    replies += 1;
                }
                if until.wants_more(started) {
                    started += 1;
                    *client = Some(Client::start(self.path, &request, &epoll, event.data())?);
                }
            }
        }
        Ok(replies as f64 / begin.elapsed().as_secs_f64())
    }
}

impl Client {
    fn start(path: &Path, request: &[u8], epoll: &Epoll, number: u64) -> io::Result<Self> {
        let mut socket = wire::connect_now(path)?;
        // A fresh socket has room for a request.
        socket.write_all(request)?;
        epoll.add(&socket, EpollEvent::new(EpollFlags::EPOLLRDHUP, number))?;
        Ok(Self(socket))
    }

    fn finish(mut self) -> io::Result<()> {
        let mut reply = Reply::default();
        let mut buffer = [0; 4096];
        loop {
            match self.0.read(&mut buffer)? {
                0 => return reply.demand_success(0),
                count => reply.feed(&buffer[..count], |_| ())?,
            }
        }
    }
}

/// How long each of `count` requests took that one client made, one after the other.
pub fn one_by_one(path: &Path, words: &[&str], count: usize) -> io::Result<Vec<Duration>> {
    let request = wire::request(words);
    let mut buffer = [0; 4096];
    let mut samples = Vec::with_capacity(count);
    for _ in 0..count {
        let begin = Instant::now();
        let mut socket = wire::connect(path)?;
        socket.write_all(&request)?;
        let mut reply = Reply::default();
        loop {
            match socket.read(&mut buffer)? {
                0 => break,
                count => reply.feed(&buffer[..count], |_| ())?,
            }
        }
        samples.push(begin.elapsed());
        reply.demand_success(0)?;
    }
    Ok(samples)
}
