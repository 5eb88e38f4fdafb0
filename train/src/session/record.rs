//! A line of `metrics.jsonl`.

use serde::{Deserialize, Serialize};

use super::{End, Event, Metrics};

/// A line of `metrics.jsonl`: figures, which have no key `event`, or something else that happened.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Record {
    /// The figures of a step or an evaluation.
    Figures(Metrics),
    /// Whatever else happened.
    Entry(LogEntry),
}

/// What happened in a run besides its steps and evaluations; `event` names the kind, `step` is the number of steps until then.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum LogEntry {
    /// A process began, or went on, to train.
    Start {
        /// Steps that were taken before.
        step: u64,
        /// Seconds since 1970, UTC.
        time: u64,
        /// Version of Hearth.
        hearth: String,
        /// Name of the device, or of the first of several.
        device: String,
        /// The model in short, as in `L4 H4 C128 T64`.
        model: String,
        /// Steps that the run is to take.
        total_steps: u64,
    },
    /// A text was drawn.
    Sample {
        /// Steps until it.
        step: u64,
        /// What it continues.
        prompt: String,
        /// What was drawn.
        text: String,
    },
    /// A checkpoint stands.
    Checkpoint {
        /// Steps until it.
        step: u64,
        /// Its folder.
        location: String,
    },
    /// A sentence for people.
    Note {
        /// Steps until it.
        step: u64,
        /// The sentence.
        text: String,
    },
    /// A sentence for people about something that went wrong without ending the run.
    Trouble {
        /// Steps until it.
        step: u64,
        /// The sentence.
        text: String,
    },
    /// The process ended the run in order. A run whose last `start` is followed by no `end` still trains, or was killed.
    End {
        /// Steps until it.
        step: u64,
        /// Seconds since 1970, UTC.
        time: u64,
        /// Why.
        reason: EndReason,
        /// The error that it failed with.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<String>,
    },
    /// Something that a later version of Hearth tells.
    #[serde(other, skip_serializing)]
    Unknown,
}

/// Why a process ended a run in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// The limit was reached.
    Limit,
    /// The user stopped it.
    Stopped,
    /// By `evaluation.patience`.
    Patience,
    /// An error.
    Failed,
}

impl From<End> for EndReason {
    fn from(end: End) -> Self {
        match end {
            End::Limit => Self::Limit,
            End::Stopped => Self::Stopped,
            End::OutOfPatience => Self::Patience,
        }
    }
}

impl LogEntry {
    /// The entry of an event that brings no figures; `step` steps were taken.
    pub fn of(event: &Event, step: u64) -> Option<Self> {
        Some(match event.clone() {
            Event::Sample { step, prompt, text } => Self::Sample { step, prompt, text },
            Event::Checkpoint { step, location } => Self::Checkpoint { step, location },
            Event::Plan(text) | Event::Note(text) => Self::Note { step, text },
            Event::Trouble(text) => Self::Trouble { step, text },
            Event::Step(_) | Event::Evaluation(_) | Event::Rewind { .. } => return None,
        })
    }
}

impl Record {
    /// The line that holds it, with its end; `None` for what this version does not know.
    pub fn line(&self) -> Option<String> {
        let json = match self {
            Self::Entry(LogEntry::Unknown) => return None,
            Self::Figures(metrics) => serde_json::to_string(metrics),
            Self::Entry(entry) => serde_json::to_string(entry),
        };
        Some(json.expect("numbers and strings under fixed names") + "\n")
    }

    /// Reads a line.
    ///
    /// # Errors
    /// It is none of ours.
    pub fn parse(line: &str) -> serde_json::Result<Self> {
        if line.starts_with(r#"{"event":"#) {
            return serde_json::from_str(line).map(Self::Entry);
        }
        // Another program may have put the keys in another order.
        serde_json::from_str(line)
            .map(Self::Figures)
            .or_else(|error| serde_json::from_str(line).map(Self::Entry).map_err(|_| error))
    }

    /// Whether it still holds for a run that goes on before `step`, from a checkpoint that was made after what was due there
    /// if that is `evaluated`. What was said to people was said, whatever came after.
    pub fn is_before(&self, step: u64, evaluated: bool) -> bool {
        match self {
            Self::Figures(metrics) => metrics.step < step || (evaluated && metrics.is_evaluation_before(step)),
            Self::Entry(LogEntry::Sample { step: at, .. }) => *at < step || (evaluated && *at == step),
            Self::Entry(LogEntry::Checkpoint { step: at, .. }) => *at <= step,
            Self::Entry(_) => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_figures_or_an_entry() {
        let figures = Record::Figures(Metrics { step: 3, tokens: 6, train_loss: Some(2.5), ..Metrics::default() });
        let note = Record::Entry(LogEntry::Note { step: 3, text: "a \"word\"".into() });
        assert_eq!(
            [&figures, &note].map(|record| record.line().unwrap()),
            [
                "{\"step\":3,\"tokens\":6,\"seconds\":0.0,\"train_loss\":2.5}\n",
                "{\"event\":\"note\",\"step\":3,\"text\":\"a \\\"word\\\"\"}\n"
            ]
        );
        for record in [figures, note] {
            assert_eq!(Record::parse(record.line().unwrap().trim()).unwrap(), record);
        }
        let reordered = Record::parse(r#"{"step": 4, "event": "sample", "text": "b", "prompt": "a"}"#).unwrap();
        assert_eq!(reordered, Record::Entry(LogEntry::Sample { step: 4, prompt: "a".into(), text: "b".into() }));
        assert_eq!(Record::parse(r#"{"event":"dance","step":4}"#).unwrap(), Record::Entry(LogEntry::Unknown));
        assert!(Record::parse(r#"{"step":4}"#).is_err() && Record::parse(r#"{"event":"note"}"#).is_err());
    }

    #[test]
    fn what_will_be_told_again_is_dropped() {
        let sample = Record::Entry(LogEntry::Sample { step: 4, prompt: String::new(), text: String::new() });
        let checkpoint = Record::Entry(LogEntry::Checkpoint { step: 4, location: String::new() });
        let note = Record::Entry(LogEntry::Note { step: 9, text: String::new() });
        let holds = |step, evaluated| [&sample, &checkpoint, &note].map(|it| it.is_before(step, evaluated));
        assert_eq!(holds(3, true), [false, false, true]);
        assert_eq!(holds(4, false), [false, true, true]);
        assert_eq!(holds(4, true), [true, true, true]);
        assert_eq!(holds(5, false), [true, true, true]);
    }
}
