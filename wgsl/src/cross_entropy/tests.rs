use burn::tensor::{Device, Int, Tensor, TensorData};

use super::{CrossEntropyOptions, cross_entropy, reference, run};
use crate::{cpu::same_in_all_pools, each_device, testing::wgpu_device};

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
    for (vocabulary, cuts) in [
        (1, vec![1]),
        (65, vec![65]),
        (65, vec![40, 25]),
        (5003, vec![5003]),
        (5003, vec![2502, 2501]),
        (8193, vec![8193]),
        (4097, vec![1, 4096]),
    ] {
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

/// On the CPU, of one row: NaN, infinities, denormals and what is beyond f32 when subtracted.
#[test]
fn odd_logits_are_treated_as_by_the_reference() {
    const INFINITY: f32 = f32::INFINITY;
    let rows: [[f32; 5]; 7] = [
        [0.5, f32::NAN, 1.0, 2.0, 3.0],
        [0.5, INFINITY, 1.0, 2.0, 3.0],
        [0.5, -INFINITY, 1.0, -INFINITY, 3.0],
        [-INFINITY, 1.0, 1.0, 2.0, 3.0],
        [-INFINITY; 5],
        [1e-40, -1e-42, 0.0, -0.0, 1e-45],
        [3e38, -3e38, 0.0, 1.0, f32::MIN],
    ];
    let device = Device::flex();
    let same = |found: &[f32], expected: &[f32], what: &str| {
        for (found, expected) in found.iter().zip(expected) {
            let close = (found - expected).abs() <= 2e-6 * expected.abs().max(1.0);
            let same = found == expected || found.is_nan() && expected.is_nan() || close;
            assert!(same, "{what}: {found} is not {expected}");
        }
    };
    for (row, softcap, target) in rows
        .iter()
        .flat_map(|row| [(row, None, 0), (row, None, -1), (row, None, 4), (row, Some(4.0), 0), (row, Some(4.0), -1)])
    {
        let options = CrossEntropyOptions { softcap, z_loss: 0.0 };
        let logits = || vec![Tensor::<1>::from_floats(*row, &device).reshape([1, 5])];
        let targets = || Tensor::<1, Int>::from_ints([target], &device);
        let (found, expected) =
            (run(logits(), targets(), options, false), reference::Chunk::new(logits(), targets(), options));
        let what = format!("{row:?}, {softcap:?}, {target}");
        same(&values(found.loss.clone()), &values(expected.loss.clone()), &what);
        let [found, expected] = [found.gradients(0.5), expected.gradients(options, 0.5)];
        same(&values(Tensor::cat(found, 1)), &values(Tensor::cat(expected, 1)), &what);
    }
}

/// On the CPU the gradient takes the logits' memory, unless they are held elsewhere.
#[test]
fn logits_held_elsewhere_are_left_as_they_are() {
    let device = Device::flex();
    let targets = || Tensor::<1, Int>::from_ints([3, -1, 5000], &device);
    let options = CrossEntropyOptions { softcap: Some(30.0), z_loss: 1e-3 };
    let held = logits(&device, 3, 6007);
    let before = values(held.clone());
    let [gradient] = &cross_entropy(vec![held.clone()], targets(), options).gradients(1.0)[..] else { panic!("one") };
    assert_eq!(values(held), before);
    let [in_place] = &cross_entropy(vec![logits(&device, 3, 6007)], targets(), options).gradients(1.0)[..] else {
        panic!("one")
    };
    assert_eq!(values(in_place.clone()), values(gradient.clone()));
}

/// Few long rows, many short ones.
#[test]
fn any_number_of_threads_gives_the_same_bits() {
    for (n, vocabulary) in [(1, 50_257), (7, 20_000), (768, 65)] {
        same_in_all_pools(|| {
            let device = Device::flex();
            let targets: Vec<i32> = (0..n as i32).map(|row| row * 31 % vocabulary as i32 - 1).collect();
            let targets = Tensor::<1, Int>::from_ints(targets.as_slice(), &device);
            let found = cross_entropy(vec![logits(&device, n, vocabulary)], targets, CrossEntropyOptions::default());
            let loss = values(found.loss.clone());
            let gradients = found.gradients(1.0).into_iter().flat_map(values);
            loss.into_iter().chain(gradients).collect()
        });
    }
}

#[test]
fn no_rows_have_no_loss() {
    let device = Device::flex();
    let targets = Tensor::<1, Int>::from_ints([0i32; 0], &device);
    let found = cross_entropy(vec![Tensor::empty([0, 7], &device)], targets, CrossEntropyOptions::default());
    assert_eq!(values(found.loss.clone()), [0.0]);
    assert_eq!(found.gradients(1.0)[0].dims(), [0, 7]);
}
