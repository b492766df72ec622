//! The terminal under `top`: taken, drawn on, and given back on every way out.
//!
//! Owns the terminal's settings, the alternate screen and the signals of the process. The
//! terminal is restored first whenever the process ends: by quitting, an error, a panic, or a
//! signal that can be caught. After SIGSTOP or SIGTSTP it is taken again.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::panic;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::termios::{InputFlags, LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};
use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGWINCH};
use signal_hook::low_level::{emulate_default_handler, pipe};

/// To the alternate screen, without a cursor.
const ENTER: &[u8] = b"\x1b[?1049h\x1b[?25l";

/// Back from it.
const LEAVE: &[u8] = b"\x1b[?25h\x1b[?1049l";

/// The event that ended a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The user quits, or the terminal is gone.
    Leave,
    /// A [`Waker`] was used.
    Woken,
    /// The screen must be drawn again.
    Redraw,
}

/// The terminal while this process uses it.
#[derive(Debug)]
pub struct Terminal {
    /// The previous settings, if there is a keyboard.
    before: Arc<Mutex<Option<Termios>>>,
    keyboard: bool,
    calls: UnixStream,
    caller: UnixStream,
    signals: Vec<(i32, Arc<AtomicBool>)>,
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

/// A waiting thread learns that there will be no more wake-ups.
impl Drop for Waker {
    fn drop(&mut self) {
        self.wake();
    }
}

impl Terminal {
    /// Takes the terminal.
    pub fn open() -> io::Result<Self> {
        let (calls, caller) = UnixStream::pair()?;
        calls.set_nonblocking(true)?;
        caller.set_nonblocking(true)?;
        let mut signals = Vec::new();
        for signal in [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGCONT, SIGWINCH] {
            let seen = Arc::new(AtomicBool::new(false));
            signal_hook::flag::register(signal, Arc::clone(&seen))?;
            pipe::register(signal, caller.try_clone()?)?;
            signals.push((signal, seen));
        }
        let before = tcgetattr(io::stdin()).ok();
        let terminal = Self {
            keyboard: before.is_some(),
            before: Arc::new(Mutex::new(before)),
            calls,
            caller,
            signals,
        };
        // A panic may end the process without unwinding, and its text belongs on the old screen.
        let (before, hook) = (Arc::clone(&terminal.before), panic::take_hook());
        panic::set_hook(Box::new(move |panic| {
            give_back(&before);
            hook(panic);
        }));
        terminal.take()?;
        Ok(terminal)
    }

    /// A waker for this terminal's wait.
    pub fn waker(&self) -> io::Result<Waker> {
        self.caller.try_clone().map(Waker)
    }

    /// Keys arrive one by one, without echo. Ctrl-C and Ctrl-Z remain signals.
    fn take(&self) -> io::Result<()> {
        if let Some(before) = &*self.before.lock().unwrap_or_else(PoisonError::into_inner) {
            let mut settings = before.clone();
            settings.local_flags &= !(LocalFlags::ICANON | LocalFlags::ECHO);
            // Ctrl-S would block the drawing, and with it keys and signals.
            settings.input_flags &= !InputFlags::IXON;
            tcsetattr(io::stdin(), SetArg::TCSANOW, &settings)?;
        }
        write(ENTER)
    }

    /// Draws lines from the top of a screen of `height` lines. They must fit in.
    pub fn draw(&self, lines: &[String], height: usize) -> io::Result<()> {
        let mut frame = b"\x1b[H".to_vec();
        for (n, line) in lines.iter().enumerate() {
            if n > 0 {
                frame.extend_from_slice(b"\r\n");
            }
            // Old text is erased first: erasing afterwards would remove the last column of a full line.
            frame.extend_from_slice(b"\x1b[K");
            frame.extend_from_slice(line.as_bytes());
        }
        if lines.len() < height {
            frame.extend_from_slice(b"\r\n\x1b[J");
        }
        write(&frame)
    }

    /// Waits for a key, a signal or a [`Waker`]. A signal that ends the process does so here.
    pub fn wait(&mut self) -> io::Result<Event> {
        loop {
            let (stdin, calls) = (io::stdin(), &self.calls);
            let mut ready = vec![PollFd::new(calls.as_fd(), PollFlags::POLLIN)];
            if self.keyboard {
                ready.push(PollFd::new(stdin.as_fd(), PollFlags::POLLIN));
            }
            match poll(&mut ready, PollTimeout::NONE) {
                Err(Errno::EINTR) => {}
                done => _ = done?,
            }
            let any = |fd: &PollFd<'_>| fd.any().unwrap_or_default();
            let (called, typed) = (any(&ready[0]), ready.get(1).is_some_and(any));
            if called {
                self.forget_calls();
            }
            if let Some(event) = self.signalled()? {
                return Ok(event);
            }
            if typed && leaves(stdin.as_fd()) {
                return Ok(Event::Leave);
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

    fn signalled(&self) -> io::Result<Option<Event>> {
        let mut redraw = false;
        for (signal, seen) in &self.signals {
            if !seen.swap(false, Ordering::Relaxed) {
                continue;
            }
            match *signal {
                SIGWINCH => redraw = true,
                // Another process may have changed the terminal's settings meanwhile.
                SIGCONT => {
                    self.take()?;
                    redraw = true;
                }
                // The signal ends the process, or stops it until SIGCONT.
                other => {
                    give_back(&self.before);
                    emulate_default_handler(other)?;
                }
            }
        }
        Ok(redraw.then_some(Event::Redraw))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        give_back(&self.before);
    }
}

fn give_back(before: &Mutex<Option<Termios>>) {
    // A failure means that the terminal is gone.
    let _ = write(LEAVE);
    if let Some(before) = &*before.lock().unwrap_or_else(PoisonError::into_inner) {
        let _ = tcsetattr(io::stdin(), SetArg::TCSANOW, before);
    }
}

fn write(bytes: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(bytes)?;
    stdout.flush()
}

/// Whether `q` is among the pressed keys. A keyboard that is gone counts as `q`.
fn leaves(stdin: BorrowedFd<'_>) -> bool {
    let mut keys = [0; 256];
    match nix::unistd::read(stdin, &mut keys) {
        Ok(0) => true,
        Ok(length) => keys[..length].iter().any(|key| b"qQ".contains(key)),
        Err(errno) => !matches!(errno, Errno::EINTR | Errno::EAGAIN),
    }
}
