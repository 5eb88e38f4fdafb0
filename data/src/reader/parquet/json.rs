//! Values of Parquet as JSON.

use parquet::record::{Field, Row};
use serde_json::{Number, Value};

/// Writes a row as an object, its fields in their order. Bytes are text.
///
/// # Errors
/// The value that has no JSON form, as a clause.
pub(super) fn write_row(row: &Row, json: &mut String) -> Result<(), &'static str> {
    json.push('{');
    for (index, (name, field)) in row.get_column_iter().enumerate() {
        separate(index, json);
        write_text(name, json);
        json.push(':');
        write(field, json)?;
    }
    json.push('}');
    Ok(())
}

fn write(field: &Field, json: &mut String) -> Result<(), &'static str> {
    match field {
        Field::Group(row) => write_row(row, json)?,
        Field::ListInternal(list) => {
            json.push('[');
            for (index, element) in list.elements().iter().enumerate() {
                separate(index, json);
                write(element, json)?;
            }
            json.push(']');
        }
        Field::MapInternal(map) => {
            json.push('{');
            for (index, (key, value)) in map.entries().iter().enumerate() {
                separate(index, json);
                let Field::Str(key) = key else { return Err("a map whose keys are no strings has no JSON form") };
                write_text(key, json);
                json.push(':');
                write(value, json)?;
            }
            json.push('}');
        }
        Field::Str(text) => write_text(text, json),
        Field::Bytes(bytes) => write_text(bytes.as_utf8().map_err(|_| "bytes that are not UTF-8 are no text")?, json),
        other => json.push_str(&number(other).to_string()),
    }
    Ok(())
}

/// What a template is hardly ever shown: numbers, and null for what JSON has no form of.
fn number(field: &Field) -> Value {
    match *field {
        Field::Bool(value) => value.into(),
        Field::Byte(value) => value.into(),
        Field::Short(value) => value.into(),
        Field::Int(value) | Field::Date(value) | Field::TimeMillis(value) => value.into(),
        Field::Long(value)
        | Field::TimeMicros(value)
        | Field::TimestampMillis(value)
        | Field::TimestampMicros(value) => value.into(),
        Field::UByte(value) => value.into(),
        Field::UShort(value) => value.into(),
        Field::UInt(value) => value.into(),
        Field::ULong(value) => value.into(),
        Field::Float(value) => Number::from_f64(value.into()).map_or(Value::Null, Value::Number),
        Field::Double(value) => Number::from_f64(value).map_or(Value::Null, Value::Number),
        _ => Value::Null,
    }
}

fn write_text(text: &str, json: &mut String) {
    json.push_str(&Value::from(text).to_string());
}

fn separate(index: usize, json: &mut String) {
    if index > 0 {
        json.push(',');
    }
}
