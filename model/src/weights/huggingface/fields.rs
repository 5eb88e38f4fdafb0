//! The fields of a `config.json`, of which none that counts is overlooked.

use std::{cell::RefCell, collections::BTreeSet, path::Path};

use serde_json::{Map, Value};

use crate::{ModelError, weights::broken};

/// What no model computes by: who made it, which tokens mean what, and what concerns training.
const OF_NO_NUMBER: &[&str] = &[
    "architectures",
    "attention_dropout",
    "attn_pdrop",
    "auto_map",
    "cache_implementation",
    "dtype",
    "embd_pdrop",
    "gradient_checkpointing",
    "hidden_dropout",
    "is_llama_config",
    "keys_to_ignore_at_inference",
    "label2id",
    "id2label",
    "max_window_layers",
    "model_max_length",
    "n_ctx",
    "output_router_logits",
    "pretraining_tp",
    "resid_pdrop",
    "router_aux_loss_coef",
    "router_jitter_noise",
    "summary_activation",
    "summary_first_dropout",
    "summary_proj_to_labels",
    "summary_type",
    "summary_use_proj",
    "task_specific_params",
    "torch_dtype",
    "transformers_version",
    "unsloth_fixed",
    "use_cache",
];

/// The fields of a file, and which of them were asked for.
pub struct Fields<'a> {
    path: &'a Path,
    map: &'a Map<String, Value>,
    asked: RefCell<BTreeSet<&'static str>>,
}

impl<'a> Fields<'a> {
    /// Those of an object in the file at `path`.
    pub fn new(path: &'a Path, map: &'a Map<String, Value>) -> Self {
        Self { path, map, asked: RefCell::default() }
    }

    /// A field's value, which may be absent or null.
    pub fn get(&self, name: &'static str) -> Option<&'a Value> {
        self.asked.borrow_mut().insert(name);
        self.map.get(name).filter(|value| !value.is_null())
    }

    fn as_type<T>(
        &self,
        name: &'static str,
        kind: &str,
        of: fn(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, ModelError> {
        let wrong = |value: &Value| self.refuse(name, value, &format!("must be {kind}"));
        self.get(name).map(|value| of(value).ok_or_else(|| wrong(value))).transpose()
    }

    /// A whole number.
    pub fn count(&self, name: &'static str) -> Result<Option<usize>, ModelError> {
        self.as_type(name, "a whole number", |it| it.as_u64().and_then(|it| usize::try_from(it).ok()))
    }

    /// A whole number that must be there.
    pub fn must(&self, name: &'static str) -> Result<usize, ModelError> {
        self.count(name)?.ok_or_else(|| broken(self.path, format!("field {name} is missing")))
    }

    /// A number.
    pub fn number(&self, name: &'static str) -> Result<Option<f64>, ModelError> {
        self.as_type(name, "a number", Value::as_f64)
    }

    /// Whether something is so, which it is not where nothing is said.
    pub fn flag(&self, name: &'static str) -> Result<bool, ModelError> {
        Ok(self.as_type(name, "true or false", Value::as_bool)?.unwrap_or(false))
    }

    /// The same, with what is meant where nothing is said.
    pub fn flag_or(&self, name: &'static str, default: bool) -> Result<bool, ModelError> {
        Ok(self.as_type(name, "true or false", Value::as_bool)?.unwrap_or(default))
    }

    /// A name.
    pub fn text(&self, name: &'static str) -> Result<Option<&'a str>, ModelError> {
        self.as_type(name, "a text", Value::as_str)
    }

    /// A list.
    pub fn list(&self, name: &'static str) -> Result<Option<&'a [Value]>, ModelError> {
        self.as_type(name, "a list", |it| it.as_array().map(Vec::as_slice))
    }

    /// An object.
    pub fn object(&self, name: &'static str) -> Result<Option<Fields<'a>>, ModelError> {
        Ok(self.as_type(name, "an object", Value::as_object)?.map(|map| Fields::new(self.path, map)))
    }

    /// Requires that a field, where it is said, is what Hearth computes by.
    pub fn only(&self, name: &'static str, values: &[Value]) -> Result<(), ModelError> {
        match self.get(name).filter(|value| !values.contains(value)) {
            Some(value) => {
                let known: Vec<String> = values.iter().map(ToString::to_string).collect();
                Err(self.refuse(name, value, &format!("Hearth computes by {} alone", known.join(" or "))))
            }
            None => Ok(()),
        }
    }

    /// An error about a field.
    pub fn refuse(&self, name: &str, value: &Value, reason: &str) -> ModelError {
        let mut value = value.to_string();
        if value.chars().count() > 60 {
            value = value.chars().take(60).chain("..".chars()).collect();
        }
        broken(self.path, format!("field {name} = {value}: {reason}"))
    }

    /// Requires that all that is said was asked for, or is of no number.
    pub fn finish(&self) -> Result<(), ModelError> {
        let asked = self.asked.borrow();
        let says_nothing = |value: &Value| match value {
            Value::Null | Value::Bool(false) => true,
            Value::Array(list) => list.is_empty(),
            Value::Object(map) => map.is_empty(),
            _ => false,
        };
        // What begins so is the library's own, and what ends so says what tokens mean.
        let is_idle = |name: &str| name.starts_with('_') || name.ends_with("_token_id");
        let known = |name: &str| asked.contains(name) || OF_NO_NUMBER.contains(&name) || is_idle(name);
        match self.map.iter().find(|(name, value)| !known(name) && !says_nothing(value)) {
            Some((name, _)) if name == "quantization_config" => {
                Err(broken(self.path, "the weights are quantized: take the model as it was before, or a GGUF of it"))
            }
            Some((name, value)) => Err(self.refuse(
                name,
                value,
                "Hearth does not know it, and it may change what the model computes: remove it if it does not",
            )),
            None => Ok(()),
        }
    }
}
