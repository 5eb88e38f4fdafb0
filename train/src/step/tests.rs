//! What a trainer leaves as it is, and what it refuses.

use std::panic::{AssertUnwindSafe, catch_unwind};

use burn::{
    module::{Module, ModuleVisitor, Param},
    tensor::{Device, Tensor},
};
use hearth_data::{Batch, Packed};
use hearth_model::{Transformer, TransformerConfig, preset};
use hearth_wgsl::each_device;

use super::{StepOptions, Trainer};
use crate::{
    guard::Ceiling,
    walk::{Placement, Policy, Walk},
};

const TIME: usize = 6;
const VOCABULARY: usize = 11;

/// Two blocks of a Llama (with a head of its own) or of a GPT-2 (tied), with the vocabulary in three shards.
fn config(family: &str) -> TransformerConfig {
    TransformerConfig {
        vocab_size: VOCABULARY,
        context_length: 2 * TIME,
        layers: 2,
        width: 8,
        heads: 2,
        kv_heads: 2,
        ffn_width: 12,
        tied: family == "gpt2",
        vocab_shard_bytes: 4 * 8 * size_of::<f32>(),
        ..preset(family).expect("there is such a preset")
    }
}

fn batch() -> Batch {
    let ids = |by: usize| (0..2 * TIME).map(|at| ((at * at + by * 3) % VOCABULARY) as i32).collect();
    Batch { inputs: ids(1), targets: ids(2), rows: 2, time: TIME, packing: None }
}

/// The values of every parameter by its path, each shard by itself.
#[derive(Default)]
struct Values {
    path: Vec<String>,
    found: Vec<(String, Vec<f32>)>,
}

impl ModuleVisitor for Values {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.into());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let values = param.val().without_autodiff().into_data().iter().collect();
        self.found.push((self.path.join("."), values));
    }
}

fn values(model: &Transformer) -> Vec<(String, Vec<f32>)> {
    let mut values = Values::default();
    model.visit(&mut values);
    values.found
}

/// What is frozen of a model, and how the paths of its parameters begin.
type Freeze = (&'static str, fn(Transformer) -> Transformer, &'static [&'static str]);

const FROZEN: [Freeze; 7] = [
    (
        "stories260k",
        |mut m| {
            m.head.output = m.head.output.map(Module::no_grad);
            m
        },
        &["head.output"],
    ),
    (
        "stories260k",
        |mut m| {
            m.embedding = m.embedding.no_grad();
            m
        },
        &["embedding"],
    ),
    (
        "stories260k",
        |mut m| {
            m.head = m.head.no_grad();
            m
        },
        &["head"],
    ),
    (
        "stories260k",
        |mut m| {
            m.blocks[1] = m.blocks[1].clone().no_grad();
            m
        },
        &["blocks.1."],
    ),
    (
        "gpt2",
        |mut m| {
            m.embedding = m.embedding.no_grad();
            m
        },
        &["embedding"],
    ),
    (
        "gpt2",
        |mut m| {
            m.embedding.tokens = m.embedding.tokens.no_grad();
            m
        },
        &["embedding.tokens"],
    ),
    // One shard of a tied matrix, and the positions.
    (
        "gpt2",
        |mut m| {
            m.embedding.tokens.shards[1] = m.embedding.tokens.shards[1].clone().no_grad();
            m.embedding.positions = m.embedding.positions.no_grad();
            m
        },
        &["embedding.tokens.shards.1", "embedding.positions"],
    ),
];

each_device! {
    /// A frozen parameter keeps every bit and has no gradient, wherever it lives; all others move.
    fn frozen_parameters_stay_as_they_are(device) {
        for parameters in [Placement::Device, Placement::Host] {
            for (family, freeze, frozen) in FROZEN {
                let config = config(family);
                let mut walk = Walk::new(&config, TIME, &device);
                walk.policy = Policy { embedding: parameters, head: parameters, ..Policy::keep(2) };
                let mut options = StepOptions::new(3);
                options.schedule.warmup_steps = 0;
                let model = config.init(1, &device.clone().autodiff()).unwrap();
                let before = values(&model);
                let mut trainer = Trainer::new(freeze(model), walk, options);
                let gradients = trainer.gradients(0, &[batch()]).1.norms(trainer.model());
                let is_frozen = |name: &str| frozen.iter().any(|prefix| name.starts_with(prefix));
                assert!(gradients.iter().all(|(name, _)| !is_frozen(name)), "{family}: {frozen:?} has a gradient");
                (0..3).for_each(|step| drop(trainer.step(step, &[batch(), batch()], &Ceiling::FINITE)));
                for ((name, now), (_, before)) in values(trainer.model()).iter().zip(&before) {
                    assert_eq!(now == before, is_frozen(name), "{family} with {frozen:?} frozen: {name}");
                }
            }
        }
    }
}

each_device! {
    /// What is not frozen gets the gradient that it always gets.
    fn a_frozen_head_changes_no_other_gradient(device) {
        let config = config("stories260k");
        let gradients = |freeze: fn(Transformer) -> Transformer| {
            let model = freeze(config.init(1, &device.clone().autodiff()).unwrap());
            let trainer = Trainer::new(model, Walk::new(&config, TIME, &device), StepOptions::new(1));
            trainer.gradients(0, &[batch()]).1.named(trainer.model())
        };
        let all = gradients(|model| model);
        let others = gradients(|mut model| { model.head.output = model.head.output.map(Module::no_grad); model });
        assert_eq!(others.len() + 1, all.len());
        for (name, found) in others {
            let expected = &all.iter().find(|(other, _)| *other == name).unwrap().1;
            for (found, expected) in found.iter::<f32>().zip(expected.iter::<f32>()) {
                assert!((found - expected).abs() <= 1e-6, "{name}: {found} is not {expected}");
            }
        }
    }
}

each_device! {
    /// As one that was made with autodiff, to the bit.
    fn a_model_without_autodiff_is_trained(device) {
        let config = TransformerConfig { experts: 4, expert_width: 8, ..config("stories260k") };
        let losses = |of: &Device, shards: usize| {
            let mut walk = Walk::new(&config, TIME, &device);
            walk.expert_devices = vec![device.clone(); shards];
            let mut trainer = Trainer::new(config.init(1, of).unwrap(), walk, StepOptions::new(3));
            let step = |step| trainer.step(step, &[batch()], &Ceiling::FINITE).loss.into_scalar::<f32>();
            (0..3).map(step).collect::<Vec<f32>>()
        };
        for shards in [0, 2] {
            assert_eq!(losses(&device, shards), losses(&device.clone().autodiff(), shards));
        }
        let apart = losses(&device, 0).into_iter().zip(losses(&device, 2)).map(|(one, two)| (one - two).abs());
        assert!(apart.fold(0.0, f32::max) < 1e-5);
    }
}

/// What `work` says when it panics.
fn refusal(work: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(work)).expect_err("it is refused");
    panic.downcast_ref::<String>().cloned().or(panic.downcast_ref::<&str>().map(|it| it.to_string())).unwrap()
}

each_device! {
    /// A device would compute something of each: windows of another length, ids without a row, positions without one.
    fn batches_that_do_not_fit_are_refused(device) {
        let config = config("stories260k");
        let walk = Walk::new(&config, TIME, &device);
        let model = config.init(1, &device).unwrap();
        let mut trainer = Trainer::new(model.clone(), walk.clone(), StepOptions::new(3));
        let mut of_step = |batches: &[Batch]| refusal(|| drop(trainer.step(0, batches, &Ceiling::FINITE)));
        let with = |spoil: fn(&mut Batch)| {
            let mut batch = batch();
            spoil(&mut batch);
            batch
        };
        assert_eq!(of_step(&[]), "Trainer: step 0 has no micro-batch, and needs at least one");
        let long = Batch { rows: 1, time: 2 * TIME, ..batch() };
        assert_eq!(of_step(&[batch(), long.clone()]), "Walk: the batch is [1, 12], and the walk is for windows of 6 tokens");
        let beyond = "Walk: the batch has the id 11, and the model's vocabulary has 11 ids";
        assert_eq!(of_step(&[with(|batch| batch.inputs[3] = 11)]), beyond);
        assert_eq!(of_step(&[with(|batch| batch.targets[3] = 11)]), beyond);
        let negative = of_step(&[with(|batch| batch.inputs[8] = -1)]);
        assert_eq!(negative, "MicroBatch::new: inputs[1, 2] is -1, not from 0 to 2147483647");
        let short = of_step(&[with(|batch| batch.targets.truncate(5))]);
        assert_eq!(short, "MicroBatch::new: targets has 5 entries, and a batch of 2 x 6 has 12");
        let packing = Packed { documents: vec![0; 12], positions: vec![6; 12] };
        let position = of_step(&[Batch { packing: Some(packing), ..batch() }]);
        assert_eq!(position, "MicroBatch::new: positions[0, 0] is 6, not from 0 to 5");

        let evaluated = refusal(|| drop(trainer.evaluate(&model, &long)));
        assert!(evaluated.starts_with("Walk: the batch is [1, 12]"), "{evaluated}");
        // It still works with what fits.
        assert!(trainer.step(0, &[batch()], &Ceiling::FINITE).loss.into_scalar::<f32>().is_finite());
    }
}

each_device! {
    fn walks_of_other_models_are_refused(device) {
        let config = config("stories260k");
        let made_for = |spoil: fn(&mut TransformerConfig)| {
            let mut other = config.clone();
            spoil(&mut other);
            refusal(|| {
                let model = config.init(1, &device).unwrap();
                drop(Trainer::new(model, Walk::new(&other, TIME, &device), StepOptions::new(3)));
            })
        };
        let of_another = "Walk::place: the walk is of a model with";
        assert_eq!(made_for(|it| it.head_width = 6), format!("{of_another} head_width = 6, this one has 4"));
        assert_eq!(made_for(|it| it.vocab_size = 12), format!("{of_another} vocab_size = 12, this one has 11"));
        let blocks = made_for(|it| it.layers = 3);
        assert_eq!(blocks, "Walk::place: the walk's policy is for 3 blocks, the model has 2");
        let invalid = made_for(|it| it.heads = 0);
        assert!(invalid.starts_with("Walk::new: model.heads = 0: must be at least 1"), "{invalid}");
    }
}
