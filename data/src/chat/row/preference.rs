//! Preferences: two completions of one prompt.

use super::fields::Fields;
use super::{Passage, Row, Tools};
use crate::chat::Message;
use crate::chat::fault::Fault;

pub(super) fn preference(fields: &Fields, tools: Option<Tools>) -> Result<Row, Fault> {
    let prompt = fields.get("prompt").is_some().then(|| fields.passage("prompt")).transpose()?;
    let passages = (fields.passage("chosen")?, fields.passage("rejected")?);
    let (prompt, chosen, rejected) = match (prompt, passages) {
        (Some(prompt @ Passage::Text(_)), (chosen @ Passage::Text(_), rejected @ Passage::Text(_)))
        | (Some(prompt @ Passage::Messages(_)), (chosen @ Passage::Messages(_), rejected @ Passage::Messages(_))) => {
            (prompt, chosen, rejected)
        }
        (Some(Passage::Text(text)), (Passage::Messages(chosen), Passage::Messages(rejected))) => {
            // The lists have the prompt, too, or nothing but completions.
            match common(&chosen, &rejected) {
                0 => (
                    Passage::Messages(vec![Message::new("user", text)]),
                    Passage::Messages(chosen),
                    Passage::Messages(rejected),
                ),
                shared => divided(chosen, rejected, shared),
            }
        }
        (None, (Passage::Messages(chosen), Passage::Messages(rejected))) => match common(&chosen, &rejected) {
            0 => return Err(Fault::new("prompt", "missing", "there, for `chosen` and `rejected` begin differently")),
            shared => divided(chosen, rejected, shared),
        },
        (None, (Passage::Text(_), Passage::Text(_))) => {
            return Err(Fault::new("prompt", "missing", "a string, as `chosen` and `rejected` are"));
        }
        _ => return Err(Fault::new("rejected", "of another kind", "what `prompt` and `chosen` are, strings or lists")),
    };
    if chosen == rejected {
        return Err(Fault::new("rejected", "the same as `chosen`", "another completion"));
    }
    for (name, passage) in [("chosen", &chosen), ("rejected", &rejected)] {
        let Passage::Messages(messages) = passage else { continue };
        if !messages.first().is_some_and(Message::is_assistant) {
            return Err(Fault::new(name, "without the assistant's answer to the prompt", "one that begins with it"));
        }
    }
    Ok(Row::Preference { prompt, chosen, rejected, tools })
}

/// Number of messages that both begin with.
fn common(chosen: &[Message], rejected: &[Message]) -> usize {
    chosen.iter().zip(rejected).take_while(|(one, other)| one == other).count()
}

fn divided(mut chosen: Vec<Message>, mut rejected: Vec<Message>, shared: usize) -> (Passage, Passage, Passage) {
    let prompt = chosen.drain(..shared).collect();
    rejected.drain(..shared);
    (Passage::Messages(prompt), Passage::Messages(chosen), Passage::Messages(rejected))
}
