//! The terminal under `top`: taken, drawn on, and given back on every way out.
//!
//! Owns the raw mode, the alternate screen and the signals of the process. The terminal is restored
//! first whenever the process ends: by quitting, an error, a panic, or a signal that can be caught.
//! After SIGSTOP or SIGTSTP it is taken again.

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::panic;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossterm::cursor::{Hide, MoveTo, Show};
use crossterm::style::{Attribute, Color, Print, SetAttribute, SetForegroundColor};
use crossterm::terminal::{
    Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use crossterm::{execute, queue};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP};
use signal_hook::low_level::{emulate_default_handler, pipe};

use super::line::{Colour, Line, Style};

/// The event that ended a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The terminal is gone.
    Gone,
    /// A [`Waker`] was used.
    Woken,
    /// The screen has to be drawn again.
    Redraw,
}

/// The terminal while this process uses it.
#[derive(Debug)]
pub struct Terminal {
    calls: UnixStream,
    caller: UnixStream,
    signals: Vec<(i32, Arc<AtomicBool>)>,
    colours: bool,
    /// The lines on the screen.
    shown: Vec<Line>,
}

/// Ends a wait, from another thread.
#[derive(Debug)]
pub struct Waker(UnixStream);

impl Waker {
    /// Ends the current wait, or the next one.
    pub fn wake(&self) {
        // A full pipe wakes as well.
        let _ = (&self.0).write(b"w");
    }
}

impl Terminal {
    /// Takes the terminal.
    pub fn open(colours: bool) -> io::Result<Self> {
        let (calls, caller) = UnixStream::pair()?;
        calls.set_nonblocking(true)?;
        caller.set_nonblocking(true)?;
        let mut signals = Vec::new();
        for signal in [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGCONT] {
            let seen = Arc::new(AtomicBool::new(false));
            signal_hook::flag::register(signal, Arc::clone(&seen))?;
            pipe::register(signal, caller.try_clone()?)?;
            signals.push((signal, seen));
        }
        // A panic may end the process without unwinding, and its text belongs on the old screen.
        let hook = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            give_back();
            hook(panic);
        }));
        let mut terminal = Self {
            calls,
            caller,
            signals,
            colours,
            shown: Vec::new(),
        };
        terminal.take()?;
        Ok(terminal)
    }

    /// A waker for this terminal's wait.
    pub fn waker(&self) -> io::Result<Waker> {
        self.caller.try_clone().map(Waker)
    }

    fn take(&mut self) -> io::Result<()> {
        // Without a keyboard there is nothing to set, and signals still end the process.
        let _ = enable_raw_mode();
        self.forget();
        execute!(io::stdout(), EnterAlternateScreen, Hide)
    }

    /// The screen may show anything: the next drawing is whole.
    pub fn forget(&mut self) {
        self.shown.clear();
    }

    /// Draws lines from the top of the screen, which they must fit into. Lines that have not changed
    /// stay.
    pub fn draw(&mut self, lines: Vec<Line>) -> io::Result<()> {
        let mut frame = Vec::new();
        let whole = self.shown.len() != lines.len();
        if whole {
            queue!(frame, SetAttribute(Attribute::Reset), Clear(ClearType::All))?;
        }
        for (n, line) in lines.iter().enumerate() {
            if !whole && self.shown.get(n) == Some(line) {
                continue;
            }
            // Old text is erased first: erasing afterwards would remove the last column of a full line.
            let row = n.try_into().unwrap_or(u16::MAX);
            queue!(frame, MoveTo(0, row), Clear(ClearType::UntilNewLine))?;
            for (style, text) in line.pieces() {
                self.put(&mut frame, *style, text)?;
            }
        }
        self.shown = lines;
        write(&frame)
    }

    fn put(&self, frame: &mut Vec<u8>, style: Style, text: &str) -> io::Result<()> {
        if style.bold {
            queue!(frame, SetAttribute(Attribute::Bold))?;
        }
        if style.reverse {
            queue!(frame, SetAttribute(Attribute::Reverse))?;
        }
        if style.underlined {
            queue!(frame, SetAttribute(Attribute::Underlined))?;
        }
        let colour = style.colour.filter(|_| self.colours);
        if let Some(colour) = colour {
            queue!(frame, SetForegroundColor(palette(colour)))?;
        }
        queue!(frame, Print(text))?;
        if style != Style::PLAIN {
            queue!(frame, SetAttribute(Attribute::Reset))?;
        }
        Ok(())
    }

    /// Waits for a signal, a [`Waker`] or the terminal's end. A signal that ends the process does so
    /// here.
    pub fn wait(&mut self) -> io::Result<Event> {
        loop {
            let stdout = io::stdout();
            let mut ready = [
                PollFd::new(self.calls.as_fd(), PollFlags::POLLIN),
                // Of this one only the end is of interest.
                PollFd::new(stdout.as_fd(), PollFlags::empty()),
            ];
            match poll(&mut ready, PollTimeout::NONE) {
                Err(Errno::EINTR) => {}
                done => _ = done?,
            }
            let [called, gone] = ready.each_ref().map(|fd| fd.any().unwrap_or_default());
            if called {
                self.forget_calls();
            }
            if self.signalled()? {
                return Ok(Event::Redraw);
            }
            if gone {
                return Ok(Event::Gone);
            }
            if called {
                return Ok(Event::Woken);
            }
        }
    }

    fn forget_calls(&mut self) {
        let mut bytes = [0; 256];
        while self.calls.read(&mut bytes).is_ok_and(|length| length > 0) {}
    }

    /// Handles the signals that have come. True if the screen has to be drawn again.
    fn signalled(&mut self) -> io::Result<bool> {
        let mut redraw = false;
        for n in 0..self.signals.len() {
            let (signal, seen) = &self.signals[n];
            if !seen.swap(false, Ordering::Relaxed) {
                continue;
            }
            match *signal {
                SIGCONT => {
                    // Another process may have changed the terminal's settings meanwhile.
                    let _ = disable_raw_mode();
                    self.take()?;
                    redraw = true;
                }
                other => self.raise(other)?,
            }
        }
        Ok(redraw)
    }

    /// Does what the signal does by default: it ends the process, or stops it until SIGCONT.
    pub fn raise(&self, signal: i32) -> io::Result<()> {
        give_back();
        emulate_default_handler(signal)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        give_back();
    }
}

fn give_back() {
    // A failure means that the terminal is gone.
    let _ = execute!(
        io::stdout(),
        SetAttribute(Attribute::Reset),
        Show,
        LeaveAlternateScreen
    );
    let _ = disable_raw_mode();
}

fn palette(colour: Colour) -> Color {
    match colour {
        Colour::Yellow => Color::DarkYellow,
        Colour::Red => Color::DarkRed,
    }
}

fn write(bytes: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(bytes)?;
    stdout.flush()
}
