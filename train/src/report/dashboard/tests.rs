//! The dashboard on ratatui's own test terminal, and its keys.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use ratatui::{
    Terminal,
    backend::TestBackend,
    crossterm::event::{KeyCode, KeyEvent, KeyModifiers},
    style::Color,
};

use super::{board::Board, draw::draw, keys::Keys, palette::Palette};
use crate::{
    report::{Controls, RunOutline},
    session::{Event, Metrics, Wish},
};

fn board() -> Board {
    Board::new(RunOutline {
        name: "runs/small".into(),
        model: "L2 H2 C64 T32".into(),
        parameters: 112_384,
        devices: vec!["CPU, 2 threads (Burn Flex)".into()],
        total_steps: 1000,
        tokens_per_step: 128,
        ..RunOutline::default()
    })
}

fn step(step: u64, loss: f64) -> Metrics {
    Metrics {
        step,
        train_loss: Some(loss),
        grad_norm: Some(0.519),
        lr: Some(9.8e-4),
        tokens_per_second: Some(17_040.0),
        mfu: Some(0.31),
        ..Metrics::default()
    }
}

fn evaluation(step: u64, loss: f64) -> Metrics {
    Metrics { step, val_loss: Some(loss), ..Metrics::default() }
}

/// A board in the middle of a run, 400 steps of which were before a resumption.
fn in_a_run() -> Board {
    let mut board = board();
    let loss = |at: u64| 4.2 - 0.003 * at as f64;
    let mut earlier: Vec<_> = (0..400).map(|at| step(at, loss(at))).collect();
    earlier.insert(0, evaluation(0, 4.1773));
    board.hear(Event::Note("going on from step 400 of runs/small".into()), None);
    board.rewind(400, &earlier);
    board.hear(Event::Plan("a step is 1 x 4, kept: about 12 MiB".into()), None);
    board.hear(Event::Evaluation(evaluation(400, 2.9512)), None);
    (400..411).for_each(|at| board.hear(Event::Step(step(at, loss(at))), Some(723.4)));
    board.hear(Event::Sample { step: 400, prompt: "ROMEO:".into(), text: "\nWhat, art thou?".into() }, None);
    board.hear(Event::Checkpoint { step: 400, location: "runs/small/step-00000400".into() }, None);
    board
}

/// The rows of a picture, and whether it has any colour.
fn picture(board: &Board, [columns, rows]: [u16; 2], palette: Palette) -> (Vec<String>, bool) {
    let mut terminal = Terminal::new(TestBackend::new(columns, rows)).unwrap();
    terminal.draw(|frame| draw(frame, board, &palette)).unwrap();
    let buffer = terminal.backend().buffer();
    let cells = buffer.content();
    let lines = cells.chunks(columns.into()).map(|row| row.iter().map(|cell| cell.symbol()).collect::<String>());
    (lines.collect(), cells.iter().any(|cell| cell.fg != Color::Reset || cell.bg != Color::Reset))
}

fn shows(board: &Board, size: [u16; 2], texts: &[&str]) {
    let (rows, _) = picture(board, size, Palette::new(true));
    for text in texts {
        assert!(rows.iter().any(|row| row.contains(text)), "{size:?} lacks {text:?}:\n{}", rows.join("\n"));
    }
}

#[test]
fn before_the_first_step_it_says_what_will_be_done() {
    for size in [[80, 24], [120, 36]] {
        let device = "112,384 parameters (L2 H2 C64 T32), 1,000 steps of 128 tokens on CPU, 2 threads";
        let texts = ["hearth  runs/small  starting  0:00", device, "0 %  0/1000", "no figures yet", "q stop and save"];
        shows(&board(), size, &texts);
    }
}

#[test]
fn in_a_run_it_has_every_figure() {
    for size in [[80, 24], [120, 36]] {
        shows(
            &in_a_run(),
            size,
            &[
                "hearth  runs/small  training",
                "a step is 1 x 4, kept: about 12 MiB",
                "41 %  411/1000  left 12:03",
                "training   2.9700",
                "validation 2.9512",
                "best       2.9512",
                "  at step  400",
                "tokens/s   17.0k",
                "MFU        31 %",
                "memory ",
                "text at step 400",
                "ROMEO:",
                "What, art thou?",
                "step 400: validation 2.9512, the lowest so far",
                "step 400: checkpoint runs/small/step-00000400",
                "p pause  e evaluate  s sample  c checkpoint  q stop and save  Q quit",
            ],
        );
    }
    shows(&in_a_run(), [120, 36], &["norm       0.519", "rate       9.80e-4", "saved at   step 400"]);
    shows(&in_a_run(), [60, 20], &["411/1000  left 12:03", "best       2.9512", "step 400: a text", "q stop  Q quit"]);
    shows(&in_a_run(), [40, 10], &["training   2.9700", "411/1000"]);
}

/// What was before a resumption is on the curve: its axis begins at 0, and its line at the highest loss.
#[test]
fn after_a_resumption_the_curve_is_whole() {
    let (rows, _) = picture(&in_a_run(), [80, 24], Palette::new(true));
    let axis = rows.iter().find(|row| row.contains("411") && !row.contains("1000")).expect("steps under the curve");
    assert!(axis.contains('0'), "{axis}");
    let drawn = |row: &&String| row.chars().any(|char| ('\u{2801}'..='\u{28ff}').contains(&char));
    assert!(rows.iter().filter(drawn).count() >= 6, "{}", rows.join("\n"));
    assert!(in_a_run().train.points(1000).first().is_some_and(|point| *point == (0.0, 4.2)));
    let mut back = in_a_run();
    back.rewind(2, &[step(0, 4.2), step(1, 4.1)]);
    assert_eq!((back.steps_done(), back.train.points(9).len(), back.best, back.left()), (2, 2, None, None));
}

#[test]
fn a_warning_stands_out() {
    let mut board = in_a_run();
    let text = "step 410: a spike of the gradient's norm, 4.351, over 3.921: the update is left out";
    board.hear(Event::Trouble(text.into()), None);
    shows(&board, [80, 24], &["step 410: a spike of the gradient's norm"]);
    shows(&board, [120, 36], &["step 410: a spike of the gradient's norm"]);
    assert!(board.log.back().unwrap().is_warning && !board.log[0].is_warning);
}

#[test]
fn without_colours_there_are_none() {
    let mut board = in_a_run();
    board.hear(Event::Trouble("warning: something".into()), None);
    assert!(picture(&board, [80, 24], Palette::new(true)).1);
    assert!(!picture(&board, [80, 24], Palette::new(false)).1);
}

#[test]
fn no_size_of_terminal_is_too_small() {
    for columns in [1, 2, 10, 25, 60, 300] {
        for rows in [1, 2, 5, 9, 16, 100] {
            picture(&in_a_run(), [columns, rows], Palette::new(true));
            picture(&board(), [columns, rows], Palette::new(true));
        }
    }
}

#[test]
fn keys_ask_for_what_they_say() {
    let (controls, stop) = (Arc::new(Controls::default()), Arc::new(AtomicBool::new(false)));
    let keys = Keys { controls: controls.clone(), stop: stop.clone() };
    let press = |key, board: &mut Board| keys.press(KeyEvent::new(KeyCode::Char(key), KeyModifiers::NONE), board);
    let mut fresh = board();
    assert!(press('c', &mut fresh));
    assert_eq!(controls.next(&stop), Wish::Continue);
    let mut board = in_a_run();
    assert!("esc".chars().all(|key| press(key, &mut board)));
    let wishes: Vec<_> = (0..3).map(|_| controls.next(&stop)).collect();
    assert_eq!(wishes, [Wish::Evaluate, Wish::Sample, Wish::Checkpoint]);
    assert!(press('p', &mut board) && board.is_paused);
    shows(&board, [80, 24], &["hearth  runs/small  paused", "p goes on"]);
    assert!(press('p', &mut board) && !board.is_paused);
    assert!(!press('x', &mut board) && !stop.load(Ordering::Relaxed));
    assert!(press('q', &mut board) && stop.load(Ordering::Relaxed));
    // Held down it does not end the process.
    assert!(!press('q', &mut board));
}
