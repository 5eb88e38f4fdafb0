//! What a run of some settings would take.

use hearth_model::{Flops, ParameterCount};
use hearth_train::{
    TrainConfig,
    plan::{DeviceLimits, Rates, choose},
};

use crate::{
    messages::{MemoryInfo, PartInfo, PlanInfo},
    trouble,
};

/// The plan of a run on a device with these limits.
pub fn plan(config: &TrainConfig, limits: &DeviceLimits) -> PlanInfo {
    let model = &config.model;
    let count = ParameterCount::of(model);
    let part = |name: &str, parameters: usize| PartInfo { name: name.into(), parameters: parameters as f64 };
    let sequences = (config.batch.micro_batch * config.batch.accumulation) as f64;
    let chosen = choose(config, limits, &Rates::default());
    let usage = chosen.as_ref().ok().map(|choice| choice.plan.peak.usage);
    let memory = usage.into_iter().flat_map(|usage| usage.parts()).filter(|(_, bytes)| *bytes > 0);
    PlanInfo {
        parameters: count.total as f64,
        parts: vec![part("embedding", count.embedding), part("blocks", count.blocks), part("head", count.head)],
        memory: memory.map(|(name, bytes)| MemoryInfo { name: name.into(), bytes: bytes as f64 }).collect(),
        peak_bytes: usage.map_or(0.0, |usage| usage.total() as f64),
        tokens_per_step: config.tokens_per_step() as f64,
        flops_per_step: Flops::per_sequence(model, model.context_length).training * sequences,
        step: chosen.as_ref().map_or(String::new(), |choice| choice.plan.cut.to_string()),
        refused: chosen.err().map(|error| trouble::words(&error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{messages::Settings, testing::settings};

    #[test]
    fn what_does_not_fit_is_refused_with_the_limit() {
        let mut limits = DeviceLimits::of_host();
        limits.memory = Some(64 << 20);
        let small = plan(&settings().config(65).unwrap(), &limits);
        assert_eq!(small.refused, None);
        assert_eq!(small.parts.iter().map(|part| part.parameters).sum::<f64>(), small.parameters);
        assert_eq!(small.memory.iter().map(|part| part.bytes).sum::<f64>(), small.peak_bytes);
        let large = Settings { layers: 12, width: 768, heads: 12, ..settings() };
        let large = plan(&large.config(65).unwrap(), &limits);
        assert!(large.refused.unwrap().contains("MiB") && large.parameters > 8e7);
    }
}
