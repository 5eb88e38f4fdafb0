//! `model.from`: a model that is on the disk says what a run trains.

use toml::{Table, Value};

/// Replaces `model.from` by the fields that the model there has, and by `from`; its tokenizer is the data's, where that says none.
///
/// # Errors
/// What is wrong with what is named, or beside it.
pub(super) fn expand(table: &mut Table) -> Result<(), String> {
    let Some(Value::Table(model)) = table.get_mut("model") else { return Ok(()) };
    let Some(from) = model.remove("from") else { return Ok(()) };
    if model.contains_key("preset") {
        return Err("model.preset and model.from: each says the whole shape; give one of them".into());
    }
    let Value::String(path) = from else {
        return Err(format!("model.from = {from}: must be the path of a model in quotes"));
    };
    let (shape, tokenizer) = with_shape(&path, std::mem::take(model))?;
    *model = shape;
    let data = table.entry("data").or_insert_with(|| Value::Table(Table::new()));
    if let Value::Table(data) = data {
        data.entry("tokenizer").or_insert_with(|| tokenizer.into());
    }
    table.insert("from".into(), path.into());
    Ok(())
}

/// The fields of the model at `path`, with those of `beside`, and where its tokenizer is.
#[cfg(not(target_family = "wasm"))]
fn with_shape(path: &str, beside: Table) -> Result<(Table, String), String> {
    use crate::base::Base;
    use hearth_model::TransformerConfig;

    if !std::path::Path::new(path).exists() {
        return Err(format!("model.from = \"{path}\": there is no such folder or file"));
    }
    let base = Base::open(path.as_ref()).map_err(|error| format!("model.from: {error}"))?;
    let mut shape = Table::try_from(base.config()).expect("a model is a table of plain values");
    shape.extend(beside);
    // What no field can have is told with all else that is wrong.
    let unfit = shape.clone().try_into().map_or(Vec::new(), |model: TransformerConfig| base.unfit(&model));
    if !unfit.is_empty() {
        return Err(unfit.join("; "));
    }
    let tokenizer = base.tokenizer(path.as_ref()).map_err(|error| format!("model.from: {error}"))?;
    Ok((shape, tokenizer.display().to_string()))
}

#[cfg(target_family = "wasm")]
fn with_shape(path: &str, _: Table) -> Result<(Table, String), String> {
    Err(format!("model.from = \"{path}\": a page has no files to begin with"))
}
