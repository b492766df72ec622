//! `top` on a terminal: this thread draws, and handles what others find out: one queries the server,
//! one reads the keyboard, one looks up names.
//!
//! So a slow server delays neither keys nor signals.

use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crossterm::event::{self, KeyEvent};
use signal_hook::consts::{SIGINT, SIGQUIT, SIGTSTP};
use terminal_size::{Height, Width, terminal_size_of};

use super::asker::{self, Answer, Asker};
use super::draw::{self, Size};
use super::facts::{Facts, Wish};
use super::keys::{self, Effect};
use super::model::{Message, Model};
use super::names::Names;
use super::terminal::{Event, Terminal, Waker};
use crate::arguments::Arguments;
use crate::ask::Failure;

/// The assumed size of a terminal that does not know its own.
const SIZE: Size = (80, 24);

/// What another thread has found out.
#[derive(Debug)]
enum News {
    Answer(Answer),
    Key(KeyEvent),
    Resized,
    Name(u32, String),
    /// A signal was sent to a job, or not, and why.
    Killed(Result<String, String>),
}

/// The way of news to the thread that draws.
#[derive(Clone, Debug)]
struct Post {
    sender: Sender<News>,
    waker: Arc<Mutex<Waker>>,
}

impl Post {
    fn put(&self, news: News) {
        // If the receiver is gone, the process is ending.
        if self.sender.send(news).is_ok() {
            self.waker
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .wake();
        }
    }
}

/// Shows the server's state until the user quits.
pub fn run(arguments: &Arguments, interval: Duration) -> Result<(), Failure> {
    let mut asker = Asker::new(arguments, interval);
    // If the server cannot be reached at all, the terminal stays as it was.
    let first = asker.update()?;
    let mut screen = Screen::open(arguments).map_err(Failure::Output)?;
    let names = screen.names().map_err(Failure::Output)?;
    screen.read_keys().map_err(Failure::Output)?;
    let wishes = screen.ask(asker).map_err(Failure::Output)?;
    let mut model = Model::new(Facts::new(first, names));
    screen.show(&mut model, &wishes).map_err(Failure::Output)
}

/// Standard output, as far as it is known.
fn size() -> Size {
    match terminal_size_of(io::stdout()) {
        Some((Width(width), Height(height))) if width > 0 && height > 0 => {
            (width.into(), height.into())
        }
        _ => SIZE,
    }
}

/// The terminal and the threads. These are not joined: they may be waiting for the server.
#[derive(Debug)]
struct Screen {
    arguments: Arguments,
    terminal: Terminal,
    post: Post,
    news: Receiver<News>,
}

impl Screen {
    fn open(arguments: &Arguments) -> io::Result<Self> {
        // As on https://no-color.org: set, and not to nothing.
        let colours = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let terminal = Terminal::open(colours)?;
        let (sender, news) = channel();
        let waker = Arc::new(Mutex::new(terminal.waker()?));
        Ok(Self {
            arguments: arguments.clone(),
            terminal,
            post: Post { sender, waker },
            news,
        })
    }

    fn names(&self) -> io::Result<Names> {
        let post = self.post.clone();
        Names::looked_up(move |uid, name| post.put(News::Name(uid, name)))
    }

    /// Reads the keyboard, if there is one. When the terminal is gone, the other thread finds out.
    fn read_keys(&self) -> io::Result<()> {
        let post = self.post.clone();
        let read = move || {
            while let Ok(event) = event::read() {
                match event {
                    event::Event::Key(key) => post.put(News::Key(key)),
                    event::Event::Resize(..) => post.put(News::Resized),
                    _ => {}
                }
            }
        };
        thread::Builder::new().name("keys".into()).spawn(read)?;
        Ok(())
    }

    fn ask(&self, asker: Asker) -> io::Result<Sender<Wish>> {
        let post = self.post.clone();
        let (wishes, wished) = channel();
        let ask = move || asker.run(&wished, |answer| post.put(News::Answer(answer)));
        thread::Builder::new().name("asker".into()).spawn(ask)?;
        Ok(wishes)
    }

    fn show(&mut self, model: &mut Model, wishes: &Sender<Wish>) -> io::Result<()> {
        let mut wish = Wish::Nothing;
        loop {
            self.terminal.draw(draw::screen(model, size()))?;
            match self.terminal.wait()? {
                Event::Gone => return Ok(()),
                Event::Redraw => {}
                Event::Woken => {
                    while let Ok(news) = self.news.try_recv() {
                        if self.take(model, news)? {
                            return Ok(());
                        }
                    }
                }
            }
            if model.wish() != wish {
                wish = model.wish();
                // If the other thread is gone, there are no updates either.
                let _ = wishes.send(wish);
            }
        }
    }

    /// Takes news. True if the user quits.
    fn take(&mut self, model: &mut Model, news: News) -> io::Result<bool> {
        match news {
            News::Answer(Answer::Update(update)) => model.update(update.map(|update| *update)),
            News::Answer(Answer::More(more)) => model.learn(more),
            News::Name(uid, name) => model.name(uid, name),
            News::Killed(Ok(text)) => model.message = Some(Message::new(text, false)),
            News::Killed(Err(why)) => model.message = Some(Message::new(why, true)),
            News::Resized => self.terminal.forget(),
            News::Key(key) => match keys::press(model, key) {
                None => {}
                Some(Effect::Quit) => return Ok(true),
                Some(Effect::Kill(id, signal)) => self.kill(id, signal)?,
                Some(Effect::Redraw) => self.terminal.forget(),
                Some(Effect::Interrupt) => self.terminal.raise(SIGINT)?,
                Some(Effect::Suspend) => self.terminal.raise(SIGTSTP)?,
                Some(Effect::Abort) => self.terminal.raise(SIGQUIT)?,
            },
        }
        Ok(false)
    }

    fn kill(&self, id: u64, signal: String) -> io::Result<()> {
        let (post, arguments) = (self.post.clone(), self.arguments.clone());
        let kill = move || {
            let killed = asker::kill(&arguments, id, &signal);
            post.put(News::Killed(killed.map_err(|failure| failure.to_string())));
        };
        thread::Builder::new().name("kill".into()).spawn(kill)?;
        Ok(())
    }
}
