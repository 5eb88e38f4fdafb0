//! Fields in the order in which the types declare them, which the maps of a schema do not keep.

use std::collections::BTreeMap;

use serde::{
    Deserialize,
    de::{Deserializer, IntoDeserializer, MapAccess, Visitor},
    forward_to_deserialize_any,
};
use toml::{Table, Value, de::Error};

use super::TrainConfig;

/// The fields of each section by its name, and the sections themselves under the empty name, as [`TrainConfig`] declares them.
pub(super) fn fields() -> BTreeMap<String, &'static [&'static str]> {
    let table = Table::try_from(TrainConfig::default()).expect("a configuration is a table of plain values");
    let mut seen = BTreeMap::new();
    let observed = Observed { value: Value::Table(table), name: String::new(), seen: &mut seen };
    TrainConfig::deserialize(observed).expect("what is written can be read");
    seen
}

/// A value that is read, whose structs are noted by the names under which they stand.
struct Observed<'a> {
    value: Value,
    name: String,
    seen: &'a mut BTreeMap<String, &'static [&'static str]>,
}

impl<'de> Deserializer<'de> for Observed<'_> {
    type Error = Error;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.seen.insert(self.name, fields);
        match self.value {
            Value::Table(table) => {
                visitor.visit_map(ObservedFields { rest: table.into_iter(), next: None, seen: self.seen })
            }
            value => value.deserialize_struct(name, fields, visitor),
        }
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.value.deserialize_any(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.value.deserialize_option(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.value.deserialize_enum(name, variants, visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct newtype_struct seq
        tuple tuple_struct map identifier ignored_any
    }
}

struct ObservedFields<'a> {
    rest: toml::map::IntoIter<String, Value>,
    next: Option<(String, Value)>,
    seen: &'a mut BTreeMap<String, &'static [&'static str]>,
}

impl<'de> MapAccess<'de> for ObservedFields<'_> {
    type Error = Error;

    fn next_key_seed<K: serde::de::DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        self.next = self.rest.next();
        self.next.as_ref().map(|(name, _)| seed.deserialize(name.as_str().into_deserializer())).transpose()
    }

    fn next_value_seed<V: serde::de::DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let (name, value) = self.next.take().expect("a value follows its name");
        seed.deserialize(Observed { value, name, seen: self.seen })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_and_fields_stand_as_they_are_declared() {
        let fields = fields();
        assert_eq!(fields[""][..5], ["seed", "from", "data", "model", "batch"]);
        assert_eq!(fields["batch"], ["micro_batch", "accumulation", "warmup_steps", "warmup_from"]);
        assert_eq!(fields["schedule"], ["kind", "warmup_steps", "decay_steps", "final_learning_rate"]);
        assert_eq!(fields["data"][..3], ["text", "tokens", "mixture"]);
    }
}
