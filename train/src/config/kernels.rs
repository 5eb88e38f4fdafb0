//! Which of Hearth's kernels run.

use std::borrow::Cow;

use hearth_wgsl::Kernel;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use serde_json::Value;

/// Hearth's kernels that run on a GPU. In a file: `"wgsl"` for all of them, `"plain"` for none, or a list of their names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kernels(pub Vec<Kernel>);

impl Default for Kernels {
    fn default() -> Self {
        Self(Kernel::ALL.into())
    }
}

impl Kernels {
    /// Switches these kernels on and all others off, for the whole process.
    pub fn apply(&self) {
        Kernel::ALL.iter().for_each(|kernel| kernel.switch(self.0.contains(kernel)));
    }
}

impl JsonSchema for Kernels {
    fn schema_name() -> Cow<'static, str> {
        "Kernels".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let names = Kernel::ALL.map(Kernel::name);
        json_schema!({ "anyOf": [
            { "type": "string", "enum": ["wgsl", "plain"] },
            { "type": "array", "items": { "type": "string", "enum": names } },
        ] })
    }
}

impl Serialize for Kernels {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text: Value = match self.0.as_slice() {
            [] => Value::from("plain"),
            all if Kernel::ALL.iter().all(|kernel| all.contains(kernel)) => Value::from("wgsl"),
            some => some.iter().map(|kernel| kernel.name()).collect(),
        };
        text.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Kernels {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let known = Kernel::ALL.map(Kernel::name).join(", ");
        let wrong = |value: &Value| D::Error::custom(format!("{value}: give \"wgsl\", \"plain\" or a list of {known}"));
        let named = |value: &Value| {
            let found = Kernel::ALL.into_iter().find(|kernel| value == kernel.name());
            found.ok_or_else(|| wrong(value))
        };
        match &value {
            Value::String(all) if all == "wgsl" => Ok(Self::default()),
            Value::String(none) if none == "plain" => Ok(Self(Vec::new())),
            Value::Array(some) => some.iter().map(named).collect::<Result<_, _>>().map(Self),
            _ => Err(wrong(&value)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes_and_refuses_the_rest() {
        for (json, kernels) in
            [(r#""wgsl""#, Kernel::ALL.to_vec()), (r#""plain""#, vec![]), (r#"["gate"]"#, vec![Kernel::Gate])]
        {
            assert_eq!(serde_json::from_str::<Kernels>(json).unwrap(), Kernels(kernels));
            assert_eq!(serde_json::to_string(&serde_json::from_str::<Kernels>(json).unwrap()).unwrap(), json);
        }
        for (json, value) in
            [(r#""cuda""#, r#""cuda""#), (r#"["atention"]"#, r#""atention""#), ("3", "3"), ("[3]", "3")]
        {
            let error = serde_json::from_str::<Kernels>(json).unwrap_err().to_string();
            assert!(error.starts_with(&format!("{value}: ")), "{error}");
            assert!(error.contains("give \"wgsl\", \"plain\" or a list of adamw, attention, cross-entropy"), "{error}");
        }
    }
}
