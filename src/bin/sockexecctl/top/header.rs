//! The lines above the table: the server's figures, as many as there is room for, and the tabs.

use sockexec::control::payload::Status;

use super::facts::Facts;
use super::line::{Line, Style};
use super::sample::Rates;
use super::tab::Tab;
use crate::units::{UNKNOWN, bytes, bytes_per_second, or_unknown, per_second, seconds};

/// What stands between two figures.
const GAP: &str = "  ";

/// The figures, for a screen of this size.
pub fn figures(facts: &Facts, (width, height): (usize, usize)) -> Vec<Line> {
    let status = &facts.sample.status;
    let rows = match height {
        0..3 => vec![],
        3..14 => vec![short(status, facts.rates)],
        14..30 => vec![
            server(status),
            connections(status),
            rates(status, facts.rates),
        ],
        _ => vec![
            server(status),
            connections(status),
            rates(status, facts.rates),
            resources(status),
            outcomes(status),
        ],
    };
    let packed = rows.iter().map(|items| pack(items, width));
    packed.collect()
}

/// A figure, and whether it needs attention.
type Item = (String, Style);

/// As many figures as fit, in one line.
fn pack(items: &[Item], width: usize) -> Line {
    let mut line = Line::new(width);
    for (text, style) in items {
        let gap = if line.left() == width { "" } else { GAP };
        // The first one says what this is, even if it has to be cut.
        if gap.is_empty() || gap.len() + text.len() <= line.left() {
            line.push(Style::PLAIN, gap);
            line.push(*style, text);
        }
    }
    line
}

fn plain(text: String) -> Item {
    (text, Style::PLAIN)
}

/// A count that is of interest unless it is zero.
fn alarming(name: &str, count: u64) -> Item {
    let style = if count > 0 {
        Style::WARNING
    } else {
        Style::PLAIN
    };
    (format!("{name} {count}"), style)
}

fn name(status: &Status) -> Item {
    (format!("sockexec {}", status.version), Style::BOLD)
}

fn state(status: &Status) -> Item {
    let style = match &status.state[..] {
        "serving" => Style::PLAIN,
        _ => Style::WARNING,
    };
    (status.state.clone(), style)
}

fn up(status: &Status) -> Item {
    plain(format!("up {}", seconds(status.uptime)))
}

fn active(status: &Status) -> Item {
    let most = status.limits.settings.get("max-connections");
    let most = most.map_or_else(|| UNKNOWN.into(), ToString::to_string);
    plain(format!("active {} of {most}", status.active))
}

fn queued(status: &Status) -> Item {
    match status.queued {
        Some(count) => alarming("queued", count),
        None => plain(format!("queued {UNKNOWN}")),
    }
}

fn short(status: &Status, rates: Option<Rates>) -> Vec<Item> {
    let jobs = or_unknown(rates, |rates| per_second(rates.jobs));
    vec![
        name(status),
        state(status),
        active(status),
        plain(format!("jobs {jobs}")),
        queued(status),
        up(status),
    ]
}

fn server(status: &Status) -> Vec<Item> {
    vec![
        name(status),
        state(status),
        up(status),
        plain(format!("process {}", status.pid)),
        plain(format!("memory {}", or_unknown(status.memory, bytes))),
    ]
}

fn connections(status: &Status) -> Vec<Item> {
    vec![
        active(status),
        plain(format!("programs {}", status.programs)),
        queued(status),
        alarming("waiting", status.waiting),
        alarming("parked", status.parked),
        alarming("throttled", status.throttled),
        plain(format!("detached {}", status.detached)),
    ]
}

fn rates(status: &Status, rates: Option<Rates>) -> Vec<Item> {
    let jobs = or_unknown(rates, |rates| per_second(rates.jobs));
    let input = or_unknown(rates, |rates| bytes_per_second(rates.bytes_in));
    let output = or_unknown(rates, |rates| bytes_per_second(rates.bytes_out));
    let time = |time: Option<f64>| or_unknown(time, seconds);
    let ended = status.outcomes.total();
    let failed = ended.saturating_sub(status.outcomes.exit_zero);
    let duration = &status.duration;
    vec![
        plain(format!("jobs {jobs}")),
        plain(format!("in {input}")),
        plain(format!("out {output}")),
        plain(format!("p50 {}", time(duration.p50))),
        plain(format!("p99 {}", time(duration.p99))),
        plain(format!("failed {failed} of {ended}")),
    ]
}

fn resources(status: &Status) -> Vec<Item> {
    let open = or_unknown(status.descriptors.open, |count| count.to_string());
    vec![
        plain(format!(
            "descriptors {open} of {}",
            status.descriptors.limit
        )),
        plain(format!("requests {}", bytes(status.request_bytes))),
        plain(format!("spools {}", bytes(status.spool_bytes))),
        plain(format!("lingering {}", status.lingering)),
        plain(format!("control {}", status.control)),
        plain(format!(
            "loop turn max {}",
            or_unknown(status.turn.max, seconds)
        )),
        alarming("log lines lost", status.totals.log_lines_lost),
    ]
}

fn outcomes(status: &Status) -> Vec<Item> {
    let each = status.outcomes.each().into_iter();
    each.map(|(name, count)| plain(format!("{name} {count}")))
        .collect()
}

/// The names of the tabs, or of this one only if there is no room for all.
pub fn tabs(current: Tab, width: usize) -> Line {
    let text = |number: usize, tab: Tab, named: bool| match (tab == current, named) {
        (true, _) => format!("[{number} {}]", tab.name()),
        (false, true) => format!(" {number} {} ", tab.name()),
        (false, false) => format!(" {number} "),
    };
    let all = |named| {
        let tabs = Tab::ALL.iter().enumerate();
        tabs.map(move |(n, tab)| (*tab, text(n + 1, *tab, named)))
    };
    let needed: usize = all(true).map(|(_, text)| text.len()).sum();
    let mut line = Line::new(width);
    for (tab, text) in all(needed <= width) {
        let style = if tab == current {
            Style::REVERSE
        } else {
            Style::PLAIN
        };
        line.push(style, &text);
    }
    line
}
