//! Which of Hearth's kernels run.

use hearth_wgsl::Kernel;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

/// The kernels that run on a GPU. In a file: `"wgsl"` for all of them, `"plain"` for none, or a list of their names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kernels(pub Vec<Kernel>);

impl Default for Kernels {
    fn default() -> Self {
        Self(Kernel::ALL.into())
    }
}

impl Kernels {
    /// Switches all others off, for the whole process.
    pub fn apply(&self) {
        Kernel::ALL.iter().for_each(|kernel| kernel.switch(self.0.contains(kernel)));
    }
}

/// As it stands in a file.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Text {
    One(String),
    Several(Vec<String>),
}

impl Serialize for Kernels {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = match self.0.as_slice() {
            [] => Text::One("plain".into()),
            all if Kernel::ALL.iter().all(|kernel| all.contains(kernel)) => Text::One("wgsl".into()),
            some => Text::Several(some.iter().map(|kernel| kernel.name().into()).collect()),
        };
        text.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Kernels {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let known = Kernel::ALL.map(Kernel::name).join(", ");
        let wrong = |text: &str| D::Error::custom(format!("{text:?}: give \"wgsl\", \"plain\" or a list of {known}"));
        match Text::deserialize(deserializer).map_err(|_| wrong("this"))? {
            Text::One(text) if text == "wgsl" => Ok(Self::default()),
            Text::One(text) if text == "plain" => Ok(Self(Vec::new())),
            Text::One(text) => Err(wrong(&text)),
            Text::Several(names) => {
                let named = |name: &String| Kernel::ALL.into_iter().find(|kernel| kernel.name() == name);
                names.iter().map(|name| named(name).ok_or_else(|| wrong(name))).collect::<Result<_, _>>().map(Self)
            }
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
        for json in [r#""cuda""#, r#"["atention"]"#, "3"] {
            let error = serde_json::from_str::<Kernels>(json).unwrap_err().to_string();
            assert!(error.contains("give \"wgsl\", \"plain\" or a list of adamw, attention, cross-entropy"), "{error}");
        }
    }
}
