//! What is known of a run before its first step.

use std::fmt;

use crate::digits::with_separators;

/// What is known of a run before its first step, for those who show it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunOutline {
    /// Its folder, as the user named it.
    pub name: String,
    /// The shape of its model in short.
    pub model: String,
    /// Number of the model's parameters.
    pub parameters: u64,
    /// Names of the devices.
    pub devices: Vec<String>,
    /// Steps that the whole run has.
    pub total_steps: u64,
    /// Training tokens of a step.
    pub tokens_per_step: u64,
    /// Steps between evaluations; 0 for one at the end only.
    pub evaluate_every: u64,
    /// Steps between texts; 0 for none.
    pub sample_every: u64,
    /// Sequences that an evaluation takes, as a multiple of a step's; 0 where nothing is evaluated.
    pub evaluation_share: f64,
    /// Whether figures also go to an event file of TensorBoard's.
    pub tensorboard: bool,
}

impl fmt::Display for RunOutline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [parameters, steps, tokens] =
            [self.parameters, self.total_steps, self.tokens_per_step].map(with_separators);
        let Self { model, devices, .. } = self;
        write!(f, "{parameters} parameters ({model}), {steps} steps of {tokens} tokens on {}", devices.join(" and "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outline_is_a_sentence() {
        let outline = RunOutline {
            model: "L2 H2 C64 T32".into(),
            parameters: 112_384,
            devices: vec!["CPU".into(), "a card".into()],
            total_steps: 1000,
            tokens_per_step: 128,
            ..RunOutline::default()
        };
        let expected = "112,384 parameters (L2 H2 C64 T32), 1,000 steps of 128 tokens on CPU and a card";
        assert_eq!(outline.to_string(), expected);
    }
}
