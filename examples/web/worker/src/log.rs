//! What has happened in a run: its `metrics.jsonl`, line by line as a native run writes it.

use hearth_train::{
    Event,
    session::{LogEntry, Record},
};

use crate::messages::{EvaluationFigures, Sample, StepFigures, count};

/// Figures of steps that the page is told of at once.
const SHOWN: usize = 2000;

/// Records that room is made for at once.
const AHEAD: usize = 1 << 14;

/// Bytes that few lines exceed on the average.
const LINE: usize = 256;

/// The records of a run.
#[derive(Clone, Debug, Default)]
pub struct RunLog {
    records: Vec<Record>,
    /// Steps that were taken.
    step: u64,
}

impl RunLog {
    /// The log in a file; lines that are none of ours are left out.
    pub fn parse(text: &str) -> Self {
        let records: Vec<Record> = text.lines().filter_map(|line| Record::parse(line).ok()).collect();
        Self { records, step: 0 }
    }

    /// Makes room for so many steps: the memory of a module only grows, and it is to grow before a run and not within.
    pub fn reserve(&mut self, steps: u64) {
        // With a step an evaluation or a sample may come.
        let records = usize::try_from(steps).unwrap_or(AHEAD).saturating_mul(2);
        self.records.reserve(records.min(AHEAD));
    }

    /// The file.
    pub fn to_text(&self) -> String {
        // A text that grows as it is written takes three times its size.
        let mut text = String::with_capacity(self.records.len() * LINE);
        self.records.iter().filter_map(Record::line).for_each(|line| text.push_str(&line));
        text
    }

    /// Hears of an event. What will be told again is forgotten.
    pub fn hear(&mut self, event: &Event) {
        match event {
            Event::Rewind { step, evaluated } => {
                self.records.retain(|record| record.is_before(*step, *evaluated));
                self.step = *step;
            }
            Event::Step(metrics) | Event::Evaluation(metrics) => {
                self.step = metrics.steps_done();
                self.records.push(Record::Figures(metrics.clone()));
            }
            event => self.records.extend(LogEntry::of(event, self.step).map(Record::Entry)),
        }
    }

    /// Figures of the steps, evenly thinned where there are many.
    pub fn figures(&self) -> Vec<StepFigures> {
        let all: Vec<StepFigures> = self.records.iter().filter_map(step_figures).collect();
        let every = all.len().div_ceil(SHOWN).max(1);
        let last = all.len().saturating_sub(1);
        let is_shown = |at: usize| at.is_multiple_of(every) || at == last;
        all.into_iter().enumerate().filter(|(at, _)| is_shown(*at)).map(|(_, figures)| figures).collect()
    }

    /// All evaluations.
    pub fn evaluations(&self) -> Vec<EvaluationFigures> {
        self.records.iter().filter_map(evaluation).collect()
    }

    /// All samples.
    pub fn samples(&self) -> Vec<Sample> {
        self.records.iter().filter_map(sample).collect()
    }
}

/// The figures of a step, where a record has them.
pub fn step_figures(record: &Record) -> Option<StepFigures> {
    let Record::Figures(metrics) = record else { return None };
    // Where the loss is no number there is a norm or a rate all the same.
    (metrics.val_loss.is_none() || metrics.train_loss.is_some()).then(|| StepFigures {
        step: count(metrics.step),
        loss: metrics.train_loss.filter(|loss| loss.is_finite()),
        learning_rate: metrics.lr,
        grad_norm: metrics.grad_norm.filter(|norm| norm.is_finite()),
        seconds: metrics.seconds,
    })
}

fn evaluation(record: &Record) -> Option<EvaluationFigures> {
    let Record::Figures(metrics) = record else { return None };
    Some(EvaluationFigures { step: count(metrics.step), loss: metrics.val_loss? })
}

fn sample(record: &Record) -> Option<Sample> {
    match record {
        Record::Entry(LogEntry::Sample { step, prompt, text }) => {
            Some(Sample { step: count(*step), prompt: prompt.clone(), text: text.clone() })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use hearth_train::Metrics;

    use super::*;

    fn step(step: u64) -> Event {
        Event::Step(Metrics { step, train_loss: Some(3.0), ..Metrics::default() })
    }

    #[test]
    fn a_log_is_the_same_when_it_is_read_again_and_forgets_what_will_be_told_again() {
        let mut log = RunLog::default();
        (0..5000).for_each(|at| log.hear(&step(at)));
        log.hear(&Event::Evaluation(Metrics { step: 5000, val_loss: Some(2.5), ..Metrics::default() }));
        log.hear(&Event::Sample { step: 5000, prompt: "a".into(), text: "b".into() });
        let again = RunLog::parse(&(log.to_text() + "no line of ours\n"));
        assert_eq!(again.to_text(), log.to_text());
        let figures = again.figures();
        assert!(figures.len() <= SHOWN + 1 && figures.last().unwrap().step == 4999, "{}", figures.len());
        assert_eq!((again.evaluations().len(), again.samples().len()), (1, 1));
        log.hear(&Event::Rewind { step: 10, evaluated: false });
        assert_eq!((log.figures().len(), log.evaluations().len(), log.samples().len()), (10, 0, 0));
    }
}
