//! The CPU kernels: one pass each.

use burn::backend::{Flex, tensor::FloatTensor};

use super::{
    GateOps,
    reference::{self, CUBIC, LINEAR},
};
use crate::{
    Kernel,
    cpu::{Map, Simd, Vector, elementwise, sigmoid, takes},
};

#[derive(Clone, Copy)]
pub struct Gelu;

impl Map<1, 1> for Gelu {
    #[inline(always)]
    fn apply<S: Simd>(self, [x]: [Vector<S>; 1]) -> [Vector<S>; 1] {
        [x * sigmoid(x * (x * x).affine(CUBIC, LINEAR))]
    }
}

#[derive(Clone, Copy)]
struct GeluBackward;

impl Map<2, 1> for GeluBackward {
    #[inline(always)]
    fn apply<S: Simd>(self, [x, dy]: [Vector<S>; 2]) -> [Vector<S>; 1] {
        let square = x * x;
        let s = sigmoid(x * square.affine(CUBIC, LINEAR));
        [dy * sigmoid_derivative(s, x * square.affine(3.0 * CUBIC, LINEAR))]
    }
}

#[derive(Clone, Copy)]
pub struct ReluSquared;

impl Map<1, 1> for ReluSquared {
    #[inline(always)]
    fn apply<S: Simd>(self, [x]: [Vector<S>; 1]) -> [Vector<S>; 1] {
        let positive = relu(x);
        [positive * positive]
    }
}

#[derive(Clone, Copy)]
struct ReluSquaredBackward;

impl Map<2, 1> for ReluSquaredBackward {
    #[inline(always)]
    fn apply<S: Simd>(self, [x, dy]: [Vector<S>; 2]) -> [Vector<S>; 1] {
        [relu(x) * 2.0 * dy]
    }
}

/// What is no number stays so.
#[inline(always)]
fn relu<S: Simd>(x: Vector<S>) -> Vector<S> {
    let [zero, least] = [0.0, f32::from_bits(1)].map(|value| Vector::splat(x.simd(), value));
    x.where_less(least, zero, x)
}

#[derive(Clone, Copy)]
pub struct Swiglu;

impl Map<2, 1> for Swiglu {
    #[inline(always)]
    fn apply<S: Simd>(self, [gate, up]: [Vector<S>; 2]) -> [Vector<S>; 1] {
        [gate * sigmoid(gate) * up]
    }
}

#[derive(Clone, Copy)]
struct SwigluBackward;

impl Map<3, 2> for SwigluBackward {
    #[inline(always)]
    fn apply<S: Simd>(self, [gate, up, dy]: [Vector<S>; 3]) -> [Vector<S>; 2] {
        let s = sigmoid(gate);
        [dy * up * sigmoid_derivative(s, gate), dy * (gate * s)]
    }
}

/// `s + s (1 - s) w`.
#[inline(always)]
fn sigmoid_derivative<S: Simd>(s: Vector<S>, w: Vector<S>) -> Vector<S> {
    s * (-s).affine(1.0, 1.0).mul_add(w, Vector::splat(s.simd(), 1.0))
}

impl GateOps for Flex {
    fn tanh_gelu(x: FloatTensor<Self>) -> FloatTensor<Self> {
        if !takes(Kernel::Gate, &x) {
            return reference::gelu::<Self>(x);
        }
        let [y] = elementwise(Gelu, [x]);
        y
    }

    fn tanh_gelu_backward(x: FloatTensor<Self>, grad: FloatTensor<Self>) -> FloatTensor<Self> {
        if !takes(Kernel::Gate, &x) {
            return reference::gelu_backward::<Self>(x, grad);
        }
        let [dx] = elementwise(GeluBackward, [x, grad]);
        dx
    }

    fn relu_squared(x: FloatTensor<Self>) -> FloatTensor<Self> {
        if !takes(Kernel::Gate, &x) {
            return reference::relu_squared::<Self>(x);
        }
        let [y] = elementwise(ReluSquared, [x]);
        y
    }

    fn relu_squared_backward(x: FloatTensor<Self>, grad: FloatTensor<Self>) -> FloatTensor<Self> {
        if !takes(Kernel::Gate, &x) {
            return reference::relu_squared_backward::<Self>(x, grad);
        }
        let [dx] = elementwise(ReluSquaredBackward, [x, grad]);
        dx
    }

    fn swiglu(gate: FloatTensor<Self>, up: FloatTensor<Self>) -> FloatTensor<Self> {
        if !takes(Kernel::Gate, &gate) {
            return reference::swiglu::<Self>(gate, up);
        }
        let [y] = elementwise(Swiglu, [gate, up]);
        y
    }

    fn swiglu_backward(
        gate: FloatTensor<Self>,
        up: FloatTensor<Self>,
        grad: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        if !takes(Kernel::Gate, &gate) {
            return reference::swiglu_backward::<Self>(gate, up, grad);
        }
        let [of_gate, of_up] = elementwise(SwigluBackward, [gate, up, grad]);
        (of_gate, of_up)
    }
}
