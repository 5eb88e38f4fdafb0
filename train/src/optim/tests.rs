use std::collections::HashMap;

use burn::{
    module::{Module, Param},
    optim::GradientsParams,
    tensor::{Device, Tensor},
};
use hearth_wgsl::each_device;

use super::*;

/// A matrix of a block, which each rule takes, and a vector.
#[derive(Module, Debug)]
struct Two {
    blocks: Param<Tensor<2>>,
    vector: Param<Tensor<1>>,
}

fn two(device: &Device) -> Two {
    let device = device.clone().autodiff();
    Two {
        blocks: Param::from_tensor(Tensor::from_floats([[1.0, -2.0, 0.0], [0.5, 3.0, -1.0]], &device)),
        vector: Param::from_tensor(Tensor::from_floats([0.25, -0.75], &device)),
    }
}

fn gradients(model: &Two, scale: f32) -> GradientsParams {
    let device = model.blocks.device().without_autodiff();
    let matrix = Tensor::<2>::from_floats([[0.1, -0.2, 0.3], [0.3, 0.0, 0.7]], &device);
    let mut gradients = GradientsParams::new();
    gradients.register(model.blocks.id, matrix * scale);
    gradients.register(model.vector.id, Tensor::<1>::from_floats([-0.5, 1.5], &device) * scale);
    gradients
}

/// Bits, for NaN is not equal to itself.
fn bits<const D: usize>(x: Tensor<D>) -> Vec<u32> {
    x.into_data().iter::<f32>().map(f32::to_bits).collect()
}

fn update(number: u64, wanted: bool, device: &Device) -> Update {
    Update { learning_rate: 0.01, number, factor: None, wanted: Tensor::from_data([wanted], device) }
}

const KINDS: [RuleKind; 3] = [RuleKind::Adamw, RuleKind::Lion, RuleKind::Muon];

fn of_kind(kind: RuleKind, model: &Two) -> Optimizer {
    let group = ParameterGroup { parameters: vec!["blocks".into()], rule: Some(kind), ..Default::default() };
    let optimizer = Optimizer::new(&OptimizerConfig { groups: vec![group], ..OptimizerConfig::default() }, model);
    let names: Vec<&str> = optimizer.state_shapes(model.blocks.id, &[2, 3]).iter().map(|it| it.name).collect();
    assert_eq!(names, if kind == RuleKind::Adamw { vec!["first", "second"] } else { vec!["momentum"] });
    optimizer
}

each_device! {
    /// Not even a gradient that is no number gets through, before the first update and after it.
    fn an_unwanted_update_changes_no_bit(device) {
        for kind in KINDS {
            let mut model = two(&device);
            let mut optimizer = of_kind(kind, &model);
            let all = |model: &Two, optimizer: &Optimizer| {
                let state = [model.blocks.id, model.vector.id].map(|id| optimizer.state(id).expect("after an update"));
                let state = state.into_iter().flatten().cloned().map(bits);
                [bits(model.blocks.val()), bits(model.vector.val())].into_iter().chain(state).collect::<Vec<_>>()
            };
            let before = [bits(model.blocks.val()), bits(model.vector.val())];
            let bad = gradients(&model, f32::NAN);
            model = optimizer.step(model, bad, update(0, false, &device));
            assert_eq!(all(&model, &optimizer)[..2], before, "{kind:?}");
            assert!(all(&model, &optimizer)[2..].iter().flatten().all(|bits| *bits == 0), "{kind:?}");

            let good = gradients(&model, 1.0);
            model = optimizer.step(model, good, update(1, true, &device));
            let good = all(&model, &optimizer);
            assert!(good.iter().zip(&before).all(|(now, before)| now != before), "{kind:?}");
            for scale in [f32::NAN, f32::INFINITY, 1e30] {
                let bad = gradients(&model, scale);
                model = optimizer.step(model, bad, update(2, false, &device));
                assert_eq!(all(&model, &optimizer), good, "{kind:?}");
            }
            assert!(model.blocks.val().is_require_grad());
        }
    }
}

/// Both ranks together do what one does alone: a rule that works by element has a piece of each parameter, another one all of
/// some.
#[test]
fn shards_together_are_the_whole() {
    for kind in KINDS {
        let device = Device::flex();
        let model = two(&device);
        let mut alone = of_kind(kind, &model);
        let updated = alone.step(model.clone(), gradients(&model, 1.0), update(0, true, &device));
        let mut found: HashMap<_, Vec<f32>> = HashMap::new();
        for rank in 0..2 {
            let mut optimizer = of_kind(kind, &model);
            optimizer.shard(&model, OptimizerShard { rank, world: 2 });
            let mut gradients = gradients(&model, 1.0);
            let mut step = optimizer.begin(update(0, true, &device));
            let mut take = |id, shape: &[usize], value: Tensor<1>, gradient: Tensor<1>| {
                let part = step.part(id, value.dims()[0]);
                let [value, gradient] = [value, gradient].map(|it| part.of(it));
                if value.dims() != [0] {
                    let new = step.updated(id, shape, value, gradient);
                    found.entry(id).or_default().extend(new.into_data().iter::<f32>());
                }
            };
            let [matrix, vector] = [model.blocks.val().inner().reshape([6]), model.vector.val().inner()];
            let gradient = gradients.remove::<2>(model.blocks.id).unwrap().reshape([6]);
            take(model.blocks.id, &[2, 3], matrix, gradient);
            take(model.vector.id, &[2], vector, gradients.remove::<1>(model.vector.id).unwrap());
        }
        assert_eq!(found[&model.blocks.id], updated.blocks.val().into_data().iter::<f32>().collect::<Vec<_>>());
        assert_eq!(found[&model.vector.id], updated.vector.val().into_data().iter::<f32>().collect::<Vec<_>>());
    }
}

#[test]
fn what_may_not_be_cut_goes_to_whoever_has_least() {
    use burn::module::ParamId;
    let mut sharding = shard::Sharding::new(OptimizerShard { rank: 1, world: 2 });
    let ids = [5, 3, 1, 9].map(|length| (ParamId::new(), length));
    ids.iter().for_each(|(id, length)| sharding.divide(*id, *length, false));
    let parts = ids.map(|(id, length)| sharding.part(id, length));
    assert_eq!(parts, [shard::Part::Elsewhere(0), shard::Part::Whole, shard::Part::Whole, shard::Part::Whole]);
    let cut = ParamId::new();
    sharding.divide(cut, 5, true);
    assert_eq!(sharding.part(cut, 5), shard::Part::Elements(2..5));
    assert!(sharding.has(cut) && !sharding.has(ParamId::new()));
}

#[test]
fn the_first_group_that_names_a_parameter_has_it() {
    let group = |names: &[&str], change: fn(&mut ParameterGroup)| {
        let mut group =
            ParameterGroup { parameters: names.iter().map(ToString::to_string).collect(), ..Default::default() };
        change(&mut group);
        group
    };
    let config = OptimizerConfig {
        rule: RuleKind::Muon,
        learning_rate: 0.02,
        groups: vec![
            group(&["embedding.*", "head.output"], |it| it.learning_rate = Some(0.2)),
            group(&["*.query.weight"], |it| (it.learning_rate_factor, it.weight_decay) = (Some(0.5), Some(0.3))),
            group(&["*.mlp.*"], |it| (it.rule, it.beta1) = (Some(RuleKind::Adamw), Some(0.8))),
            group(&["*.gamma", "*.query.*"], |it| it.weight_decay = Some(0.2)),
        ],
        ..OptimizerConfig::default()
    };
    let of = |name: &str, shape: &[usize]| {
        let Setting { rule, learning_rate_factor, weight_decay } = config.setting(name, shape);
        (format!("{rule:?}").split([' ', '{']).next().unwrap().to_string(), learning_rate_factor, weight_decay)
    };
    let muon = |rate, decay| ("Muon".to_string(), rate, decay);
    let adamw = |rate, decay| ("AdamW".to_string(), rate, decay);
    assert_eq!(of("embedding.tokens", &[9, 4]), adamw(10.0, 0.1));
    assert_eq!(of("head.output", &[9, 4]), adamw(10.0, 0.1));
    assert_eq!(of("blocks.1.attention.query.weight", &[4, 4]), muon(0.5, 0.3));
    assert_eq!(of("blocks.1.attention.query.bias", &[4]), adamw(1.0, 0.2));
    assert_eq!(of("blocks.1.attention.key.weight", &[4, 4]), muon(1.0, 0.1));
    assert_eq!(of("blocks.1.attention.value_embedding.table", &[9, 4]), adamw(1.0, 0.1));
    assert_eq!(of("blocks.1.attention.value_embedding.gate", &[4, 2]), muon(1.0, 0.1));
    assert_eq!(of("blocks.1.attention.sinks", &[4]), adamw(1.0, 0.0));
    assert_eq!(of("blocks.1.mlp.up.weight", &[4, 4]), adamw(1.0, 0.1));
    assert_eq!(of("blocks.1.mlp_norm.gamma", &[4]), adamw(1.0, 0.2));
    assert_eq!(of("head.norm.gamma", &[4]), adamw(1.0, 0.2));
    let beta1 = format!("{:?}", config.setting("blocks.1.mlp.up.weight", &[4, 4]).rule);
    assert!(beta1.contains("beta1: 0.8"), "{beta1}");
    // A group says of an embedding what the whole does not.
    let of_muon =
        OptimizerConfig { groups: vec![group(&["embedding.*"], |it| it.rule = Some(RuleKind::Muon))], ..config };
    assert!(format!("{:?}", of_muon.setting("embedding.tokens", &[9, 4]).rule).starts_with("Muon"));
    assert!(format!("{:?}", of_muon.setting("embedding.bias", &[9]).rule).starts_with("AdamW"));
}
