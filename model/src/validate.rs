//! Which configurations a model can have.

use crate::{ModelError, ParameterCount, Positions, TransformerConfig};

/// Elements of the largest tensor and blocks of the deepest model: what comes from a file is countable, before anything is
/// counted.
const MOST_ELEMENTS: u128 = 1 << 40;
const MOST_LAYERS: usize = 1 << 16;

impl TransformerConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// [`ModelError::Config`] names the first field whose value no model can have.
    pub fn validate(&self) -> Result<(), ModelError> {
        self.validate_sizes()?;
        self.validate_heads()?;
        self.validate_numbers()?;
        self.validate_extent(usize::MAX)
    }

    fn validate_sizes(&self) -> Result<(), ModelError> {
        for (field, value) in [
            ("vocab_size", self.vocab_size),
            ("context_length", self.context_length),
            ("layers", self.layers),
            ("width", self.width),
            ("heads", self.heads),
        ] {
            if value == 0 {
                return refuse(field, value, "must be at least 1");
            }
        }
        for (field, value) in [("vocab_size", self.vocab_size), ("context_length", self.context_length)] {
            if i32::try_from(value).is_err() {
                return refuse(field, value, "must be below 2^31, for ids and positions are numbers of 32 bits");
            }
        }
        Ok(())
    }

    fn validate_heads(&self) -> Result<(), ModelError> {
        if self.head_width == 0 && !self.width.is_multiple_of(self.heads) {
            let reason = format!("must divide width = {}, or head_width must be set", self.width);
            return refuse("heads", self.heads, reason);
        }
        if !self.heads.is_multiple_of(self.kv_heads()) {
            return refuse("kv_heads", self.kv_heads, format!("must divide heads = {}", self.heads));
        }
        if self.positions == Positions::Rope && !self.head_width().is_multiple_of(2) {
            return refuse("head_width", self.head_width(), "must be even, for RoPE turns channels in pairs");
        }
        if !self.sliding_window.is_empty() && self.sliding_window.len() != self.layers {
            let reason = format!("must have one entry a layer, so {} of them, or none", self.layers);
            return refuse("sliding_window", format!("{:?}", self.sliding_window), reason);
        }
        Ok(())
    }

    fn validate_numbers(&self) -> Result<(), ModelError> {
        for (field, value) in [
            ("norm_eps", self.norm_eps),
            ("rope_base", self.rope_base),
            ("init_std", self.init_std),
            ("logit_softcap", self.logit_softcap.unwrap_or(1.0)),
        ] {
            if !(value.is_finite() && value > 0.0) {
                return refuse(field, value, "must be positive");
            }
        }
        if !(0.0..1.0).contains(&self.dropout) {
            return refuse("dropout", self.dropout, "must be at least 0 and under 1");
        }
        Ok(())
    }

    /// The largest tensor and the number of parameters must be countable on a machine whose numbers go to `largest`, which is
    /// less in a browser.
    fn validate_extent(&self, largest: usize) -> Result<(), ModelError> {
        let [width, heads, head_width] = [self.width, self.heads, self.head_width()].map(|size| size as u128);
        let [vocabulary, context, ffn] =
            [self.vocab_size, self.context_length, self.ffn_width()].map(|size| size as u128);
        let widest = vocabulary.max(context).max(ffn).max(heads * head_width);
        if widest.saturating_mul(width) > MOST_ELEMENTS || self.layers > MOST_LAYERS {
            let reason = "gives a tensor of more than 2^40 elements, or there are too many layers";
            return refuse("width", self.width, reason);
        }
        let bytes = 4 * ParameterCount::exact(self)[3];
        if bytes > largest as u128 {
            return refuse(
                "width",
                self.width,
                format!("gives {bytes} bytes of parameters, more than this machine can address"),
            );
        }
        Ok(())
    }
}

fn refuse<T>(field: &'static str, value: impl ToString, reason: impl Into<String>) -> Result<T, ModelError> {
    Err(ModelError::Config { field, value: value.to_string(), reason: reason.into() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preset;

    #[test]
    fn each_bad_value_is_named() {
        let good = preset("stories260k").unwrap();
        type Spoil = fn(&mut TransformerConfig);
        let cases: [(&str, Spoil); 13] = [
            ("model.heads = 0", |c| c.heads = 0),
            ("model.heads = 7", |c| c.heads = 7),
            ("model.kv_heads = 3", |c| c.kv_heads = 3),
            ("model.layers = 0", |c| c.layers = 0),
            ("model.vocab_size = 0", |c| c.vocab_size = 0),
            ("model.head_width = 5", |c| c.head_width = 5),
            ("model.sliding_window = [4]", |c| c.sliding_window = vec![4]),
            ("model.dropout = 1", |c| c.dropout = 1.0),
            ("model.norm_eps = 0", |c| c.norm_eps = 0.0),
            ("model.width = 1099511627776", |c| c.width = 1 << 40),
            ("model.width = 18446744073709551600", |c| c.width = usize::MAX - 15),
            ("model.vocab_size = 2147483648", |c| c.vocab_size = 1 << 31),
            ("model.width = 64", |c| (c.heads, c.kv_heads, c.head_width) = (1 << 62, 0, 8)),
        ];
        for (message, spoil) in cases {
            let mut config = good.clone();
            spoil(&mut config);
            let error = config.validate().unwrap_err().to_string();
            assert!(error.starts_with(message), "{error}");
        }
    }

    /// In a browser, where a usize has 32 bits: models that fit there are taken, others are not.
    #[test]
    fn a_browser_addresses_less() {
        let browser = u32::MAX as usize;
        for name in ["stories260k", "shakespeare-gpu", "gpt2", "gpt2-large"] {
            preset(name).unwrap().validate_extent(browser).unwrap();
        }
        let error = preset("gpt2-xl").unwrap().validate_extent(browser).unwrap_err().to_string();
        assert_eq!(
            error,
            "model.width = 1600: gives 6230444800 bytes of parameters, more than this machine can address"
        );
    }
}
