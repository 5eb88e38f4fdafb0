//! One model whose experts are on several devices.

use std::sync::Arc;

use burn::{module::Module, tensor::Device};
use hearth_model::weights;
use hearth_train::{
    checkpoint::{Checkpoint, Description, Elsewhere, Memory, NewCheckpoint, Snapshot, Store, restore},
    guard::Ceiling,
    step::{StepOptions, Trainer},
    walk::{Activations, Placement, Policy, Walk},
};

use super::{Outcome, STEPS, TIME, close, config, loss, micro_batches, model, options, outcome, same, wgpu};

/// A trainer whose experts are on `devices`, of which the first has the rest. Where gradients are `clipped`, their norm is summed
/// device by device, and rounds otherwise.
fn over(devices: &[Device], clipped: bool, policy: &Policy) -> Trainer {
    let mut options: StepOptions = options();
    options.optimizer.clip_norm = if clipped { 0.5 } else { 0.0 };
    let mut walk = Walk::new(&config(true), TIME, &devices[0]);
    walk.expert_devices = devices.to_vec();
    walk.policy = policy.clone();
    Trainer::new(model(true), walk, options)
}

fn steps(mut trainer: Trainer) -> Outcome {
    let losses = (0..STEPS).map(|step| loss(trainer.step(step, &micro_batches(step, 2), &Ceiling::FINITE).loss));
    let losses = losses.collect();
    outcome(&trainer, losses)
}

fn policies() -> [Policy; 2] {
    [Policy::keep(3), Policy::uniform(3, 2, Activations::Recompute, Placement::Device)]
}

fn agree(devices: &[Device]) {
    let one = &devices[..1];
    let expected = steps(over(one, false, &policies()[0]));
    for policy in policies() {
        for count in 2..=devices.len() {
            same(&steps(over(&devices[..count], false, &policy)), &expected, &format!("{count} devices, {policy}"));
        }
    }
    close(&steps(over(devices, true, &policies()[0])), &steps(over(one, true, &policies()[0])), 1e-5);
}

#[test]
fn experts_in_shards_on_the_cpu() {
    agree(&vec![Device::flex(); 3]);
}

#[test]
fn experts_on_logical_devices_of_one_adapter() {
    let Some(opened) = wgpu(2) else { return };
    let devices: Vec<Device> = opened.iter().map(|it| it.device.clone()).collect();
    let trainer = over(&devices, false, &policies()[0]);
    let experts = trainer.model().blocks[1].experts.as_ref().unwrap();
    assert_eq!(experts.devices(), devices);
    agree(&devices);
}

/// A checkpoint is the same wherever experts are, and so is a file of weights.
#[test]
fn what_was_saved_goes_on_with_experts_elsewhere() {
    let cpu = vec![Device::flex(); 2];
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    let mut before = over(&cpu, false, &policies()[0]);
    let step = |trainer: &mut Trainer, step| loss(trainer.step(step, &micro_batches(step, 2), &Ceiling::FINITE).loss);
    (0..3).for_each(|number| assert!(step(&mut before, number).is_finite()));
    let mut snapshot = Snapshot::take(&before, Elsewhere::default());
    snapshot.settle();
    let mut new = NewCheckpoint::create(&store, 3).unwrap();
    snapshot.write(&mut new).unwrap();
    let checkpoint = Checkpoint::open(&store, &new.finish(Description::default()).unwrap()).unwrap();
    let expected: Vec<f32> = (3..6).map(|number| step(&mut before, number)).collect();
    for devices in [&cpu[..1], &cpu[..]] {
        let mut after = over(devices, false, &policies()[0]);
        restore(&mut after, &checkpoint).unwrap();
        assert_eq!((3..6).map(|number| step(&mut after, number)).collect::<Vec<f32>>(), expected);
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let model = before.model().valid();
    weights::save(&model, &path).unwrap();
    let mut whole = config(true).init(5, &Device::flex()).unwrap();
    weights::load(&mut whole, &path).unwrap();
    let numbers = |model| super::outcome_of(model, Vec::new()).parameters;
    assert_eq!(numbers(&whole), numbers(&model));
    let mut dealt = over(&cpu, false, &policies()[0]).model().valid();
    weights::load(&mut dealt, &path).unwrap();
    assert_eq!((numbers(&dealt), dealt.blocks[1].experts.as_ref().unwrap().devices().len()), (numbers(&model), 2));
}
