//! A trainer's tensors in files and back, in every store.

use burn::tensor::Device;
use hearth_data::Batch;
use hearth_model::{TransformerConfig, preset};
use hearth_wgsl::each_device;

use super::*;
use crate::{
    guard::Ceiling,
    optim::{OptimizerConfig, Schedule},
    readback::Readback,
    step::{StepOptions, Trainer},
    walk::Walk,
};

const TIME: usize = 8;

fn trainer(seed: u64, device: &Device) -> Trainer {
    averaging(seed, 0.0, device)
}

fn averaging(seed: u64, average: f64, device: &Device) -> Trainer {
    let small = preset("stories260k").unwrap();
    let config = TransformerConfig {
        vocab_size: 16,
        context_length: TIME,
        layers: 1,
        width: 16,
        heads: 2,
        kv_heads: 1,
        ffn_width: 16,
        // The matrices over the vocabulary are in two shards.
        vocab_shard_bytes: 512,
        ..small
    };
    let options = StepOptions {
        optimizer: OptimizerConfig { average, ..OptimizerConfig::default() },
        schedule: Schedule::default(),
        total_steps: 9,
        seed: 0,
    };
    let model = config.init(seed, &device.clone().autodiff()).unwrap();
    Trainer::new(model, Walk::new(&config, TIME, device), options)
}

fn step(trainer: &mut Trainer, number: u64) -> f32 {
    let token = |at: usize| (at * 5 + number as usize) as i32 % 16;
    let batch = Batch {
        inputs: (0..TIME).map(token).collect(),
        targets: (1..=TIME).map(token).collect(),
        rows: 1,
        time: TIME,
        packing: None,
    };
    let loss = trainer.step(number, &[batch], &Ceiling::FINITE).loss;
    Readback::new(loss).wait().unwrap().iter::<f32>().next().unwrap()
}

/// Writes what `trainer` is; on a native thread, or as in a browser.
fn save(trainer: &Trainer, number: u64, store: &Arc<dyn Store>, asynchronous: bool) -> Checkpoint {
    let mut snapshot = Snapshot::take(trainer, Elsewhere::default());
    match asynchronous {
        true => pollster::block_on(snapshot.arrive()),
        false => snapshot.settle(),
    }
    let mut new = NewCheckpoint::create(store, number).unwrap();
    snapshot.write(&mut new).unwrap();
    let name = new.finish(describe()).unwrap();
    Checkpoint::open(store, &name).unwrap()
}

fn files(checkpoint: &Checkpoint) -> [Vec<u8>; 2] {
    ["model.safetensors", "optimizer.safetensors"].map(|name| checkpoint.read(name).unwrap())
}

each_device! {
    /// Written to memory as a browser does it, and to a folder as a native run does it: the same bytes. Carried from memory
    /// to the folder of another run, they are gone on with to the same bits as if nothing had been.
    fn a_snapshot_has_the_same_bytes_in_every_store_and_is_gone_on_with(device) {
        let run = Run::of(&[]);
        let memory: Arc<dyn Store> = Arc::new(Memory::new());
        let mut whole = trainer(1, &device);
        for number in 0..2 {
            step(&mut whole, number);
        }
        let there = save(&whole, 2, &memory, true);
        let here = save(&whole, 2, &run.store, false);
        assert_eq!(files(&there), files(&here));
        assert_eq!(there.manifest(), here.manifest());

        let elsewhere = Run::of(&[]);
        let carried = there.copy_to(&elsewhere.store).unwrap();
        let mut resumed = trainer(2, &device);
        restore(&mut resumed, &carried).unwrap();
        assert_eq!(files(&save(&resumed, 3, &memory, false)), files(&here));
        for number in 2..4 {
            assert_eq!(step(&mut resumed, number).to_bits(), step(&mut whole, number).to_bits());
        }
        assert_eq!(files(&save(&resumed, 4, &memory, true)), files(&save(&whole, 4, &run.store, true)));
    }
}

/// A parameter that is not trained has no moments, and none are asked of the checkpoint.
#[test]
fn what_is_not_trained_has_no_moments() {
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    let frozen = |seed| {
        let mut trainer = trainer(seed, &Device::flex());
        trainer.replace(|mut model, _| {
            model.head.norm = burn::module::Module::no_grad(model.head.norm);
            model
        });
        trainer
    };
    let mut whole = frozen(1);
    step(&mut whole, 0);
    let checkpoint = save(&whole, 1, &store, false);
    let mut resumed = frozen(2);
    restore(&mut resumed, &checkpoint).unwrap();
    assert_eq!(files(&save(&resumed, 2, &store, false)), files(&checkpoint));
}

/// Whoever reads a checkpoint for its averages has those of the run, to the bit; a run that kept none begins with its weights.
#[test]
fn averages_are_read_of_a_checkpoint() {
    let (store, device) = (Arc::new(Memory::new()) as Arc<dyn Store>, Device::flex());
    let values = |model: &hearth_model::Transformer| {
        let mut all = Values::default();
        burn::module::Module::visit(model, &mut all);
        all.0
    };
    let mut averaged = averaging(1, 0.9, &device);
    for number in 0..3 {
        step(&mut averaged, number);
    }
    let checkpoint = save(&averaged, 3, &store, false);
    let weights = burn::module::Module::valid(averaged.model());
    let found = with_averages(weights, &*store, checkpoint.name()).unwrap();
    assert_eq!(values(&found), values(&averaged.evaluated()));
    assert_ne!(values(&found), values(averaged.model()));

    let mut plain = trainer(1, &device);
    for number in 0..3 {
        step(&mut plain, number);
    }
    let checkpoint = save(&plain, 4, &store, false);
    let mut resumed = averaging(2, 0.9, &device);
    restore(&mut resumed, &checkpoint).unwrap();
    assert_eq!(values(&resumed.evaluated()), values(plain.model()));
    assert_eq!(step(&mut resumed, 3).to_bits(), step(&mut plain, 3).to_bits());
    assert_ne!(values(&resumed.evaluated()), values(plain.model()));
}

/// Every parameter's values, as bits.
#[derive(Default)]
struct Values(Vec<u32>);

impl burn::module::ModuleVisitor for Values {
    fn visit_float<const D: usize>(&mut self, param: &burn::module::Param<burn::tensor::Tensor<D>>) {
        self.0.extend(param.val().into_data().iter::<f32>().map(f32::to_bits));
    }
}
