//! `top` on a terminal: one thread queries the server; this one draws, and handles keys and signals.
//!
//! A slow server delays neither keys nor signals.

use std::io;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::thread;

use terminal_size::{Height, Width, terminal_size_of};

use super::frame::{self, Size};
use super::sample::{Look, Sample};
use super::terminal::{Event, Terminal};
use super::{Looks, Rates};
use crate::ask::Failure;

/// The assumed size of a terminal that does not know its own.
const SIZE: Size = (80, 24);

/// Draws each sample until there are no more, or the user quits.
pub fn run(mut looks: Looks) -> Result<(), Failure> {
    // If the server cannot be reached at all, the terminal stays as it was.
    let first = match looks.next() {
        Some(look) => look?,
        None => return Ok(()),
    };
    let mut terminal = Terminal::open().map_err(Failure::Output)?;
    let (sender, receiver) = channel();
    let waker = terminal.waker().map_err(Failure::Output)?;
    let watch = move || {
        // In this order the channel is closed before the last wake-up, on every path.
        let (waker, sender) = (waker, sender);
        for look in looks {
            // If the receiver is gone, the process is ending.
            if sender.send(look).is_err() {
                break;
            }
            waker.wake();
        }
    };
    // This thread is not joined: it may be waiting for the server.
    thread::Builder::new()
        .name("looks".into())
        .spawn(watch)
        .map_err(Failure::Output)?;
    let mut view = View::new(first);
    loop {
        let size = size();
        terminal
            .draw(&view.lines(size), size.1)
            .map_err(Failure::Output)?;
        match terminal.wait().map_err(Failure::Output)? {
            Event::Leave => return Ok(()),
            Event::Woken if !view.update(&receiver) => return Ok(()),
            Event::Woken | Event::Redraw => {}
        }
    }
}

fn size() -> Size {
    match terminal_size_of(io::stdout()) {
        Some((Width(width), Height(height))) if width > 0 && height > 0 => {
            (width.into(), height.into())
        }
        _ => SIZE,
    }
}

/// The state to draw.
#[derive(Debug)]
struct View {
    last: Sample,
    rates: Option<Rates>,
    /// The reason why there is no newer sample.
    failure: Option<Failure>,
}

impl View {
    fn new((last, rates): Look) -> Self {
        Self {
            last,
            rates,
            failure: None,
        }
    }

    /// Takes the samples that have arrived. False when there will be no more.
    fn update(&mut self, receiver: &Receiver<Result<Look, Failure>>) -> bool {
        loop {
            match receiver.try_recv() {
                Ok(Ok(look)) => *self = Self::new(look),
                Ok(Err(failure)) => self.failure = Some(failure),
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
    }

    fn lines(&self, size: Size) -> Vec<String> {
        match &self.failure {
            Some(failure) => frame::away(failure, Some(&self.last), Some(size)),
            None => frame::all(&self.last, self.rates, Some(size)),
        }
    }
}
