use burn::tensor::{Device, Int, Tensor, TensorData};

use super::{CrossEntropyOptions, run};
use crate::{each_device, testing::wgpu_device};

fn values<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    x.into_data().iter().collect()
}

fn logits(device: &Device, n: usize, vocabulary: usize) -> Tensor<2> {
    let value = |at: usize| ((at * 7919 % 1009) as f32 / 1009.0 - 0.5) * 20.0;
    Tensor::from_data(TensorData::new((0..n * vocabulary).map(value).collect::<Vec<f32>>(), [n, vocabulary]), device)
}

/// In f64: the loss, and its gradient by each logit.
fn expected(x: &[f32], targets: &[i32], vocabulary: usize, options: CrossEntropyOptions) -> (f64, Vec<f64>) {
    let (mut loss, mut gradients) = (0.0, Vec::new());
    for (row, target) in x.chunks(vocabulary).zip(targets) {
        let bent: Vec<f64> = row
            .iter()
            .map(|x| f64::from(*x))
            .map(|x| options.softcap.map_or(x, |cap| cap * (x / cap).tanh()))
            .collect();
        let lse = bent.iter().map(|x| x.exp()).sum::<f64>().ln();
        let counted = f64::from(*target >= 0);
        if *target >= 0 {
            loss += lse - bent[*target as usize] + options.z_loss * lse * lse;
        }
        gradients.extend(bent.iter().enumerate().map(|(id, x)| {
            let one_hot = f64::from(id as i32 == *target);
            let slope = options.softcap.map_or(1.0, |cap| 1.0 - (x / cap).powi(2));
            counted * ((x - lse).exp() * (1.0 + 2.0 * options.z_loss * lse) - one_hot) * slope
        }));
    }
    (loss, gradients)
}

/// Against f64 on the host; small and large vocabularies, whole and in shards, with what does not count.
fn losses_and_gradients(device: &Device, subgroups: bool) {
    for (vocabulary, cuts) in
        [(1, vec![1]), (65, vec![65]), (65, vec![40, 25]), (5003, vec![5003]), (5003, vec![2502, 2501])]
    {
        for (softcap, z_loss) in [(None, 0.0), (Some(4.0), 1e-3)] {
            let options = CrossEntropyOptions { softcap, z_loss };
            let targets: Vec<i32> =
                [0, vocabulary as i32 - 1, -100, vocabulary as i32 / 2, 7 % vocabulary as i32].into();
            let x = logits(device, 5, vocabulary);
            let (loss, gradients) = expected(&values(x.clone()), &targets, vocabulary, options);
            let mut start = 0;
            let shards = cuts.iter().map(|rows| {
                start += rows;
                x.clone().narrow(1, start - rows, *rows)
            });
            let targets = Tensor::<1, Int>::from_data(TensorData::new(targets, [5]), device);
            let found = run(shards.collect(), targets, options, subgroups);
            let found_loss = f64::from(values(found.loss.clone())[0]);
            assert!((found_loss - loss).abs() <= 1e-5 * loss.max(1.0), "{vocabulary}: {found_loss} is not {loss}");
            let found = values(Tensor::cat(found.gradients(0.5), 1));
            for (found, gradient) in found.into_iter().zip(gradients) {
                assert!(
                    (f64::from(found) - 0.5 * gradient).abs() < 2e-6,
                    "{vocabulary}: {found} is not {gradient} / 2"
                );
            }
        }
    }
}

each_device! {
    fn equals_its_definition(device) {
        losses_and_gradients(&device, false);
    }
}

/// Also where CubeCL does not count on them, as with lavapipe.
#[test]
fn equals_its_definition_by_subgroups() {
    if let Some(device) = wgpu_device() {
        losses_and_gradients(&device, true);
    }
}
