//! Rotary embeddings as a `config.json` tells them: older ones by `rope_theta` and `rope_scaling`, newer ones by `rope_parameters`.

use serde_json::json;

use super::fields::Fields;
use crate::{ModelError, RopeScaling, TransformerConfig};

/// Sets how positions rotate, `base` being what is meant where nothing is said.
pub fn read(fields: &Fields, base: f64, config: &mut TransformerConfig) -> Result<(), ModelError> {
    let old_base = fields.number("rope_theta")?;
    let old_scaling = fields.object("rope_scaling")?;
    let old_local = fields.number("rope_local_base_freq")?;
    config.rope_base = old_base.unwrap_or(base);
    config.local_rope_base = old_local;
    if let Some(scaling) = old_scaling {
        config.rope_scaling = read_scaling(&scaling, config)?;
    }
    let Some(new) = fields.object("rope_parameters")? else { return Ok(()) };
    let (global, local) = (new.object("full_attention")?, new.object("sliding_attention")?);
    if let Some(local) = local {
        local.only("rope_type", &[json!("default")])?;
        config.local_rope_base = local.number("rope_theta")?;
        local.finish()?;
    }
    let has_kinds = global.is_some();
    let global = global.as_ref().unwrap_or(&new);
    config.rope_base = global.number("rope_theta")?.unwrap_or(config.rope_base);
    config.rope_scaling = read_scaling(global, config)?;
    if has_kinds { new.finish() } else { Ok(()) }
}

fn read_scaling(fields: &Fields, config: &TransformerConfig) -> Result<Option<RopeScaling>, ModelError> {
    let (new, old) = (fields.text("rope_type")?, fields.text("type")?);
    let kind = new.or(old).unwrap_or("default");
    let factor = || fields.number("factor").map(|it| it.unwrap_or(1.0));
    let context = || fields.count("original_max_position_embeddings").map(|it| it.unwrap_or(config.context_length));
    let scaling = match kind {
        "default" => None,
        "linear" => Some(RopeScaling::Linear { factor: factor()? }),
        "llama3" => Some(RopeScaling::Llama3 {
            factor: factor()?,
            low_frequency_factor: fields.number("low_freq_factor")?.unwrap_or(1.0),
            high_frequency_factor: fields.number("high_freq_factor")?.unwrap_or(4.0),
            original_context: context()?,
        }),
        "yarn" => {
            fields.only("truncate", &[json!(true)])?;
            Some(RopeScaling::Yarn {
                factor: factor()?,
                original_context: context()?,
                beta_fast: fields.number("beta_fast")?.unwrap_or(32.0),
                beta_slow: fields.number("beta_slow")?.unwrap_or(1.0),
                attention_factor: attention_factor(fields, factor()?)?,
            })
        }
        _ => {
            let reason = "Hearth knows default, linear, llama3 and yarn";
            return Err(fields.refuse("rope_type", &json!(kind), reason));
        }
    };
    fields.get("rope_theta");
    fields.finish()?;
    Ok(scaling)
}

/// DeepSeek's two figures in the place of one.
fn attention_factor(fields: &Fields, factor: f64) -> Result<Option<f64>, ModelError> {
    let given = fields.number("attention_factor")?;
    let (own, all) = (fields.number("mscale")?, fields.number("mscale_all_dim")?);
    let of = |scale: f64| if factor <= 1.0 { 1.0 } else { 0.1 * scale * factor.ln() + 1.0 };
    Ok(match (given, own, all) {
        (None, Some(own), Some(all)) if own != 0.0 && all != 0.0 => Some(of(own) / of(all)),
        (given, ..) => given,
    })
}
