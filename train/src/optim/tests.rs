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
    let optimizer = Optimizer::new(&OptimizerConfig { groups: vec![group], ..OptimizerConfig::default() }, model, 2);
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
        let Setting { rule, learning_rate_factor, weight_decay } = config.setting(name, shape, 4);
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
    let beta1 = format!("{:?}", config.setting("blocks.1.mlp.up.weight", &[4, 4], 4).rule);
    assert!(beta1.contains("beta1: 0.8"), "{beta1}");
    // A group says of an embedding what the whole does not.
    let of_muon =
        OptimizerConfig { groups: vec![group(&["embedding.*"], |it| it.rule = Some(RuleKind::Muon))], ..config };
    assert!(format!("{:?}", of_muon.setting("embedding.tokens", &[9, 4], 4).rule).starts_with("Muon"));
    assert!(format!("{:?}", of_muon.setting("embedding.bias", &[9], 4).rule).starts_with("AdamW"));
}

/// The settings of a model of width 256, whose rate was found at 64.
#[test]
fn a_wider_models_matrices_have_less_of_the_rate() {
    let group = |name: &str| ParameterGroup { parameters: vec![name.into()], ..Default::default() };
    let config = |rule| OptimizerConfig {
        rule,
        base_width: 64,
        learning_rate: 0.01,
        groups: vec![
            ParameterGroup { learning_rate: Some(0.03), ..group("*.query.weight") },
            ParameterGroup { learning_rate_factor: Some(2.0), ..group("*.key.*") },
        ],
        ..OptimizerConfig::default()
    };
    let of = |rule, name: &str, shape: &[usize]| config(rule).setting(name, shape, 256).learning_rate_factor;
    for (name, shape, by_element, by_muon) in [
        ("embedding.tokens", &[99, 256][..], 1.0, 1.0),
        ("embedding.positions", &[32, 256], 1.0, 1.0),
        ("blocks.0.attention.query.weight", &[256, 256], 3.0, 3.0),
        ("blocks.0.attention.key.weight", &[256, 256], 0.5, 2.0),
        ("blocks.0.attention.key.bias", &[256], 2.0, 2.0),
        ("blocks.0.mlp.down.weight", &[1024, 256], 0.25, 1.0),
        ("blocks.0.mlp_norm.gamma", &[256], 1.0, 1.0),
        ("blocks.0.experts.router", &[256, 8], 0.25, 1.0),
        ("blocks.0.experts.up", &[8, 256, 512], 0.25, 1.0),
        ("blocks.0.experts.bias", &[8], 1.0, 1.0),
        ("blocks.0.mlp.up.adapter.down", &[256, 4], 0.25, 1.0),
        ("blocks.0.mlp.up.adapter.up", &[4, 1024], 1.0, 1.0),
        ("head.norm.gamma", &[256], 1.0, 1.0),
        // Muon leaves the head to AdamW.
        ("head.output", &[99, 256], 0.25, 0.25),
    ] {
        let found = [RuleKind::Adamw, RuleKind::Lion, RuleKind::Muon].map(|rule| of(rule, name, shape));
        assert_eq!(found, [by_element, by_element, by_muon], "{name}");
    }
    // The rate as given where it was found, and where none is named.
    let at_its_own = config(RuleKind::Adamw).setting("head.output", &[99, 64], 64).learning_rate_factor;
    let without = OptimizerConfig::default().setting("head.output", &[99, 256], 256).learning_rate_factor;
    assert_eq!([at_its_own, without], [1.0; 2]);
}

/// Two updates by AdamW as algorithm 2 of its paper has them, in f64.
fn adamw_twice(mut value: f64, gradient: f64, rate: f64, config: &OptimizerConfig) -> f64 {
    let OptimizerConfig { beta1, beta2, eps, weight_decay, .. } = *config;
    let (mut first, mut second) = (0.0, 0.0);
    for t in 1..=2 {
        first = beta1 * first + (1.0 - beta1) * gradient;
        second = beta2 * second + (1.0 - beta2) * gradient * gradient;
        let [mean, square] = [first / (1.0 - beta1.powi(t)), second / (1.0 - beta2.powi(t))];
        value -= rate * (mean / (square.sqrt() + eps) + weight_decay * value);
    }
    value
}

each_device! {
    /// The matrix of a block of a model eight times as wide has an eighth of the rate; a vector all of it.
    fn two_updates_of_a_wider_model(device) {
        let config = OptimizerConfig { base_width: 8, ..OptimizerConfig::default() };
        #[derive(Module, Debug)]
        struct Wide {
            blocks: Vec<Param<Tensor<2>>>,
            embedding: Param<Tensor<2>>,
        }
        let leaf = device.clone().autodiff();
        let start = [[1.0, -2.0, 0.0], [0.5, 3.0, -1.0]];
        let of = || Param::from_tensor(Tensor::<2>::from_floats(start, &leaf));
        let mut model = Wide { blocks: vec![of()], embedding: of() };
        let mut optimizer = Optimizer::new(&config, &model, 64);
        let slope = [[0.1, -0.2, 0.3], [0.3, 0.4, 0.7]];
        for number in 0..2 {
            let mut gradients = GradientsParams::new();
            for id in [model.blocks[0].id, model.embedding.id] {
                gradients.register(id, Tensor::<2>::from_floats(slope, &device));
            }
            model = optimizer.step(model, gradients, update(number, true, &device));
        }
        for (found, rate) in [(model.blocks[0].val(), 0.01 / 8.0), (model.embedding.val(), 0.01)] {
            let expected = start.iter().flatten().zip(slope.iter().flatten());
            let expected = expected.map(|(value, slope)| adamw_twice(*value, *slope, rate, &config));
            for (found, expected) in found.into_data().iter::<f32>().zip(expected) {
                assert!((f64::from(found) - expected).abs() < 1e-6, "{found} is not {expected}");
            }
        }
    }
}

each_device! {
    /// An average begins with the values, whatever the number of its first update; what is not updated has none, and an update that
    /// is left out changes none.
    fn averages_begin_with_the_values(device) {
        let mut model = two(&device);
        model.vector = model.vector.set_require_grad(false);
        let config = OptimizerConfig { average: 0.75, ..OptimizerConfig::default() };
        let mut optimizer = Optimizer::new(&config, &model, 2);
        let of = |model: &Two, optimizer: &Optimizer| {
            let evaluated = optimizer.evaluated(model.clone());
            [bits(evaluated.blocks.val()), bits(evaluated.vector.val())]
        };
        let values = [bits(model.blocks.val()), bits(model.vector.val())];
        let only_matrix = |model: &Two, scale| {
            let mut gradients = gradients(model, scale);
            gradients.remove::<1>(model.vector.id);
            gradients
        };
        assert_eq!(of(&model, &optimizer), values);
        let bad = only_matrix(&model, f32::NAN);
        model = optimizer.step(model, bad, update(99, false, &device));
        assert_eq!(of(&model, &optimizer), values);

        let before: Vec<f32> = model.blocks.val().into_data().iter().collect();
        let good = only_matrix(&model, 1.0);
        model = optimizer.step(model, good, update(100, true, &device));
        let [after, average] = [model.blocks.val(), optimizer.evaluated(model.clone()).blocks.val()];
        let [after, average] = [after, average].map(|it| it.into_data().iter::<f32>().collect::<Vec<_>>());
        for ((before, after), average) in before.iter().zip(after).zip(average) {
            assert!((average - (0.75 * before + 0.25 * after)).abs() < 1e-6, "{average} of {before} and {after}");
        }
        let kept = of(&model, &optimizer);
        assert_eq!(kept[1], values[1]);
        let bad = only_matrix(&model, f32::INFINITY);
        model = optimizer.step(model, bad, update(101, false, &device));
        assert_eq!(of(&model, &optimizer), kept);
    }
}

/// What is kept beside a rule's own, for the plan, sharding and checkpoints.
#[test]
fn an_average_is_a_tensor_more_of_every_rule() {
    for kind in KINDS {
        let [plain, averaged] = [0.0, 0.999].map(|average| {
            let config = OptimizerConfig { rule: kind, average, ..OptimizerConfig::default() };
            config.setting("blocks.0.mlp.up.weight", &[4, 16], 4).rule
        });
        let names = |rule: &dyn Rule| rule.state(&[4, 16]).iter().map(|it| it.name).collect::<Vec<_>>();
        assert_eq!(names(&*averaged), [names(&*plain), vec!["average_offset"]].concat());
        assert_eq!(averaged.is_elementwise(), plain.is_elementwise());
        assert_eq!(averaged.flops(&[4, 16]), plain.flops(&[4, 16]));
        let [more, less] = [averaged, plain].map(|rule| rule.scratch(&[4, 16], hearth_model::KernelSet::Plain));
        assert!(more > less, "{kind:?}: {more}, {less}");
    }
    let frozen = ParameterGroup { parameters: vec!["*".into()], frozen: true, ..Default::default() };
    assert!(
        OptimizerConfig { average: 0.9, groups: vec![frozen], ..Default::default() }
            .is_frozen("head.output", &Default::default())
    );
}
