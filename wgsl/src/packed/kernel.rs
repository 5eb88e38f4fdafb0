//! The WGSL kernel's host side.

use burn::{
    backend::tensor::{FloatTensor, IntTensor},
    tensor::Shape,
};
use burn_cubecl::{CubeBackend, kernel::into_contiguous};

use super::{PackedForm, PackedKernels, PackedOps, backward::forward, form::Packing, reference::reference};
use crate::launch::{Shader, empty_as, word, workgroups};

/// A form's texts, and what all forms share.
macro_rules! of_form {
    ($($file:literal),*) => {
        concat!($(include_str!($file), "\n",)* include_str!("unpack.wgsl"))
    };
}

fn shader(form: PackedForm) -> Shader {
    let text = match form {
        PackedForm::F16 => of_form!("half.wgsl", "f16.wgsl"),
        PackedForm::Bf16 => of_form!("bf16.wgsl"),
        PackedForm::Q8 => of_form!("q8.wgsl"),
        PackedForm::Q4 => of_form!("half.wgsl", "q4.wgsl"),
        PackedForm::Nf4 => of_form!("nf4.wgsl"),
    };
    let constants =
        [form.per_word(), form.head_rows(), form.block() / form.per_word()].map(|count| format!("{count}u"));
    let [per_word, head_rows, of_block] = constants;
    Shader::new(text, 256).with("PER_WORD", per_word).with("HEAD_ROWS", head_rows).with("OF_BLOCK", of_block)
}

/// Every variant that is launched.
#[cfg(test)]
pub fn shaders() -> Vec<Shader> {
    PackedForm::ALL.map(shader).into()
}

impl PackedKernels for CubeBackend {
    fn unpack_words(words: IntTensor<Self>, packing: Packing) -> FloatTensor<Self> {
        let Packing { form, shape: [rows, columns], dtype, by_kernel, .. } = packing;
        if !by_kernel {
            return reference::<Self>(words, packing);
        }
        let words = into_contiguous(words);
        let y = empty_as(&words, Shape::new([rows, columns]), dtype);
        let word_rows = rows.div_ceil(form.per_word());
        let numbers = [rows, columns, word_rows, 0].map(word);
        shader(form).storing(dtype).run(workgroups(word_rows * columns, 256), &[&words, &y], &numbers);
        y
    }
}

impl PackedOps for CubeBackend {
    fn linear_packed(x: FloatTensor<Self>, words: IntTensor<Self>, packing: Packing) -> FloatTensor<Self> {
        forward::<Self>(x, words, None, packing)
    }

    fn linear_packed_shifted(
        x: FloatTensor<Self>,
        words: IntTensor<Self>,
        bias: FloatTensor<Self>,
        packing: Packing,
    ) -> FloatTensor<Self> {
        forward::<Self>(x, words, Some(bias), packing)
    }
}
