//! What the comparison of two devices came to.

use burn::tensor::TensorData;

use super::{models::Model, trained::Trained};

/// Largest difference of a gradient, relative to the tensor's largest value.
const GRADIENT_TOLERANCE: f64 = 1e-4;
/// Largest relative difference of a loss.
const LOSS_TOLERANCE: f64 = 1e-5;

/// The comparison of one model on two devices.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Certificate {
    /// The model.
    pub model: Model,
    /// Losses of the steps, nats: by plain operations on the CPU, on the device. NaN where one side has no such step.
    pub losses: Vec<[f64; 2]>,
    /// Difference of each parameter's first gradient, by the parameter's name, relative to the gradient's largest value. NaN
    /// where one side has no such gradient, or has it in another shape.
    pub gradients: Vec<(String, f64)>,
}

impl Certificate {
    pub(super) fn compare(model: Model, cpu: Trained, device: Trained) -> Self {
        let steps = cpu.losses.len().max(device.losses.len());
        let loss = |losses: &[f64], step: usize| losses.get(step).copied().unwrap_or(f64::NAN);
        let losses = (0..steps).map(|step| [loss(&cpu.losses, step), loss(&device.losses, step)]).collect();
        let find = |list: &[(String, TensorData)], name: &str| {
            list.iter().find(|(other, _)| other == name).map(|(_, gradient)| gradient.clone())
        };
        let mut gradients: Vec<(String, f64)> = Vec::new();
        for (name, reference) in &cpu.gradients {
            let other = find(&device.gradients, name);
            gradients.push((name.clone(), other.map_or(f64::NAN, |other| relative_difference(reference, &other))));
        }
        let unknown = device.gradients.iter().filter(|(name, _)| find(&cpu.gradients, name).is_none());
        gradients.extend(unknown.map(|(name, _)| (name.clone(), f64::NAN)));
        Self { model, losses, gradients }
    }

    /// The largest relative difference of a loss; NaN where one is no number, or there are none.
    pub fn loss_error(&self) -> f64 {
        if self.losses.is_empty() {
            return f64::NAN;
        }
        largest(self.losses.iter().map(|[cpu, device]| (cpu - device).abs() / cpu.abs()))
    }

    /// The parameter whose gradient differs most.
    pub fn worst_gradient(&self) -> (&str, f64) {
        let worst = |a: &&(String, f64), b: &&(String, f64)| a.1.total_cmp(&b.1);
        self.gradients.iter().max_by(worst).map_or(("none", f64::NAN), |(name, error)| (name, *error))
    }

    /// The gradients that differ by more than rounding explains; one that is no number is among them.
    pub fn wrong_gradients(&self) -> impl Iterator<Item = &(String, f64)> {
        self.gradients.iter().filter(|(_, error)| error.is_nan() || *error > GRADIENT_TOLERANCE)
    }

    /// Whether all differences are within what rounding explains.
    pub fn passed(&self) -> bool {
        self.loss_error() <= LOSS_TOLERANCE && !self.gradients.is_empty() && self.wrong_gradients().next().is_none()
    }
}

/// The largest difference over the largest reference value; NaN where the shapes differ.
fn relative_difference(reference: &TensorData, other: &TensorData) -> f64 {
    if reference.shape() != other.shape() {
        return f64::NAN;
    }
    let differences = reference.iter::<f32>().zip(other.iter::<f32>()).map(|(a, b)| f64::from((a - b).abs()));
    // A gradient that is zero by construction (a key's bias) is compared with what the others are made of.
    let scale = largest(reference.iter::<f32>().map(|value| f64::from(value.abs()))).max(1e-3);
    largest(differences) / scale
}

/// The largest value, or NaN if one of them is NaN.
fn largest(values: impl Iterator<Item = f64>) -> f64 {
    values.fold(0.0, |largest, value| if value.is_nan() || value > largest { value } else { largest })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(losses: Vec<[f64; 2]>, gradient: f64) -> Certificate {
        let gradients = vec![("a".into(), 0.0), ("b".into(), gradient)];
        Certificate { model: Model::Llama, losses, gradients }
    }

    #[test]
    fn a_wrong_loss_or_gradient_fails() {
        assert!(certificate(vec![[4.0, 4.00001]], 1e-5).passed());
        assert!(!certificate(vec![[4.0, 4.0001]], 1e-5).passed());
        assert!(!certificate(vec![[4.0, f64::NAN], [4.0, 4.0]], 1e-5).passed());
        assert!(!certificate(vec![[4.0, 4.0]], 2e-4).passed());
        assert!(!certificate(vec![[4.0, 4.0]], f64::NAN).passed());
        assert!(!certificate(vec![], 0.0).passed());
        assert_eq!(certificate(vec![], 0.5).worst_gradient(), ("b", 0.5));
    }

    fn trained(losses: &[f64], gradients: &[(&str, &[f32])]) -> Trained {
        let gradients = gradients.iter().map(|(name, values)| ((*name).into(), TensorData::from(*values)));
        Trained { losses: losses.into(), gradients: gradients.collect() }
    }

    #[test]
    fn gradients_are_paired_by_name() {
        let cpu = || trained(&[3.0, 2.0], &[("a", &[1.0, 2.0]), ("b", &[5.0])]);
        let compare = |other| Certificate::compare(Model::Llama, cpu(), other);
        assert!(compare(cpu()).passed());
        assert!(compare(trained(&[3.0, 2.0], &[("b", &[5.0]), ("a", &[1.0, 2.0])])).passed());

        let swapped = compare(trained(&[3.0, 2.0], &[("b", &[1.0, 2.0]), ("a", &[5.0])]));
        assert_eq!(swapped.wrong_gradients().count(), 2, "{swapped:?}");
        let missing = compare(trained(&[3.0, 2.0], &[("a", &[1.0, 2.0])]));
        assert_eq!(missing.wrong_gradients().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["b"]);
        let unknown = compare(trained(&[3.0, 2.0], &[("a", &[1.0, 2.0]), ("b", &[5.0]), ("c", &[1.0])]));
        assert_eq!(unknown.wrong_gradients().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["c"]);
        assert!(!compare(trained(&[3.0, 2.0], &[("a", &[1.0]), ("b", &[5.0])])).passed(), "a shorter gradient");
        assert!(!compare(trained(&[3.0], &[("a", &[1.0, 2.0]), ("b", &[5.0])])).passed(), "fewer losses");
        assert!(!compare(trained(&[3.0, 2.0, 1.0], &[("a", &[1.0, 2.0]), ("b", &[5.0])])).passed(), "more losses");
        assert!(!Certificate::compare(Model::Llama, trained(&[], &[]), trained(&[], &[])).passed(), "nothing");
    }

    #[test]
    fn one_flipped_value_is_seen() {
        let reference = TensorData::from([0.5f32, -2.0, 0.0]);
        let other = TensorData::from([0.5f32, -2.0, 0.01]);
        assert!((relative_difference(&reference, &other) - 0.005).abs() < 1e-9);
    }
}
