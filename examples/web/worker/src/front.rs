//! What the page was told last of the worker's state.

use std::{cell::Cell, rc::Rc};

use hearth_train::TrainError;

use crate::{
    messages::{Reply, State, Trouble, TroubleKind, count},
    platform::Platform,
    trouble,
};

/// The state, and the way to the page. A clone is the same.
#[derive(Clone)]
pub struct Front {
    platform: Rc<dyn Platform>,
    shown: Rc<Cell<(State, u64, u64)>>,
}

impl Front {
    /// Nothing is training.
    pub fn new(platform: Rc<dyn Platform>) -> Self {
        Self { platform, shown: Rc::new(Cell::new((State::Idle, 0, 0))) }
    }

    /// Tells the page, without bytes beside.
    pub fn post(&self, reply: Reply) {
        self.platform.post(&reply, Vec::new());
    }

    /// A sentence for people.
    pub fn note(&self, words: impl Into<String>) {
        self.post(Reply::Note { words: words.into() });
    }

    /// Another state, told if it is another.
    pub fn set(&self, state: State) {
        let (_, step, steps) = self.shown.get();
        self.set_all(state, step, steps);
    }

    /// Another state at a step of a run of so many.
    pub fn set_all(&self, state: State, step: u64, steps: u64) {
        if self.shown.replace((state, step, steps)).0 != state {
            self.post(Reply::State { state, step: count(step), steps: count(steps) });
        }
    }

    /// So many steps are done; told with their figures.
    pub fn at_step(&self, step: u64) {
        let (state, _, steps) = self.shown.get();
        self.shown.set((state, step, steps));
    }

    /// Something went wrong.
    pub fn trouble(&self, id: Option<u32>, kind: TroubleKind, words: impl Into<String>) {
        self.post(Reply::Trouble { trouble: Trouble { id, kind, words: words.into(), can_continue: false } });
    }

    /// The error of a request.
    pub fn error(&self, id: Option<u32>, error: &TrainError) {
        self.trouble(id, trouble::kind(error), trouble::words(error));
    }
}
