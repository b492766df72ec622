//! What each key does to the state of the screen.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::column::Key;
use super::model::{Message, Mode, Model, Victim};
use super::tab::Tab;
use super::view::Step;

/// What a key needs from outside of the model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Leave.
    Quit,
    /// Send a signal to a job.
    Kill(u64, String),
    /// Draw all of the screen again, whatever is on it.
    Redraw,
    /// What the terminal would have made a signal of.
    Interrupt,
    Suspend,
    Abort,
}

/// The longest text that can be typed.
const TEXT_MAX: usize = 200;

/// Handles a key.
pub fn press(model: &mut Model, key: KeyEvent) -> Option<Effect> {
    if key.kind == KeyEventKind::Release {
        return None;
    }
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        return control(key.code);
    }
    if key.modifiers.contains(KeyModifiers::ALT) {
        // Escape and a key that have come at once look like that.
        press(model, KeyEvent::from(KeyCode::Esc));
        return press(model, KeyEvent::from(key.code));
    }
    let effect = match std::mem::replace(&mut model.mode, Mode::Table) {
        Mode::Table => table(model, key.code),
        Mode::Filter(before) => filter(model, key.code, before),
        Mode::Signal(victim, text) => signal(model, key.code, victim, text),
        Mode::Question(victim, signal) => question(model, key.code, victim, signal),
        Mode::Details(thing, line) => {
            let line = scrolled(model, key.code, line);
            model.mode = line.map_or(Mode::Table, |line| Mode::Details(thing, line));
            None
        }
        Mode::Help(line) => {
            let line = scrolled(model, key.code, line);
            model.mode = line.map_or(Mode::Table, Mode::Help);
            None
        }
    };
    model.refresh();
    effect
}

/// The keys of which a terminal usually makes signals, since it does not while it is used so.
fn control(code: KeyCode) -> Option<Effect> {
    match code {
        KeyCode::Char('c') => Some(Effect::Interrupt),
        KeyCode::Char('z') => Some(Effect::Suspend),
        // That is how Ctrl-\ arrives.
        KeyCode::Char('4' | '\\') => Some(Effect::Abort),
        KeyCode::Char('l') => Some(Effect::Redraw),
        _ => None,
    }
}

fn table(model: &mut Model, code: KeyCode) -> Option<Effect> {
    model.message = None;
    let columns = model.tab.columns();
    match code {
        KeyCode::Char('q' | 'Q') => return Some(Effect::Quit),
        KeyCode::Char('?' | 'h') | KeyCode::F(1) => model.mode = Mode::Help(0),
        KeyCode::Char('/') => model.mode = Mode::Filter(model.filter.clone()),
        KeyCode::Esc => model.filter.clear(),
        KeyCode::Enter => model.read_about_selected(),
        KeyCode::Char('k') => {
            if let Some(victim) = victim(model) {
                model.mode = Mode::Question(victim, "TERM".into());
            }
        }
        KeyCode::Char('K') => {
            if let Some(victim) = victim(model) {
                model.mode = Mode::Signal(victim, String::new());
            }
        }
        KeyCode::Tab | KeyCode::Right => turn(model, 1),
        KeyCode::BackTab | KeyCode::Left => turn(model, Tab::ALL.len() - 1),
        KeyCode::Char(digit @ '1'..='6') => model.tab = Tab::ALL[digit as usize - '1' as usize],
        KeyCode::Char('<' | ',') => model.view_mut().sort_by_next(columns, false),
        KeyCode::Char('>' | '.') => model.view_mut().sort_by_next(columns, true),
        KeyCode::Char('r' | 'R') => {
            let view = model.view_mut();
            view.turned = !view.turned;
        }
        code => {
            if let Some(step) = step(code) {
                let rows = model.rows().to_vec();
                let height = model.height();
                model.view_mut().step(step, &rows, height);
            }
        }
    }
    None
}

fn turn(model: &mut Model, by: usize) {
    model.tab = Tab::ALL[(model.tab as usize + by) % Tab::ALL.len()];
}

fn step(code: KeyCode) -> Option<Step> {
    Some(match code {
        KeyCode::Up => Step::Up,
        KeyCode::Down => Step::Down,
        KeyCode::PageUp => Step::PageUp,
        KeyCode::PageDown | KeyCode::Char(' ') => Step::PageDown,
        KeyCode::Home => Step::First,
        KeyCode::End => Step::Last,
        _ => return None,
    })
}

/// The selected job, if it can get a signal.
fn victim(model: &mut Model) -> Option<Victim> {
    let key = model.selected().map(|row| row.key.clone());
    let why = match key {
        Some(Key::Job(id)) => {
            let title = model.facts.job(id).map(|job| job.title.clone());
            return Some(Victim {
                id,
                title: title.unwrap_or_default(),
            });
        }
        Some(Key::Ended(_)) => "this job has ended",
        Some(_) => "select a job in the tab of running ones to kill it",
        None => "no job is selected",
    };
    model.message = Some(Message::new(why, true));
    None
}

fn filter(model: &mut Model, code: KeyCode, before: String) -> Option<Effect> {
    match code {
        KeyCode::Enter => return None,
        KeyCode::Esc => {
            model.filter = before;
            return None;
        }
        code => edit(&mut model.filter, code),
    }
    model.mode = Mode::Filter(before);
    None
}

fn signal(model: &mut Model, code: KeyCode, victim: Victim, mut text: String) -> Option<Effect> {
    model.mode = match code {
        KeyCode::Esc => return None,
        KeyCode::Enter if text.is_empty() => return None,
        KeyCode::Enter => Mode::Question(victim, text),
        code => {
            edit(&mut text, code);
            Mode::Signal(victim, text)
        }
    };
    None
}

fn question(model: &mut Model, code: KeyCode, victim: Victim, signal: String) -> Option<Effect> {
    match code {
        KeyCode::Char('y' | 'Y') => Some(Effect::Kill(victim.id, signal)),
        KeyCode::Char('n' | 'N' | 'q') | KeyCode::Esc => {
            model.message = Some(Message::new("nothing was sent", false));
            None
        }
        _ => {
            model.mode = Mode::Question(victim, signal);
            None
        }
    }
}

fn edit(text: &mut String, code: KeyCode) {
    match code {
        KeyCode::Backspace => {
            text.pop();
        }
        KeyCode::Char(character) if text.len() < TEXT_MAX => text.push(character),
        _ => {}
    }
}

/// The first line after a key, or `None` when the reader has finished. The drawing knows the last.
fn scrolled(model: &Model, code: KeyCode, line: usize) -> Option<usize> {
    let page = model.height().max(1);
    match code {
        KeyCode::Up => Some(line.saturating_sub(1)),
        KeyCode::Down => Some(line + 1),
        KeyCode::PageUp => Some(line.saturating_sub(page)),
        KeyCode::PageDown | KeyCode::Char(' ') => Some(line + page),
        KeyCode::Home => Some(0),
        KeyCode::End => Some(usize::MAX / 2),
        KeyCode::Esc | KeyCode::Enter | KeyCode::Char('q' | 'Q' | '?') => None,
        _ => Some(line),
    }
}

#[cfg(test)]
mod tests;
