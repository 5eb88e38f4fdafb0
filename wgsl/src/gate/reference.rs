//! The same in Burn's own operations: right everywhere. With `s = sigmoid(z)`, `ds/dz = s (1 - s)`.

use burn::backend::{Backend, tensor::FloatTensor};

/// `t` and `a t` of `2u = x (a t x^2 + t)`, with `t = 2 sqrt(2/pi)` and `a = 0.044715`; they stand in the shaders too.
pub(super) const LINEAR: f32 = 1.595_769_2;
pub(super) const CUBIC: f32 = 0.071_354_814;

pub(super) fn gelu<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    B::float_mul(x.clone(), B::sigmoid(gelu_argument::<B>(x)))
}

/// `y = x s(2u)`, so `dy/dx = s + x s (1 - s) d(2u)/dx` with `d(2u)/dx = 3 a t x^2 + t`.
pub(super) fn gelu_backward<B: Backend>(x: FloatTensor<B>, grad: FloatTensor<B>) -> FloatTensor<B> {
    let square = B::float_mul(x.clone(), x.clone());
    let slope = B::float_add_scalar(B::float_mul_scalar(square, (3.0 * CUBIC).into()), LINEAR.into());
    let sigmoid = B::sigmoid(gelu_argument::<B>(x.clone()));
    B::float_mul(grad, sigmoid_derivative::<B>(sigmoid, B::float_mul(x, slope)))
}

pub(super) fn relu_squared<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    let positive = B::relu(x);
    B::float_mul(positive.clone(), positive)
}

/// `2 max(x, 0)`.
pub(super) fn relu_squared_backward<B: Backend>(x: FloatTensor<B>, grad: FloatTensor<B>) -> FloatTensor<B> {
    B::float_mul(B::float_mul_scalar(B::relu(x), 2f32.into()), grad)
}

pub(super) fn swiglu<B: Backend>(gate: FloatTensor<B>, up: FloatTensor<B>) -> FloatTensor<B> {
    let silu = B::float_mul(gate.clone(), B::sigmoid(gate));
    B::float_mul(silu, up)
}

pub(super) fn swiglu_backward<B: Backend>(
    gate: FloatTensor<B>,
    up: FloatTensor<B>,
    grad: FloatTensor<B>,
) -> (FloatTensor<B>, FloatTensor<B>) {
    let sigmoid = B::sigmoid(gate.clone());
    let silu = B::float_mul(gate.clone(), sigmoid.clone());
    let of_up = B::float_mul(grad.clone(), silu);
    let of_gate = B::float_mul(B::float_mul(grad, up), sigmoid_derivative::<B>(sigmoid, gate));
    (of_gate, of_up)
}

/// `2u`.
fn gelu_argument<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    let square = B::float_mul(x.clone(), x.clone());
    B::float_mul(x, B::float_add_scalar(B::float_mul_scalar(square, CUBIC.into()), LINEAR.into()))
}

/// `s + s (1 - s) w`.
fn sigmoid_derivative<B: Backend>(s: FloatTensor<B>, w: FloatTensor<B>) -> FloatTensor<B> {
    let falling = B::float_add_scalar(B::float_neg(s.clone()), 1f32.into());
    let inner = B::float_add_scalar(B::float_mul(falling, w), 1f32.into());
    B::float_mul(s, inner)
}
