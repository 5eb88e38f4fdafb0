//! The same in plain Burn operations.

use burn::tensor::Tensor;

use super::AdamWNumbers;

/// See [`adamw`](super::adamw).
pub fn adamw<const D: usize>(
    parameter: Tensor<D>,
    moments: Option<[Tensor<D>; 2]>,
    gradient: Tensor<D>,
    scalars: Tensor<1>,
    numbers: AdamWNumbers,
) -> (Tensor<D>, [Tensor<D>; 2]) {
    let AdamWNumbers { learning_rate, beta1, beta2, eps, weight_decay, corrections: [correction1, correction2] } =
        numbers;
    let scalar = |at: usize| scalars.clone().narrow(0, at, 1).unsqueeze::<D>();
    // 1 or 0; what is multiplied by 0 below is finite, so that old values come out as they went in.
    let wanted = scalar(1);
    let gradient = (gradient * scalar(0)).mask_fill(wanted.clone().lower_scalar(0.5), 0.0);
    let share = |of: f64| wanted.clone().mul_scalar(of);
    let kept = |but: f64| share(-but).add_scalar(1.0);
    let [first, second] = moments.map_or([None, None], |moments| moments.map(Some));
    let next = |moment: Option<Tensor<D>>, beta: f64, value: Tensor<D>| {
        let value = value.mul_scalar(1.0 - beta);
        match moment {
            Some(moment) => moment * kept(1.0 - beta) + value,
            None => value,
        }
    };
    let first = next(first, beta1, gradient.clone());
    let second = next(second, beta2, gradient.square());
    let size = second.clone().div_scalar(correction2).sqrt().add_scalar(eps);
    let direction = first.clone().div_scalar(correction1).div(size);
    let parameter = parameter * kept(learning_rate * weight_decay) - direction * share(learning_rate);
    (parameter, [first, second])
}
