//! The lines of the screen, for any state and any size.

use super::facts::Missing;
use super::grid::Grid;
use super::line::{Line, Style};
use super::model::{Mode, Model};
use super::tab::Tab;
use super::{details, footer, header, help};

/// Columns and lines.
pub type Size = (usize, usize);

/// A title, and the lines below it.
type Page = (String, Vec<Line>);

/// The whole screen: never more lines than its height, none wider than its width.
pub fn screen(model: &mut Model, (width, height): Size) -> Vec<Line> {
    let mut lines = Vec::new();
    if let Some(failure) = &model.failure {
        let text = format!("{failure}; trying again");
        lines.push(Line::of(Style::BAD, &text, width));
    }
    lines.extend(header::figures(&model.facts, (width, height)));
    let room = height.saturating_sub(lines.len());
    match model.mode.clone() {
        Mode::Details(_, first) => {
            let all = details::lay_out(model.fields(), width);
            let text = (model.title().to_owned(), all);
            page(model, &mut lines, text, first, (width, room));
        }
        Mode::Help(first) => {
            let text = (help::TITLE.to_owned(), help::lines(width));
            page(model, &mut lines, text, first, (width, room));
        }
        _ => table(model, &mut lines, (width, room)),
    }
    lines.truncate(height);
    lines
}

fn table(model: &mut Model, lines: &mut Vec<Line>, (width, room): Size) {
    // The tabs, the heading and the footer.
    let height = room.saturating_sub(3);
    model.set_height(height);
    let model = &*model;
    lines.push(header::tabs(model.tab, width));
    let (rows, view) = (model.rows(), model.view());
    let grid = Grid::new(model.tab.columns(), rows, width);
    lines.push(grid.heading(view));
    let mut body = Vec::new();
    if rows.is_empty() {
        body.push(Line::of(Style::PLAIN, &nothing(model), width));
    }
    let shown = rows.iter().enumerate().skip(view.top()).take(height);
    body.extend(shown.map(|(n, row)| grid.row(row, n == view.place())));
    body.resize(height, Line::new(width));
    lines.append(&mut body);
    lines.push(footer::table(model, width));
}

/// Why there are no rows.
fn nothing(model: &Model) -> String {
    let text = match (model.tab.missing(&model.facts), model.tab) {
        (Some(Missing::NotYet), _) => "...",
        (Some(Missing::Refused(why)), _) => {
            return format!("this server does not report that: {why}");
        }
        (None, _) if !model.filter.is_empty() => "no row has the text of the filter",
        (None, Tab::Running) => "no jobs",
        (None, Tab::Recent) => "no job has ended",
        (None, Tab::Failed) => "no job has failed",
        (None, _) => "nothing has run",
    };
    text.into()
}

/// A page of text under a title, from a line on that is corrected if it is too far down.
fn page(model: &mut Model, lines: &mut Vec<Line>, (title, all): Page, first: usize, size: Size) {
    let (width, room) = size;
    // The title and the footer.
    let height = room.saturating_sub(2);
    model.set_height(height);
    let first = first.min(all.len().saturating_sub(height));
    match &mut model.mode {
        Mode::Details(_, line) | Mode::Help(line) => *line = first,
        _ => {}
    }
    let mut title = Line::of(Style::REVERSE, &title, width);
    title.fill(Style::REVERSE);
    lines.push(title);
    let total = all.len();
    let mut body: Vec<_> = all.into_iter().skip(first).take(height).collect();
    let footer = footer::page(first, body.len(), total, width);
    body.resize(height, Line::new(width));
    lines.append(&mut body);
    lines.push(footer);
}

#[cfg(test)]
mod tests;
