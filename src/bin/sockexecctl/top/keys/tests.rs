//! Keys, and what becomes of the screen's state.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::super::draw::screen;
use super::super::facts::{More, Wish};
use super::super::fixture;
use super::*;

fn key(model: &mut Model, code: KeyCode) -> Option<Effect> {
    press(model, KeyEvent::from(code))
}

fn typed(model: &mut Model, text: &str) {
    for character in text.chars() {
        assert_eq!(key(model, KeyCode::Char(character)), None);
    }
}

fn model() -> Model {
    let mut model = fixture::model(30);
    screen(&mut model, (80, 24));
    model
}

#[test]
fn q_quits_and_control_keys_are_the_terminals_own() {
    let mut model = model();
    assert_eq!(key(&mut model, KeyCode::Char('q')), Some(Effect::Quit));
    for (character, effect) in [
        ('c', Effect::Interrupt),
        ('z', Effect::Suspend),
        ('4', Effect::Abort),
        ('l', Effect::Redraw),
    ] {
        for mode in [Mode::Table, Mode::Help(0), Mode::Filter(String::new())] {
            model.mode = mode.clone();
            let event = KeyEvent::new(KeyCode::Char(character), KeyModifiers::CONTROL);
            assert_eq!(press(&mut model, event), Some(effect.clone()));
            assert_eq!(model.mode, mode);
        }
    }
}

#[test]
fn escape_and_a_key_that_come_at_once_are_two_keys() {
    let mut model = model();
    typed(&mut model, "?");
    let both = KeyEvent::new(KeyCode::Char('q'), KeyModifiers::ALT);
    assert_eq!(press(&mut model, both), Some(Effect::Quit));
    // Not a yes.
    typed(&mut model, "k");
    let both = KeyEvent::new(KeyCode::Char('y'), KeyModifiers::ALT);
    assert_eq!((press(&mut model, both), &model.mode), (None, &Mode::Table));
}

#[test]
fn tabs_go_round_and_have_numbers() {
    let mut model = model();
    for tab in Tab::ALL.into_iter().skip(1).chain([Tab::Running]) {
        key(&mut model, KeyCode::Tab);
        assert_eq!(model.tab, tab);
    }
    key(&mut model, KeyCode::BackTab);
    assert_eq!(model.tab, Tab::Rules);
    for (digit, tab) in "123456".chars().zip(Tab::ALL) {
        key(&mut model, KeyCode::Char(digit));
        assert_eq!(model.tab, tab);
    }
    assert_eq!(model.wish(), Wish::Totals);
}

#[test]
fn kill_asks_and_sends_only_after_yes() {
    let mut model = model();
    let id = match model.selected().unwrap().key {
        Key::Job(id) => id,
        ref other => panic!("{other:?}"),
    };
    for no in [KeyCode::Char('n'), KeyCode::Esc, KeyCode::Char('q')] {
        assert_eq!(key(&mut model, KeyCode::Char('k')), None);
        assert_eq!(key(&mut model, KeyCode::Enter), None);
        assert!(matches!(model.mode, Mode::Question(..)));
        assert_eq!(key(&mut model, no), None);
        assert_eq!(model.mode, Mode::Table);
    }
    key(&mut model, KeyCode::Char('k'));
    assert_eq!(
        key(&mut model, KeyCode::Char('y')),
        Some(Effect::Kill(id, "TERM".into()))
    );
    // Nothing is asked, so nothing is sent.
    assert_eq!(key(&mut model, KeyCode::Char('y')), None);
}

#[test]
fn another_signal_is_typed() {
    let mut model = model();
    key(&mut model, KeyCode::Char('K'));
    typed(&mut model, "HUPP");
    key(&mut model, KeyCode::Backspace);
    assert_eq!(key(&mut model, KeyCode::Enter), None);
    let effect = key(&mut model, KeyCode::Char('y'));
    assert!(matches!(effect, Some(Effect::Kill(_, signal)) if signal == "HUP"));
    for leaving in [KeyCode::Enter, KeyCode::Esc] {
        key(&mut model, KeyCode::Char('K'));
        key(&mut model, leaving);
        assert_eq!(model.mode, Mode::Table);
    }
}

#[test]
fn the_question_is_about_the_job_that_was_selected() {
    let mut model = model();
    key(&mut model, KeyCode::Char('k'));
    let Mode::Question(before, _) = model.mode.clone() else {
        panic!("no question");
    };
    // Meanwhile the rows have become others.
    let mut update = fixture::update(30);
    update.sample.jobs.retain(|job| job.id != before.id);
    model.update(Ok(update));
    let effect = key(&mut model, KeyCode::Char('y'));
    assert_eq!(effect, Some(Effect::Kill(before.id, "TERM".into())));
}

#[test]
fn only_a_current_job_can_be_killed() {
    let mut model = model();
    for (tab, text) in [('2', "has ended"), ('4', "select a job")] {
        typed(&mut model, &format!("{tab}k"));
        let message = model.message.clone().unwrap();
        assert!(message.text.contains(text) && message.bad, "{message:?}");
        assert_eq!(model.mode, Mode::Table);
    }
    typed(&mut model, "1/no such job");
    key(&mut model, KeyCode::Enter);
    typed(&mut model, "k");
    assert_eq!(model.message.clone().unwrap().text, "no job is selected");
    // The next key takes the message away.
    typed(&mut model, "1");
    assert_eq!(model.message, None);
}

#[test]
fn a_message_goes_after_some_updates() {
    let mut model = model();
    typed(&mut model, "kn");
    for _ in 0..10 {
        assert_eq!(model.message.clone().unwrap().text, "nothing was sent");
        model.update(Ok(fixture::update(30)));
    }
    model.update(Ok(fixture::update(30)));
    assert_eq!(model.message, None);
}

#[test]
fn a_filter_shows_while_it_is_typed_and_goes_by_escape() {
    let mut model = model();
    let all = model.rows().len();
    typed(&mut model, "/PdF");
    let some = model.rows().len();
    assert!(some > 0 && some < all);
    key(&mut model, KeyCode::Enter);
    assert_eq!((model.rows().len(), &model.mode), (some, &Mode::Table));
    typed(&mut model, "/xyz");
    assert_eq!(model.rows().len(), 0);
    key(&mut model, KeyCode::Esc);
    assert_eq!(model.rows().len(), some);
    key(&mut model, KeyCode::Esc);
    assert_eq!(model.rows().len(), all);
}

#[test]
fn sorting_moves_by_columns_and_turns_around() {
    let mut model = model();
    let first = |model: &Model, n: usize| model.rows()[0].cells[n].text.clone();
    typed(&mut model, "<<<<<<");
    assert_eq!(first(&model, 0), "101");
    typed(&mut model, "r");
    assert_eq!(first(&model, 0), "130");
    typed(&mut model, ">");
    assert_eq!(first(&model, 1), "exec");
    typed(&mut model, "r");
    assert_eq!(first(&model, 1), "sockproc");
}

#[test]
fn the_selection_is_of_a_job_and_not_of_a_line() {
    let mut model = model();
    key(&mut model, KeyCode::Down);
    key(&mut model, KeyCode::Down);
    let selected = model.selected().unwrap().key.clone();
    let mut update = fixture::update(30);
    for job in &mut update.sample.jobs {
        job.age = job.id as f64;
    }
    model.update(Ok(update));
    assert_eq!(model.selected().unwrap().key, selected);
    assert_ne!(model.view().place(), 2);
}

#[test]
fn details_follow_a_job_to_its_end() {
    let mut model = model();
    key(&mut model, KeyCode::Down);
    key(&mut model, KeyCode::Enter);
    let Mode::Details(Key::Job(id), _) = model.mode.clone() else {
        panic!("no details");
    };
    let value = |model: &Model, label: &str| {
        let mut fields = model.fields().iter();
        fields
            .find(|field| field.label == label)
            .map(|field| field.values.join("\n"))
    };
    assert_eq!(value(&model, "state").as_deref(), Some("running"));
    assert!(
        value(&model, "cgroup")
            .unwrap()
            .ends_with(&format!("job-{id}"))
    );
    assert_eq!(model.wish(), Wish::Nothing);
    let mut update = fixture::update(30);
    update.sample.jobs.retain(|job| job.id != id);
    model.update(Ok(update.clone()));
    assert_eq!(value(&model, "state").as_deref(), Some("has ended"));
    assert_eq!(model.wish(), Wish::Recent);
    let More::Recent(mut recent) = fixture::recents() else {
        panic!("no recent jobs");
    };
    recent.jobs[0].job.id = id;
    update.more = More::Recent(recent);
    model.update(Ok(update));
    assert_eq!(value(&model, "state"), None);
    assert_eq!(
        value(&model, "end of stderr").unwrap(),
        "convert: no such file\nconvert: \\x1b[2J"
    );
    key(&mut model, KeyCode::Esc);
    assert_eq!(model.mode, Mode::Table);
}

#[test]
fn another_server_has_none_of_the_earlier_jobs() {
    let mut model = model();
    typed(&mut model, "2");
    assert!(!model.rows().is_empty());
    let mut update = fixture::update(1);
    update.sample.status.pid += 1;
    model.update(Ok(update));
    assert!(model.rows().is_empty());
}
