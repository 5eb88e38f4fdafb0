//! Keys of the dashboard.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::board::Board;
use crate::{
    report::{Controls, ask_to_stop},
    session::Wish,
};

/// What the keys do, each by its letter.
pub(super) const HELP: [(&str, &str); 6] =
    [("p", "pause"), ("e", "evaluate"), ("s", "sample"), ("c", "checkpoint"), ("q", "stop and save"), ("Q", "quit")];

/// Whom the keys ask.
pub(super) struct Keys {
    pub controls: Arc<Controls>,
    pub stop: Arc<AtomicBool>,
}

impl Keys {
    /// Does what a key asks for; whether it asks for anything.
    pub fn press(&self, key: KeyEvent, board: &mut Board) -> bool {
        if key.kind == KeyEventKind::Release {
            return false;
        }
        match key.code {
            KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => ask_to_stop(&self.stop),
            KeyCode::Char('p') => self.pause(board),
            KeyCode::Char('e') => self.ask(Wish::Evaluate, "an evaluation is asked for", board),
            KeyCode::Char('s') => self.ask(Wish::Sample, "a text is asked for", board),
            KeyCode::Char('c') if board.steps_done() == 0 => {
                board.said("there is nothing to save before the first step".into())
            }
            KeyCode::Char('c') => self.ask(Wish::Checkpoint, "a checkpoint is asked for", board),
            // Pressed for long it stays one wish; only Ctrl-C and Q end the process.
            KeyCode::Char('q') if self.stop.load(Ordering::Relaxed) => return false,
            KeyCode::Char('q') => ask_to_stop(&self.stop),
            KeyCode::Char('Q') => {
                self.stop.store(true, Ordering::Relaxed);
                ask_to_stop(&self.stop);
            }
            _ => return false,
        }
        true
    }

    fn pause(&self, board: &mut Board) {
        board.is_paused = !board.is_paused;
        self.controls.pause(board.is_paused);
        board.said(if board.is_paused { "pausing before the next step: p goes on" } else { "going on" }.into());
    }

    fn ask(&self, wish: Wish, text: &str, board: &mut Board) {
        self.controls.ask(wish);
        board.said(match board.is_paused {
            true => format!("{text}, for when the run goes on"),
            false => text.to_string(),
        });
    }
}
