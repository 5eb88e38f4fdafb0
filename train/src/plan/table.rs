//! A plan as a table for people.

use std::fmt;

use hearth_model::{ParameterCount, TransformerConfig};

use super::{Choice, Plan, choose::mib};
use crate::digits::with_separators;

/// Prints a choice: the plan, its memory by what takes it, and the next smaller and the next faster plan.
pub struct Table<'a> {
    /// The model that is planned for.
    pub model: &'a TransformerConfig,
    /// The plan that was chosen, with its neighbours.
    pub choice: &'a Choice,
}

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { model, choice } = self;
        let Choice { plan, budget, .. } = choice;
        let parameters = ParameterCount::of(model).total;
        let parameters = with_separators(parameters as u64);
        writeln!(f, "{parameters} parameters, windows of {} tokens", model.context_length)?;
        writeln!(f, "step      {}", plan.cut)?;
        writeln!(f, "          logits of {} positions at once", plan.cut.logits_chunk)?;
        writeln!(
            f,
            "peak      {} of {}, at: {}",
            mib(plan.peak_bytes()),
            budget.map_or("unknown".into(), mib),
            plan.peak.phase
        )?;
        for (name, bytes) in plan.peak.usage.parts().into_iter().filter(|(_, bytes)| *bytes > 0) {
            writeln!(f, "  {name:18}{:>10.1} MiB", bytes as f64 / f64::from(1 << 20))?;
        }
        let neighbour = |f: &mut fmt::Formatter<'_>, word: &str, other: Option<&Plan>| match other {
            Some(other) => writeln!(
                f,
                "{word:10}{}, {:.2} times as long: {}",
                mib(other.peak_bytes()),
                other.seconds / plan.seconds,
                other.cut
            ),
            None => writeln!(f, "{word:10}none"),
        };
        neighbour(f, "smaller", choice.smaller())?;
        neighbour(f, "faster", choice.faster())
    }
}
