//! A policy changes no bit: losses and every gradient equal those of keeping everything.

use burn::{
    module::Param,
    tensor::{Device, TensorData},
};
use hearth_model::{AdapterConfig, Transformer, TransformerConfig};
use hearth_train::{
    step::Trainer,
    walk::{
        Activations::{self, Keep, Offload, Recompute},
        Placement::{self, Device as OnDevice, Host},
        Policy, Segment,
    },
};

use crate::golden::{Golden, options};

/// Every way to cut `layers` blocks into consecutive groups, as the groups' lengths.
fn groupings(layers: usize) -> Vec<Vec<usize>> {
    if layers == 0 {
        return vec![vec![]];
    }
    let with_first = |first: usize| groupings(layers - first).into_iter().map(move |rest| [vec![first], rest].concat());
    (1..=layers).flat_map(with_first).collect()
}

fn policy(groups: &[usize], choose: impl Fn(usize) -> (Activations, Placement)) -> Policy {
    let mut start = 0;
    let segments = groups.iter().enumerate().map(|(index, length)| {
        let blocks = start..start + length;
        start += length;
        let (activations, parameters) = choose(index);
        Segment { blocks, activations, parameters }
    });
    Policy { segments: segments.collect(), embedding: OnDevice, head: OnDevice }
}

/// Uniform policies over every grouping, parameters in host memory, and mixtures of all of it.
fn policies(layers: usize) -> Vec<Policy> {
    let kinds = [
        (Recompute, OnDevice),
        (Offload, OnDevice),
        (Keep, Host),
        (Recompute, Host),
        (Offload, Host),
        (Keep, OnDevice),
    ];
    let mut policies = Vec::new();
    for groups in groupings(layers) {
        policies.extend([Keep, Recompute, Offload].map(|activations| policy(&groups, |_| (activations, OnDevice))));
        policies.extend((0..kinds.len()).map(|first| policy(&groups, |index| kinds[(first + index) % kinds.len()])));
    }
    policies.extend([Keep, Recompute, Offload].map(|activations| Policy::uniform(layers, 1, activations, Host)));
    policies.push(Policy { embedding: Host, ..Policy::keep(layers) });
    policies.push(Policy { head: Host, ..Policy::keep(layers) });
    policies
}

/// The loss, the gradients of two micro-batches, and the norm.
fn bits(golden: &Golden, model: Transformer, policy: &Policy, device: &Device) -> Vec<(String, TensorData)> {
    let batches = [golden.batch("main", 0), golden.batch("main", 0)];
    let mut walk = golden.walk(batches[0].time, device);
    walk.policy = policy.clone();
    let trainer = Trainer::new(model, walk, options());
    let (loss, sink) = trainer.gradients(3, &batches);
    let norm = sink.norm(trainer.model()).into_data();
    let mut found = sink.named(trainer.model());
    found.push(("norm".into(), norm));
    found.push(("loss".into(), loss.into_data()));
    found
}

fn no_policy_changes_a_bit(golden: &Golden, model: impl Fn() -> Transformer, device: &Device) {
    let kept = bits(golden, model(), &Policy::keep(golden.config.layers), device);
    for policy in policies(golden.config.layers) {
        for ((name, found), (_, expected)) in bits(golden, model(), &policy, device).iter().zip(&kept) {
            assert!(found == expected, "{name} with dropout {} under {policy:?}", golden.config.dropout);
        }
    }
}

/// With the golden's own two blocks.
fn with_and_without_dropout(mut golden: Golden, device: &Device) {
    for dropout in [0.0, 0.25] {
        golden.config.dropout = dropout;
        no_policy_changes_a_bit(&golden, || golden.model(device), device);
    }
}

hearth_wgsl::each_device! {
    fn llama(device) {
        with_and_without_dropout(Golden::read("llama.safetensors"), &device);
    }
}

hearth_wgsl::each_device! {
    /// Adapters with a dropout of their own, beside weights that stay as they are.
    fn adapters(device) {
        let mut golden = Golden::read("llama.safetensors");
        let adapter = AdapterConfig { rank: 3, dropout: 0.25, ..AdapterConfig::default() };
        golden.config.adapter = Some(adapter.clone());
        // At first what goes up is zeros, and what goes down has no gradient.
        let filled = || {
            let mut model = plain(&golden, &device).adapted(&adapter, 5).unwrap();
            for block in &mut model.blocks {
                let attention = block.attention.as_mut().unwrap();
                for linear in [&mut attention.query, &mut attention.value, &mut attention.output] {
                    let adapter = linear.adapter.as_mut().unwrap();
                    adapter.up = Param::from_tensor(adapter.up.val().ones_like());
                }
            }
            model
        };
        no_policy_changes_a_bit(&golden, filled, &device);
    }
}

/// The model without adapters.
fn plain(golden: &Golden, device: &Device) -> Transformer {
    let config = TransformerConfig { adapter: None, ..golden.config.clone() };
    config.init(3, &device.clone().autodiff()).unwrap()
}

hearth_wgsl::each_device! {
    fn gpt2(device) {
        with_and_without_dropout(Golden::read("gpt2.safetensors"), &device);
    }
}

hearth_wgsl::each_device! {
    /// Interleaved RoPE, QK-norm, a window, soft-cap and z-loss; a tied matrix in five shards.
    fn every_option(device) {
        with_and_without_dropout(Golden::read("options.safetensors").with_shards(5), &device);
    }
}

hearth_wgsl::each_device! {
    /// A dense block and one with experts, that balance themselves by a loss too.
    fn experts(device) {
        let mut golden = Golden::read("deepseek.safetensors");
        golden.router_balance = 0.1;
        with_and_without_dropout(golden, &device);
    }
}

hearth_wgsl::each_device! {
    /// A soft-cap on scores, sinks, windows that repeat, value embeddings in each block; tables in shards.
    fn recipes(device) {
        with_and_without_dropout(Golden::read("recipes.safetensors").with_shards(5), &device);
    }
}

hearth_wgsl::each_device! {
    /// Eight groupings, where the goldens have two.
    fn four_blocks(device) {
        let mut golden = Golden::read("llama.safetensors");
        golden.config = TransformerConfig { layers: 4, dropout: 0.25, ..golden.config };
        let model = golden.config.init(5, &device.clone().autodiff()).unwrap();
        no_policy_changes_a_bit(&golden, || model.clone(), &device);
    }
}
