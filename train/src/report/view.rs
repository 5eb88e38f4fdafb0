//! Files of a run that are made of its records, each in its own form.

use super::{ReportError, quiet::Quiet};
use crate::session::Record;

/// A file that is made of a run's records as they come.
pub(super) trait View {
    /// Its name in the run's folder, for people.
    fn name(&self) -> &'static str;

    /// Begins with what has happened until now, and with nothing else.
    fn begin(&mut self, records: &[Record]) -> Result<(), ReportError>;

    /// Adds what happened.
    fn add(&mut self, record: &Record) -> Result<(), ReportError>;
}

/// A view that costs no more than a warning where it cannot be written.
pub(super) struct Kept {
    view: Box<dyn View>,
    told: Quiet,
}

impl Kept {
    pub fn new(view: impl View + 'static) -> Self {
        Self { view: Box::new(view), told: Quiet::default() }
    }

    /// [`View::begin`]; a sentence for people, likewise.
    pub fn begin(&mut self, records: &[Record]) -> Option<String> {
        let begun = self.view.begin(records);
        self.tell(begun)
    }

    /// [`View::add`]; a sentence for people, if it fails and that was not told lately.
    pub fn add(&mut self, record: &Record) -> Option<String> {
        let added = self.view.add(record);
        self.tell(added)
    }

    fn tell(&mut self, result: Result<(), ReportError>) -> Option<String> {
        let error = result.err().filter(|_| self.told.is_over())?;
        Some(format!("warning: {} is not kept up, and the run goes on: {error}", self.view.name()))
    }
}
