//! Whole screens, compared with the files in `golden/`. With `SOCKEXEC_BLESS=1` these are written.

use std::path::Path;

use crossterm::event::{KeyCode, KeyEvent};

use super::super::fixture;
use super::super::keys::press;
use super::super::line::Colour;
use super::*;

fn typed(model: &mut Model, keys: &str) {
    for key in keys.chars() {
        let code = match key {
            '\n' => KeyCode::Enter,
            '\x1b' => KeyCode::Esc,
            'v' => KeyCode::Down,
            key => KeyCode::Char(key),
        };
        let effect = press(model, KeyEvent::from(code));
        assert_eq!(effect, None);
    }
}

fn text(model: &mut Model, size: Size) -> String {
    // The first drawing finds out how many rows there is room for.
    let lines = screen(model, size);
    assert!(lines.len() <= size.1);
    let mut text = String::new();
    for line in &lines {
        let whole: String = line.pieces().iter().map(|(_, text)| &text[..]).collect();
        assert!(whole.len() <= size.0, "{whole}");
        assert!(whole.chars().all(|c| matches!(c, ' '..='~')), "{whole}");
        text.push_str(&line.text());
        text.push('\n');
    }
    text
}

#[track_caller]
fn compare(name: &str, text: &str) {
    let directory =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("src/bin/sockexecctl/top/draw/golden");
    let file = directory.join(format!("{name}.txt"));
    if std::env::var_os("SOCKEXEC_BLESS").is_some() {
        std::fs::write(&file, text).unwrap();
    }
    let wanted = std::fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(text, wanted, "not as in {}", file.display());
}

const SIZES: [Size; 3] = [(80, 24), (200, 50), (40, 10)];

#[test]
fn screens_are_as_they_should_be() {
    for (name, keys) in [
        ("running", ""),
        ("recent", "2"),
        ("failed", "3vv"),
        ("programs", "4"),
        ("users", "5"),
        ("rules", "6"),
        ("details", "v\n"),
        ("end", "3\n"),
        ("help", "?"),
        ("question", "k"),
    ] {
        let mut all = String::new();
        for size in SIZES {
            let mut model = fixture::model(30);
            screen(&mut model, size);
            typed(&mut model, keys);
            let (width, height) = size;
            all += &format!("--- {width}x{height}\n{}", text(&mut model, size));
        }
        compare(name, &all);
    }
}

#[test]
fn no_size_is_too_small_for_any_state() {
    for keys in [
        "", "2", "4", "5v", "\n", "3\n", "?", "k", "K", "/report", "/nothing", "2k",
    ] {
        let mut model = fixture::model(30);
        model.failure = Some("no server listens there".into());
        typed(&mut model, keys);
        for width in 0..50 {
            for height in 0..20 {
                text(&mut model, (width, height));
            }
        }
    }
}

#[test]
fn colours_are_for_late_and_failed_jobs_only() {
    let mut model = fixture::model(30);
    for line in screen(&mut model, (80, 24)) {
        let text = line.text();
        let wanted = text.starts_with('!').then_some(Colour::Yellow);
        let is_row = text.contains(" running ") || text.contains(" stopping ");
        if is_row && !text.contains("[1") {
            assert!(
                line.pieces()
                    .iter()
                    .all(|(style, _)| style.colour == wanted),
                "{text}"
            );
        }
    }
    typed(&mut model, "2");
    let lines = screen(&mut model, (80, 24));
    let failed: Vec<_> = lines
        .iter()
        .filter(|line| line.text().starts_with('x'))
        .collect();
    assert!(!failed.is_empty());
    for line in failed {
        assert!(
            line.pieces()
                .iter()
                .all(|(style, _)| style.colour == Some(Colour::Red))
        );
    }
}

#[test]
fn an_older_server_has_its_reason_in_the_tab() {
    let mut model = fixture::model(3);
    model.facts.recent = Err(Missing::NotYet);
    model.facts.totals = Err(Missing::Refused("totals is no command".into()));
    typed(&mut model, "2");
    assert!(text(&mut model, (80, 24)).contains("\n...\n"));
    typed(&mut model, "5");
    assert!(
        text(&mut model, (80, 24))
            .contains("this server does not report that: totals is no command")
    );
}

#[test]
fn a_failure_stands_above_the_last_figures() {
    let mut model = fixture::model(3);
    model.update(Err("no server listens there".into()));
    let text = text(&mut model, (80, 24));
    assert!(
        text.starts_with("no server listens there; trying again\nsockexec 4.0.0"),
        "{text}"
    );
}

#[test]
fn a_page_ends_at_its_last_line_and_goes_up_at_once() {
    let mut model = fixture::model(3);
    typed(&mut model, "?");
    let first = text(&mut model, (40, 10));
    press(&mut model, KeyEvent::from(KeyCode::End));
    let last = text(&mut model, (40, 10));
    assert!(last.contains("not known") && first != last);
    press(&mut model, KeyEvent::from(KeyCode::Up));
    assert!(!text(&mut model, (40, 10)).contains("not known"));
    press(&mut model, KeyEvent::from(KeyCode::Home));
    assert_eq!(text(&mut model, (40, 10)), first);
}
