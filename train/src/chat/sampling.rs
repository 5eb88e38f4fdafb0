//! How a model's publishers draw its tokens.

use std::path::Path;

use super::files::{folders, is_gguf, json, named};
use crate::TrainError;

/// What the `generation_config.json` beside a published model says of sampling.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct SamplingDefaults {
    /// Divides the logits; 0 where it says that nothing is drawn at random.
    pub temperature: Option<f64>,
    /// So many likeliest tokens.
    pub top_k: Option<usize>,
    /// The likeliest tokens that together reach this probability.
    pub top_p: Option<f64>,
}

impl SamplingDefaults {
    /// Of the model at `path`; of what is not said, none.
    ///
    /// # Errors
    /// A file that is no JSON, or a field that is no number.
    pub fn of(path: &Path) -> Result<Self, TrainError> {
        let mut found = Self::default();
        if is_gguf(path) {
            return Ok(found);
        }
        for folder in folders(path) {
            let file = folder.join("generation_config.json");
            let config = json(&file)?;
            let number = |name: &str| match &config[name] {
                serde_json::Value::Null => Ok(None),
                value => value.as_f64().map(Some).ok_or_else(|| {
                    named(
                        &file,
                        format!("field {name} = {value}: must be a number; restore the file as it was published"),
                    )
                }),
            };
            let (temperature, top_k, top_p) = (number("temperature")?, number("top_k")?, number("top_p")?);
            let temperature = if config["do_sample"] == false { Some(0.0) } else { temperature };
            found.temperature = found.temperature.or(temperature);
            found.top_k = found.top_k.or(top_k.map(|top_k| top_k as usize));
            found.top_p = found.top_p.or(top_p);
        }
        Ok(found)
    }
}
