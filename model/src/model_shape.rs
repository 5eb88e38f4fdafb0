//! The shapes of a model's layers, one after the other.

use crate::{
    Block, Embedding, Head, TransformerBlock, TransformerConfig,
    shape::{LayerShape, ParameterShape, Site},
};

/// The shapes of all layers of a model.
#[derive(Clone, Debug)]
pub struct ModelShape {
    /// The embedding.
    pub embedding: LayerShape,
    /// The head; the matrix of a tied model is the embedding's.
    pub head: LayerShape,
    /// Blocks that differ.
    kinds: Vec<LayerShape>,
    /// Consecutive blocks of one kind: the number behind the last of them, and which of the kinds they are.
    runs: Vec<(usize, usize)>,
}

impl ModelShape {
    /// The shapes of the layers that `config` describes, at work on `site`.
    pub fn of(config: &TransformerConfig, site: &Site) -> Self {
        Self::of_blocks::<Block>(config, site)
    }

    /// As [`ModelShape::of`], of blocks `B`.
    pub fn of_blocks<B: TransformerBlock>(config: &TransformerConfig, site: &Site) -> Self {
        let (mut looks, mut kinds) = (Vec::new(), Vec::new());
        let mut runs: Vec<(usize, usize)> = Vec::new();
        for layer in 0..config.layers {
            let look = B::kind(config, layer);
            let known = looks.iter().position(|it| *it == look);
            let kind = known.unwrap_or_else(|| {
                looks.push(look);
                kinds.push(B::shape(config, layer, site));
                kinds.len() - 1
            });
            match runs.last_mut() {
                Some((end, last)) if *last == kind => *end = layer + 1,
                _ => runs.push((layer + 1, kind)),
            }
        }
        Self { embedding: Embedding::shape(config), head: Head::shape(config, site), kinds, runs }
    }

    /// Block `layer`.
    pub fn block(&self, layer: usize) -> &LayerShape {
        let run = self.runs.partition_point(|(end, _)| *end <= layer);
        &self.kinds[self.runs[run].1]
    }

    /// All blocks.
    pub fn blocks(&self) -> impl Iterator<Item = &LayerShape> {
        let layers = self.runs.last().map_or(0, |(end, _)| *end);
        (0..layers).map(|layer| self.block(layer))
    }

    /// Every parameter by its name in the model, as `blocks.0.attention.query.weight`.
    pub fn parameters(&self) -> impl Iterator<Item = ParameterShape> {
        let blocks =
            self.blocks().enumerate().flat_map(|(at, block)| block.within(&format!("blocks.{at}")).collect::<Vec<_>>());
        self.embedding.within("embedding").chain(blocks).chain(self.head.within("head"))
    }
}

#[cfg(test)]
mod tests {
    use burn::{
        module::{Module, ModuleVisitor, Param},
        tensor::{Device, Tensor},
    };

    use super::*;
    use crate::{AdapterConfig, PRESETS, Projection, preset};

    /// What a module has, by its path.
    #[derive(Default)]
    struct Found {
        path: Vec<String>,
        parameters: Vec<ParameterShape>,
    }

    impl ModuleVisitor for Found {
        fn enter_module(&mut self, name: &str, _container: &str) {
            self.path.push(name.into());
        }

        fn exit_module(&mut self, _name: &str, _container: &str) {
            self.path.pop();
        }

        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let name = self.path.join(".").split(".shards.").next().unwrap_or_default().to_string();
            self.parameters.push(ParameterShape { name, shape: param.dims().into() });
        }
    }

    #[test]
    fn layers_tell_the_parameters_that_they_have() {
        let small = |name: &&str| {
            let config = preset(name).unwrap().with_width(48, 4);
            TransformerConfig { vocab_size: 60, context_length: 16, layers: 3, ..config }
        };
        let mut configs: Vec<TransformerConfig> = PRESETS.iter().map(small).collect();
        let llama = TransformerConfig::llama(60, 16, 2, 48, 4);
        configs.push(TransformerConfig { qk_norm: true, bias: true, kv_heads: 2, head_width: 6, ..llama.clone() });
        let experts = TransformerConfig { experts: 4, shared_experts: 1, expert_width: 24, ..llama.clone() };
        configs.push(TransformerConfig { dense_layers: 1, ..experts.clone() });
        configs.push(TransformerConfig { mlp: crate::Activation::ReluSquared, shared_experts: 0, ..experts });
        let latent = TransformerConfig { kv_rank: 10, rope_head_width: 4, value_head_width: 14, ..llama.clone() };
        configs.push(TransformerConfig { query_rank: 16, bias: true, ..latent.clone() });
        configs.push(latent);
        configs.push(TransformerConfig { tied: true, sliding_window: vec![3, 0], ..llama.clone() });
        configs.push(TransformerConfig { attention_softcap: Some(30.0), sliding_window: vec![3], ..llama.clone() });
        configs.push(TransformerConfig { attention_sinks: true, qk_norm: true, bias: true, ..llama.clone() });
        // Tables in every other of three blocks, in every one, and in the last alone.
        let tables = TransformerConfig { value_embeddings: 2, layers: 3, kv_heads: 2, ..llama };
        configs.push(TransformerConfig { attention_sinks: true, experts: 4, ..tables.clone() });
        configs.extend([1, 3].map(|every| TransformerConfig { value_embeddings: every, width: 8, ..tables.clone() }));
        let beside = |config: &TransformerConfig, targets: &[Projection]| TransformerConfig {
            adapter: Some(AdapterConfig { rank: 3, targets: targets.into(), ..AdapterConfig::default() }),
            ..config.clone()
        };
        let adapted: Vec<_> = configs.iter().map(|config| beside(config, &[])).collect();
        configs.push(beside(&small(&"gpt2"), &[Projection::Query, Projection::Down]));
        configs.extend(adapted);
        for config in configs {
            let mut found = Found::default();
            config.init(0, &Device::flex()).unwrap().visit(&mut found);
            let told: Vec<ParameterShape> = ModelShape::of(&config, &Site::of_sequence(16)).parameters().collect();
            assert_eq!(told, found.parameters, "{config:?}");
        }
    }
}
