//! What a model makes of a text: the loss of each token, what may come next, and where each head looks.

use burn::tensor::{Int, Tensor, TensorData};
use hearth_data::Tokenizer;
use hearth_model::Transformer;
use hearth_train::{TrainError, readback::Readback, session::Prompt};

use crate::messages::{LookInfo, NextToken, count};

/// Tokens that are looked at, the last of the text: attention has the square of it for each head.
const MOST: usize = 64;
/// Tokens that may come next, the likeliest of all.
const NEXT: usize = 12;

/// Looks at the end of `prompt`.
///
/// # Errors
/// A character that the tokenizer does not have; a device that fails.
pub async fn look(
    model: &Transformer,
    tokenizer: &Tokenizer,
    prompt: &str,
    temperature: f64,
) -> Result<LookInfo, TrainError> {
    let ids = Prompt::new(tokenizer, Some(prompt), false, "the prompt")?.ids;
    let most = MOST.min(model.config().context_length);
    let ids = &ids[ids.len().saturating_sub(most)..];
    let (time, vocabulary) = (ids.len(), model.config().vocab_size);
    let tokens: Vec<i32> = ids.iter().map(|id| *id as i32).collect();
    let look = model.look(Tensor::<2, Int>::from_data(TensorData::new(tokens, [1, time]), &model.device()));
    let logits = values(look.logits).await?;
    let rows: Vec<&[f32]> = logits.chunks(vocabulary).collect();
    let mut losses = vec![None];
    losses.extend(ids[1..].iter().zip(&rows).map(|(id, row)| Some(-log_softmax(row, 1.0)[*id as usize])));
    let mut attention = Vec::new();
    for weights in look.attention {
        let weights = values(weights).await?;
        attention.push(weights.chunks(time * time).map(|head| rounded(head, time)).collect());
    }
    let text = |id: u32| tokenizer.decode(&[id]).unwrap_or_default();
    Ok(LookInfo {
        tokens: ids.iter().map(|id| text(*id)).collect(),
        losses,
        next: next(rows[time - 1], temperature)
            .into_iter()
            .map(|(id, probability)| NextToken { text: text(id), probability })
            .collect(),
        layers: count(model.config().layers),
        heads: count(model.config().heads),
        attention,
    })
}

async fn values<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>, TrainError> {
    let data = Readback::new(tensor).data().await.map_err(TrainError::of_device)?;
    Ok(data.iter::<f32>().collect())
}

/// Rows of a head's weights up to each one's own position, to four digits.
fn rounded(weights: &[f32], time: usize) -> Vec<Vec<f32>> {
    let round = |weight: &f32| (weight * 1e4).round() / 1e4;
    weights.chunks(time).enumerate().map(|(at, row)| row[..=at].iter().map(round).collect()).collect()
}

/// The likeliest ids with their probabilities.
fn next(logits: &[f32], temperature: f64) -> Vec<(u32, f32)> {
    // The likeliest alone where the temperature is 0, as near as a division comes to it.
    let logs = log_softmax(logits, temperature.max(1e-3) as f32);
    let mut all: Vec<(u32, f32)> = logs.iter().enumerate().map(|(id, log)| (id as u32, log.exp())).collect();
    all.sort_by(|a, b| b.1.total_cmp(&a.1));
    all.truncate(NEXT);
    all
}

fn log_softmax(logits: &[f32], temperature: f32) -> Vec<f32> {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let scaled = |logit: &f32| (logit - largest) / temperature;
    let total: f32 = logits.iter().map(|logit| scaled(logit).exp()).sum();
    logits.iter().map(|logit| scaled(logit) - total.ln()).collect()
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use hearth_model::TransformerConfig;

    use super::*;
    use crate::testing::ready;

    #[test]
    fn losses_probabilities_and_weights_are_those_of_the_model() {
        let tokenizer = Tokenizer::chars_of("abcd").unwrap();
        let config = TransformerConfig { init_std: 0.5, ..TransformerConfig::llama(4, 8, 2, 16, 2) };
        let model = config.init(1, &Device::flex()).unwrap();
        let found = ready(look(&model, &tokenizer, "abdca", 1.0)).unwrap();
        assert_eq!(found.tokens, ["a", "b", "d", "c", "a"]);
        assert_eq!((found.layers, found.heads, found.attention.len(), found.attention[0].len()), (2, 2, 2, 2));
        let row: f32 = found.attention[1][1][4].iter().sum();
        assert!((row - 1.0).abs() < 1e-3 && found.attention[1][1][4].len() == 5);
        assert!((found.next.iter().map(|next| next.probability).sum::<f32>() - 1.0).abs() < 1e-5);
        // The loss of what is likeliest is the logarithm of its probability.
        let likeliest = &found.next[0];
        let longer = ready(look(&model, &tokenizer, &format!("abdca{}", likeliest.text), 1.0)).unwrap();
        assert!((longer.losses[5].unwrap() + likeliest.probability.ln()).abs() < 1e-5);
        assert_eq!(longer.losses[0], None);
        let cold = ready(look(&model, &tokenizer, "abdca", 0.0)).unwrap();
        assert!(cold.next[0].probability > 0.99 && cold.next[0].text == likeliest.text);
        assert!(ready(look(&model, &tokenizer, "xyz", 1.0)).is_err());
        assert_eq!(ready(look(&model, &tokenizer, &"abcd".repeat(9), 1.0)).unwrap().tokens.len(), 8);
    }
}
