//! The WGSL kernel's host side.

use burn::backend::{TensorMetadata, tensor::FloatTensor};
use burn_cubecl::{CubeBackend, kernel::into_contiguous, tensor::CubeTensor};

use super::{AdamWNumbers, AdamWOps};
use crate::launch::{Shader, word, workgroups};

pub fn shader() -> Shader {
    Shader::new(include_str!("adamw.wgsl"), 256)
}

/// The tensor itself if nothing else holds it, else a copy.
fn own(tensor: CubeTensor) -> CubeTensor {
    let tensor = into_contiguous(tensor);
    if tensor.can_mut() { tensor } else { tensor.copy() }
}

impl AdamWOps for CubeBackend {
    fn adamw(
        parameter: FloatTensor<Self>,
        first: FloatTensor<Self>,
        second: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        scalars: FloatTensor<Self>,
        numbers: AdamWNumbers,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let [parameter, first, second] = [parameter, first, second].map(own);
        let [gradient, scalars] = [gradient, scalars].map(into_contiguous);
        let count = parameter.shape().num_elements();
        let AdamWNumbers { learning_rate, beta1, beta2, eps, weight_decay, corrections } = numbers;
        let numbers = [
            learning_rate,
            1.0 - beta1,
            1.0 - beta2,
            eps,
            learning_rate * weight_decay,
            corrections[0],
            corrections[1],
        ];
        let words: Vec<u32> =
            std::iter::once(word(count)).chain(numbers.map(|number| (number as f32).to_bits())).collect();
        let buffers = [&parameter, &first, &second, &gradient, &scalars];
        shader().run(workgroups(count, 256), &buffers, &words);
        (parameter, first, second)
    }
}
