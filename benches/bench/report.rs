//! The rounds of a measurement, and the table that is printed at the end.
//!
//! A figure is measured in several rounds, each beside its floor. The table shows the
//! median, with the least and the greatest in brackets: their distance shows how reliable
//! it is. A ratio is taken within each round, so that a machine that becomes slower
//! from one round to the next does not become part of it.

use std::time::Duration;

/// One value for each round.
#[derive(Clone, Debug, Default)]
pub struct Rounds(Vec<f64>);

impl Rounds {
    /// Adds the value of one more round.
    pub fn push(&mut self, value: f64) {
        self.0.push(value);
    }

    /// The middle value.
    ///
    /// # Panics
    ///
    /// When there was no round.
    pub fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        if sorted.len() % 2 == 1 {
            sorted[middle]
        } else {
            (sorted[middle - 1] + sorted[middle]) / 2.0
        }
    }

    fn least(&self) -> f64 {
        self.0.iter().copied().fold(f64::INFINITY, f64::min)
    }

    fn greatest(&self) -> f64 {
        self.0.iter().copied().fold(f64::NEG_INFINITY, f64::max)
    }

    /// Each round's value divided by the same round's value of `other`.
    pub fn over(&self, other: &Self) -> Self {
        debug_assert_eq!(self.0.len(), other.0.len());
        Self(self.0.iter().zip(&other.0).map(|(a, b)| a / b).collect())
    }
}

impl FromIterator<f64> for Rounds {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Self {
        Self(values.into_iter().collect())
    }
}

/// The value below which the share `part` of the samples lies, in microseconds.
pub fn quantile(samples: &mut [Duration], part: f64) -> f64 {
    if samples.is_empty() {
        return f64::NAN;
    }
    let last = samples.len() - 1;
    let rank = ((last as f64) * part).round() as usize;
    let (_, value, _) = samples.select_nth_unstable(rank.min(last));
    value.as_secs_f64() * 1e6
}

/// What a figure has to be.
#[derive(Clone, Copy, Debug)]
pub enum Wanted {
    /// This much or more.
    AtLeast(f64),
    /// This much or less.
    AtMost(f64),
    /// The figure is shown for its own sake.
    Anything,
}

impl Wanted {
    fn is_met_by(self, value: f64) -> bool {
        match self {
            Self::AtLeast(bound) => value >= bound,
            Self::AtMost(bound) => value <= bound,
            Self::Anything => true,
        }
    }
}

const COLUMNS: [&str; 6] = ["figure", "ours", "floor", "ratio", "wanted", ""];

/// The figures so far.
#[derive(Debug, Default)]
pub struct Table {
    rows: Vec<[String; COLUMNS.len()]>,
    missed: Vec<String>,
    notes: Vec<String>,
}

impl Table {
    /// A figure that is judged by its ratio to a floor.
    pub fn compare(&mut self, name: &str, unit: &str, pair: (&Rounds, &Rounds), wanted: Wanted) {
        let (ours, floor) = pair;
        let ratio = ours.over(floor);
        let met = wanted.is_met_by(ratio.median());
        let wanted = match wanted {
            Wanted::AtLeast(bound) => format!(">= {bound:.2}"),
            Wanted::AtMost(bound) => format!("<= {bound:.2}"),
            Wanted::Anything => String::new(),
        };
        let cells = [
            cell(ours, unit),
            cell(floor, unit),
            cell(&ratio, ""),
            wanted,
        ];
        self.add(name, cells, met);
    }

    /// A figure that is judged by itself; the floor is shown where there is one.
    pub fn judge(
        &mut self,
        name: &str,
        unit: &str,
        ours: &Rounds,
        floor: Option<&Rounds>,
        wanted: Wanted,
    ) {
        let met = wanted.is_met_by(ours.median());
        let wanted = match wanted {
            Wanted::AtLeast(bound) => format!(">= {} {unit}", number(bound)),
            Wanted::AtMost(bound) => format!("<= {} {unit}", number(bound)),
            Wanted::Anything => String::new(),
        };
        let floors = floor.map_or(String::new(), |floor| cell(floor, unit));
        let ratio = floor.map_or(String::new(), |floor| cell(&ours.over(floor), ""));
        self.add(name, [cell(ours, unit), floors, ratio, wanted], met);
    }

    /// A sentence to print below the table.
    pub fn note(&mut self, sentence: String) {
        eprintln!("bench: {sentence}");
        self.notes.push(sentence);
    }

    fn add(&mut self, name: &str, cells: [String; 4], met: bool) {
        let [ours, floor, ratio, wanted] = cells;
        let verdict = match (wanted.is_empty(), met) {
            (true, _) => "",
            (_, true) => "ok",
            (_, false) => "MISSED",
        };
        if !met {
            self.missed.push(name.to_owned());
        }
        eprintln!("bench: {name}: {ours} {verdict}");
        self.rows.push([
            name.to_owned(),
            ours,
            floor,
            ratio,
            wanted,
            verdict.to_owned(),
        ]);
    }

    /// Prints everything, and which figures missed what is wanted of them.
    pub fn print(&self) {
        let header = COLUMNS.map(str::to_owned);
        let lines: Vec<_> = std::iter::once(&header).chain(&self.rows).collect();
        let widths: [usize; COLUMNS.len()] = std::array::from_fn(|column| {
            lines
                .iter()
                .map(|line| line[column].len())
                .max()
                .unwrap_or(0)
        });
        println!();
        for line in lines {
            let padded: Vec<_> = line
                .iter()
                .zip(widths)
                .map(|(text, width)| format!("{text:width$}"))
                .collect();
            println!("{}", padded.join("  ").trim_end());
        }
        for note in &self.notes {
            println!("note: {note}");
        }
        if self.missed.is_empty() {
            println!("figures: {}, none missed", self.rows.len());
        } else {
            println!("missed: {}", self.missed.join("; "));
        }
    }
}

fn cell(rounds: &Rounds, unit: &str) -> String {
    let middle = format!("{} {unit}", number(rounds.median()));
    if rounds.0.len() == 1 {
        return middle.trim_end().to_owned();
    }
    let (least, greatest) = (number(rounds.least()), number(rounds.greatest()));
    format!("{} ({least}..{greatest})", middle.trim_end())
}

fn number(value: f64) -> String {
    match value.abs() {
        size if size.is_infinite() => "never".to_owned(),
        size if size >= 100.0 || value == 0.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}
