//! The dashboard: a run on a whole terminal, with keys. A thread of its own draws it and reads the keys, so that it answers
//! while a step takes long, and no step waits for it.

mod board;
mod chart;
mod curve;
mod draw;
mod figures;
mod keys;
mod palette;
#[cfg(test)]
mod tests;

use std::{
    io::{IsTerminal, Stdout, stderr, stdout},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, Sender, TryRecvError, channel},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use ratatui::{
    Terminal,
    backend::CrosstermBackend,
    crossterm::event::{self, Event as Input},
};

use super::{
    Controls, ReportError, RunOutline,
    screen::{self, leave_screen},
};
use crate::session::{Event, Metrics};
use board::Board;
use keys::Keys;
use palette::Palette;

/// Least time between two pictures, of which most are of new figures.
const PICTURE: Duration = Duration::from_millis(250);
/// Most time between two: clocks move.
const CLOCK: Duration = Duration::from_secs(1);
/// How long a key is waited for before messages are looked at.
const KEY: Duration = Duration::from_millis(100);

/// What the thread of the dashboard hears.
enum Message {
    /// An event of the run, and the seconds that are left after it.
    Event(Event, Option<f64>),
    /// The run goes on after this step, with what was measured before it.
    History(u64, Vec<Metrics>),
    /// A line that was written to standard error.
    Said(String),
    /// The run is over.
    Close,
}

/// The dashboard on the terminal, from [`Dashboard::open`] until it is dropped; then the terminal is as it was, and what was
/// told is printed on standard error.
pub(super) struct Dashboard {
    to: Sender<Message>,
    thread: Option<JoinHandle<()>>,
}

impl Dashboard {
    /// Opens the dashboard of a run. Its keys ask for things by `controls`, and for the end by `stop`.
    ///
    /// # Errors
    /// Standard output or standard error is not a terminal, or not one that can be drawn on.
    pub fn open(outline: &RunOutline, controls: Arc<Controls>, stop: Arc<AtomicBool>) -> Result<Self, ReportError> {
        require_terminal()?;
        let (to, messages) = channel();
        let said = to.clone();
        let said = move |line| drop(said.send(Message::Said(line)));
        let shown = screen::enter(said).and_then(|()| Terminal::new(CrosstermBackend::new(stdout())));
        let terminal = shown.map_err(|cause| {
            leave_screen();
            ReportError::Terminal { cause }
        })?;
        let board = Board::new(outline.clone());
        let watcher = Watcher { board, keys: Keys { controls, stop }, messages, terminal, palette: Palette::of_user() };
        let thread = thread::Builder::new().name("dashboard".into()).spawn(move || watcher.watch());
        let thread = thread.map_err(|cause| {
            leave_screen();
            ReportError::Terminal { cause }
        })?;
        Ok(Self { to, thread: Some(thread) })
    }

    /// Shows an event, after which the run takes about `left` seconds.
    pub fn event(&self, event: &Event, left: Option<f64>) {
        let _ = self.to.send(Message::Event(event.clone(), left));
    }

    /// The run goes on after `step` steps, with what was measured before.
    pub fn rewind(&self, step: u64, earlier: &[Metrics]) {
        let _ = self.to.send(Message::History(step, earlier.to_vec()));
    }
}

impl Drop for Dashboard {
    fn drop(&mut self) {
        let _ = self.to.send(Message::Close);
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has drawn its last picture; the run need not end for it.
            let _ = thread.join();
        }
        leave_screen();
    }
}

/// # Errors
/// Standard output or standard error is not a terminal.
pub(super) fn require_terminal() -> Result<(), ReportError> {
    match (stdout().is_terminal(), stderr().is_terminal()) {
        (true, true) => Ok(()),
        (false, _) => Err(ReportError::NoTerminal { stream: "standard output" }),
        (true, false) => Err(ReportError::NoTerminal { stream: "standard error" }),
    }
}

/// The thread of the dashboard.
struct Watcher {
    board: Board,
    keys: Keys,
    messages: Receiver<Message>,
    terminal: Terminal<CrosstermBackend<Stdout>>,
    palette: Palette,
}

impl Watcher {
    fn watch(mut self) {
        let mut drawn: Option<Instant> = None;
        let mut is_new = true;
        loop {
            match self.hear() {
                Ok(heard) => is_new |= heard,
                Err(Closed) => return,
            }
            if self.keys.stop.load(Ordering::Relaxed) {
                is_new |= !std::mem::replace(&mut self.board.is_ending, true);
            }
            let wait = if is_new { PICTURE } else { CLOCK };
            if drawn.is_none_or(|at| at.elapsed() >= wait) {
                self.draw();
                (drawn, is_new) = (Some(Instant::now()), false);
            }
            if self.key() {
                // What a key did is shown at once.
                (drawn, is_new) = (None, true);
            }
        }
    }

    /// Takes what has been told since; whether that was anything.
    fn hear(&mut self) -> Result<bool, Closed> {
        let mut heard = false;
        loop {
            match self.messages.try_recv() {
                Ok(Message::Event(event, left)) => self.board.hear(event, left),
                Ok(Message::History(step, metrics)) => self.board.rewind(step, &metrics),
                Ok(Message::Said(line)) => self.board.said(line),
                Ok(Message::Close) | Err(TryRecvError::Disconnected) => return Err(Closed),
                Err(TryRecvError::Empty) => return Ok(heard),
            }
            heard = true;
        }
    }

    fn draw(&mut self) {
        let Self { board, palette, terminal, .. } = self;
        // A terminal that is gone is not the run's end: SIGHUP comes with it.
        let _ = screen::while_on(|| terminal.draw(|frame| draw::draw(frame, board, palette)).map(drop));
    }

    /// Waits for a key and does what it asks for; whether the picture changes by it.
    fn key(&mut self) -> bool {
        match event::poll(KEY) {
            Ok(true) => {}
            Ok(false) => return false,
            Err(_) => {
                thread::sleep(KEY);
                return false;
            }
        }
        match event::read() {
            Ok(Input::Key(key)) => self.keys.press(key, &mut self.board),
            Ok(Input::Resize(..)) => true,
            _ => false,
        }
    }
}

/// The run is over.
struct Closed;
