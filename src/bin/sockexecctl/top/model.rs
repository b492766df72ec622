//! The state of the screen: what is known, what is shown of it, and what the user is doing.
//!
//! Makes no system call and reads no clock. Keys change it in `keys`, the drawing is in `draw`.

use super::column::{Key, Row};
use super::details::Field;
use super::facts::{Facts, More, Update, Wish};
use super::tab::Tab;
use super::view::View;

/// What the user is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mode {
    Table,
    /// Typing a filter; the one before, for Escape.
    Filter(String),
    /// Typing a signal for a job.
    Signal(Victim, String),
    /// Asked whether a job shall get a signal.
    Question(Victim, String),
    /// Reading about a row, from this line on.
    Details(Key, usize),
    /// Reading about the keys, from this line on.
    Help(usize),
}

/// A line about what has happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub text: String,
    pub bad: bool,
    /// The updates for which it stays.
    left: u32,
}

impl Message {
    pub fn new(text: impl Into<String>, bad: bool) -> Self {
        Self {
            text: text.into(),
            bad,
            left: 10,
        }
    }

    /// The message after an update.
    fn older(self) -> Option<Self> {
        let left = self.left.checked_sub(1)?;
        Some(Self { left, ..self })
    }
}

/// The job that a signal is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Victim {
    pub id: u64,
    pub title: String,
}

/// The state.
#[derive(Debug)]
pub struct Model {
    pub facts: Facts,
    pub tab: Tab,
    views: [View; Tab::ALL.len()],
    pub filter: String,
    pub mode: Mode,
    /// What has happened lately, until the next key or for some updates.
    pub message: Option<Message>,
    /// Why there is no newer sample.
    pub failure: Option<String>,
    /// The rows of the table, in their order.
    rows: Vec<Row>,
    /// The rows that the screen has room for.
    height: usize,
    /// What is read about, while it is known and after that.
    fields: Vec<Field>,
    title: String,
}

impl Model {
    pub fn new(facts: Facts) -> Self {
        let mut model = Self {
            facts,
            tab: Tab::Running,
            views: Tab::ALL.map(|tab| View::new(tab.sort())),
            filter: String::new(),
            mode: Mode::Table,
            message: None,
            failure: None,
            rows: Vec::new(),
            height: 0,
            fields: Vec::new(),
            title: String::new(),
        };
        model.refresh();
        model
    }

    /// Takes an update, or the reason why there is none.
    pub fn update(&mut self, update: Result<Update, String>) {
        match update {
            Ok(update) => {
                self.failure = None;
                self.message = self.message.take().and_then(Message::older);
                self.facts.take(update);
                self.refresh();
            }
            Err(failure) => self.failure = Some(failure),
        }
    }

    /// Takes an answer that has come between two updates.
    pub fn learn(&mut self, more: More) {
        self.facts.learn(more);
        self.refresh();
    }

    /// Takes the name of a user.
    pub fn name(&mut self, uid: u32, name: String) {
        self.facts.names.learn(uid, name);
        self.refresh();
    }

    /// What is needed besides the sample.
    pub fn wish(&self) -> Wish {
        match &self.mode {
            // Its end is of interest.
            Mode::Details(Key::Job(id), _) if self.facts.job(*id).is_none() => Wish::Recent,
            _ => self.tab.wish(),
        }
    }

    /// The screen has room for this number of rows.
    pub fn set_height(&mut self, height: usize) {
        if self.height != height {
            self.height = height;
            self.follow();
        }
    }

    pub fn height(&self) -> usize {
        self.height
    }

    pub fn view(&self) -> &View {
        &self.views[self.tab as usize]
    }

    pub fn view_mut(&mut self) -> &mut View {
        &mut self.views[self.tab as usize]
    }

    /// The rows that pass the filter, in their order.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The selected row.
    pub fn selected(&self) -> Option<&Row> {
        self.rows.get(self.view().place())
    }

    /// Opens the details of the selected row.
    pub fn read_about_selected(&mut self) {
        let Some(row) = self.selected() else {
            return;
        };
        let name = row.cells.last().map(|cell| cell.text.clone());
        let (key, name) = (row.key.clone(), name.unwrap_or_default());
        self.title = match key {
            Key::Job(_) | Key::Ended(_) => format!("job {}  {name}", row.cells[0].text),
            Key::Group(_) | Key::Others => name,
        };
        self.mode = Mode::Details(key, 0);
    }

    /// The name of what is read about.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// What is read about.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// Makes the rows, and the details that are shown, after any change.
    pub fn refresh(&mut self) {
        let mut rows = self.tab.rows(&self.facts);
        rows.retain(|row| row.matches(&self.filter));
        self.view().arrange(&mut rows, self.tab.columns());
        self.rows = rows;
        self.follow();
        self.read_on();
    }

    fn follow(&mut self) {
        self.views[self.tab as usize].follow(&self.rows, self.height);
    }

    /// Keeps the details up to date. Those of a job that has ended are those of its end, and the
    /// last ones that are known until that is known.
    fn read_on(&mut self) {
        let Mode::Details(key, _) = &self.mode else {
            return;
        };
        if let Some(fields) = self.tab.details(&self.facts, key) {
            self.fields = fields;
            return;
        }
        let end = match key {
            Key::Job(id) => self.facts.ended().iter().find(|ended| ended.job.id == *id),
            _ => None,
        };
        let end = end.map(|ended| Key::Ended(ended.seq));
        if let Some(fields) = end.and_then(|key| self.tab.details(&self.facts, &key)) {
            self.fields = fields;
        } else if let Some(first) = self
            .fields
            .first_mut()
            .filter(|_| matches!(key, Key::Job(_)))
        {
            *first = Field::one("state", "has ended");
        }
    }
}
