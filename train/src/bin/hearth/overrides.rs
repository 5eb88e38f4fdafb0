//! Flags that set fields of a configuration.

use clap::Args;

/// Fields that are set on the command line, over those of the file.
#[derive(Args)]
pub struct Overrides {
    /// Override a field, as in `--set schedule.warmup_steps=50`; may be given many times.
    #[arg(long, value_name = "SECTION.FIELD=VALUE")]
    set: Vec<String>,
    /// Number of updates: limits.steps.
    #[arg(long, value_name = "STEPS", allow_negative_numbers = true)]
    steps: Option<String>,
    /// The largest learning rate: optimizer.learning_rate.
    #[arg(long, value_name = "RATE", allow_negative_numbers = true)]
    lr: Option<String>,
    /// Sequences that are on the device at once: batch.micro_batch.
    #[arg(long, value_name = "SEQUENCES", allow_negative_numbers = true)]
    batch: Option<String>,
    /// A published shape in place of the file's model: model.preset (see `hearth presets`).
    #[arg(long, value_name = "NAME")]
    preset: Option<String>,
    /// Decides initial weights, the order of the data and dropout: seed.
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    seed: Option<String>,
}

impl Overrides {
    /// Each as `section.field=value`.
    pub fn all(&self) -> Vec<String> {
        let flags = [
            ("limits.steps", &self.steps),
            ("optimizer.learning_rate", &self.lr),
            ("batch.micro_batch", &self.batch),
            ("model.preset", &self.preset),
            ("seed", &self.seed),
        ];
        let given =
            flags.into_iter().filter_map(|(field, value)| value.as_ref().map(|value| format!("{field}={value}")));
        self.set.iter().cloned().chain(given).collect()
    }
}
