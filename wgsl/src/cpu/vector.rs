//! Vectors of f32 as wide as the processor's, and loops over slices by them.

use std::ops::{Add, Div, Mul, Neg, Sub};

use burn::backend::{Flex, TensorMetadata, tensor::FloatTensor};
pub use pulp::{Arch, Simd, WithSimd};

use super::{
    tasks::{ELEMENTS, each, piece, split},
    tensor::{contiguous, new, values, values_mut},
};

/// As many numbers as the processor computes with at once.
#[derive(Clone, Copy, Debug)]
pub struct Vector<S: Simd> {
    pub(super) simd: S,
    /// The numbers, as the processor has them.
    pub lanes: S::f32s,
}

impl<S: Simd> Vector<S> {
    /// Numbers in a vector.
    pub const LANES: usize = S::F32_LANES;

    /// Of numbers as the processor has them.
    #[inline(always)]
    pub fn new(simd: S, lanes: S::f32s) -> Self {
        Self { simd, lanes }
    }

    /// What vectors of this width are made with.
    #[inline(always)]
    pub fn simd(self) -> S {
        self.simd
    }

    /// The same number in all lanes.
    #[inline(always)]
    pub fn splat(simd: S, value: f32) -> Self {
        Self::new(simd, simd.splat_f32s(value))
    }

    /// Numbers of a slice that may be shorter than a vector: the rest is `fill`.
    #[inline(always)]
    fn load(simd: S, from: &[f32], fill: f32) -> Self {
        let mut lanes = simd.splat_f32s(fill);
        if !from.is_empty() {
            bytemuck::cast_slice_mut::<S::f32s, f32>(std::slice::from_mut(&mut lanes))[..from.len()]
                .copy_from_slice(from);
        }
        Self::new(simd, lanes)
    }

    /// `self a + b`, in one rounding where the processor has that.
    #[inline(always)]
    pub fn mul_add(self, a: Self, b: Self) -> Self {
        Self::new(self.simd, self.simd.mul_add_e_f32s(self.lanes, a.lanes, b.lanes))
    }

    /// The same with constants.
    #[inline(always)]
    pub fn affine(self, a: f32, b: f32) -> Self {
        self.mul_add(Self::splat(self.simd, a), Self::splat(self.simd, b))
    }

    /// The root of each number.
    #[inline(always)]
    pub fn sqrt(self) -> Self {
        Self::new(self.simd, self.simd.sqrt_f32s(self.lanes))
    }

    /// Each number without its sign.
    #[inline(always)]
    pub fn abs(self) -> Self {
        Self::new(self.simd, self.simd.abs_f32s(self.lanes))
    }

    /// `then` where `self < bound`, else `otherwise`, as where `self` is NaN.
    #[inline(always)]
    pub fn where_less(self, bound: Self, then: Self, otherwise: Self) -> Self {
        let less = self.simd.less_than_f32s(self.lanes, bound.lanes);
        Self::new(self.simd, self.simd.select_f32s(less, then.lanes, otherwise.lanes))
    }

    /// The larger of each two; NaN where `other` is.
    #[inline(always)]
    pub fn max(self, other: Self) -> Self {
        other.where_less(self, self, other)
    }

    /// The sum of the numbers.
    #[inline(always)]
    pub fn sum(self) -> f32 {
        self.simd.reduce_sum_f32s(self.lanes)
    }

    /// The largest of the numbers; NaN if one is.
    #[inline(always)]
    pub fn largest(self) -> f32 {
        let lanes = bytemuck::cast_slice::<S::f32s, f32>(std::slice::from_ref(&self.lanes));
        lanes.iter().fold(f32::NEG_INFINITY, |largest, value| if *value < largest { largest } else { *value })
    }
}

/// Operators between vectors, and between a vector and a constant.
macro_rules! operator {
    ($operator:ident, $method:ident, $lanes:ident) => {
        impl<S: Simd> $operator for Vector<S> {
            type Output = Self;

            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                Self::new(self.simd, self.simd.$lanes(self.lanes, other.lanes))
            }
        }

        impl<S: Simd> $operator<f32> for Vector<S> {
            type Output = Self;

            #[inline(always)]
            fn $method(self, other: f32) -> Self {
                self.$method(Self::splat(self.simd, other))
            }
        }
    };
}

operator!(Add, add, add_f32s);
operator!(Sub, sub, sub_f32s);
operator!(Mul, mul, mul_f32s);
operator!(Div, div, div_f32s);

impl<S: Simd> Neg for Vector<S> {
    type Output = Self;

    #[inline(always)]
    fn neg(self) -> Self {
        Self::new(self.simd, self.simd.neg_f32s(self.lanes))
    }
}

/// A function of `I` numbers to `O`.
pub trait Map<const I: usize, const O: usize>: Copy + Send + Sync {
    /// Its values for a vector of arguments.
    fn apply<S: Simd>(self, arguments: [Vector<S>; I]) -> [Vector<S>; O];
}

/// Writes the values of `f` along slices of one length.
#[inline(always)]
pub fn map<S: Simd, const I: usize, const O: usize>(
    simd: S,
    inputs: [&[f32]; I],
    outputs: [&mut [f32]; O],
    f: impl Fn([Vector<S>; I]) -> [Vector<S>; O],
) {
    update(simd, inputs, outputs, |inputs, _| f(inputs));
}

/// Replaces `states` along slices of one length: `f` is given the inputs and what the states were.
#[inline(always)]
pub fn update<S: Simd, const I: usize, const O: usize>(
    simd: S,
    inputs: [&[f32]; I],
    states: [&mut [f32]; O],
    f: impl Fn([Vector<S>; I], [Vector<S>; O]) -> [Vector<S>; O],
) {
    let inputs = Lanes::of_all(simd, inputs, [0.0; I]);
    let mut states = states.map(S::as_mut_simd_f32s);
    let mut rests = [simd.splat_f32s(0.0); O];
    for (rest, state) in rests.iter_mut().zip(&states) {
        *rest = Vector::load(simd, state.1, 0.0).lanes;
    }
    let count = states.first().map_or(0, |(vectors, rest)| vectors.len() + usize::from(!rest.is_empty()));
    // One call of `f`, for the last vector too: called in two places it might become a function of its own, which is
    // compiled without the processor's vectors.
    for at in 0..count {
        let mut before = [Vector::splat(simd, 0.0); O];
        for (before, (state, rest)) in before.iter_mut().zip(states.iter().zip(&rests)) {
            before.lanes = *state.0.get(at).unwrap_or(rest);
        }
        let found = f(Lanes::vectors(simd, &inputs, at), before);
        for ((state, rest), found) in states.iter_mut().zip(&mut rests).zip(found) {
            *state.0.get_mut(at).unwrap_or(rest) = found.lanes;
        }
    }
    for ((_, rest), lanes) in states.iter_mut().zip(&rests) {
        let lanes = bytemuck::cast_slice::<S::f32s, f32>(std::slice::from_ref(lanes));
        rest.copy_from_slice(&lanes[..rest.len()]);
    }
}

/// A slice in vectors; what is left of it is filled up to one more. Several are gone through in loops: the closure of an
/// array's `map` may become a function of its own, which is compiled without the processor's vectors.
#[derive(Clone, Copy)]
struct Lanes<'a, S: Simd> {
    vectors: &'a [S::f32s],
    rest: S::f32s,
}

impl<'a, S: Simd> Lanes<'a, S> {
    #[inline(always)]
    fn of_all<const I: usize>(simd: S, slices: [&'a [f32]; I], fill: [f32; I]) -> [Self; I] {
        let mut all = [Self { vectors: &[], rest: simd.splat_f32s(0.0) }; I];
        for (lanes, (slice, fill)) in all.iter_mut().zip(slices.into_iter().zip(fill)) {
            let (vectors, rest) = S::as_simd_f32s(slice);
            *lanes = Self { vectors, rest: Vector::load(simd, rest, fill).lanes };
        }
        all
    }

    /// Vector `at` of each.
    #[inline(always)]
    fn vectors<const I: usize>(simd: S, all: &[Self; I], at: usize) -> [Vector<S>; I] {
        let mut vectors = [Vector::splat(simd, 0.0); I];
        for (vector, lanes) in vectors.iter_mut().zip(all) {
            vector.lanes = *lanes.vectors.get(at).unwrap_or(&lanes.rest);
        }
        vectors
    }
}

/// Folds slices of one length, from `start` in every lane; where the last vector is longer than what is left of a slice, the
/// rest of it is `fill`, which must change nothing.
#[inline(always)]
pub fn fold<S: Simd, const I: usize, const A: usize>(
    simd: S,
    inputs: [&[f32]; I],
    fill: [f32; I],
    start: [f32; A],
    f: impl Fn([Vector<S>; A], [Vector<S>; I]) -> [Vector<S>; A],
) -> [Vector<S>; A] {
    let count = inputs.first().map_or(0, |x| x.len().div_ceil(S::F32_LANES));
    let inputs = Lanes::of_all(simd, inputs, fill);
    let mut found = [Vector::splat(simd, 0.0); A];
    for (found, start) in found.iter_mut().zip(start) {
        *found = Vector::splat(simd, start);
    }
    // One call of `f`, as in [`update`].
    for at in 0..count {
        found = f(found, Lanes::vectors(simd, &inputs, at));
    }
    found
}

/// Declares functions whose bodies are compiled for each width of vectors, with the processor's own chosen where they are
/// called: `fn name(simd: S, argument: Type, ..) -> Type { .. }`, where references have the lifetime `'a`.
macro_rules! vectorized {
    ($($(#[$meta:meta])* $vis:vis fn $name:ident($simd:ident: $S:ident $(, $argument:ident: $type:ty)* $(,)?) -> $output:ty $body:block)*) => {$(
        $(#[$meta])*
        $vis fn $name<'a>($($argument: $type),*) -> $output {
            struct Arguments<'a>($($type,)* std::marker::PhantomData<&'a ()>);

            impl<'a> $crate::cpu::WithSimd for Arguments<'a> {
                type Output = $output;

                #[inline(always)]
                fn with_simd<$S: $crate::cpu::Simd>(self, $simd: $S) -> $output {
                    let Self($($argument,)* _) = self;
                    $body
                }
            }

            $crate::cpu::Arch::new().dispatch(Arguments($($argument,)* std::marker::PhantomData))
        }
    )*};
}
pub(crate) use vectorized;

vectorized! {
    /// Adds a slice to another of its length.
    pub fn add(simd: S, x: &'a [f32], sum: &'a mut [f32]) -> () {
        update(simd, [x], [sum], |[x], [sum]| [sum + x]);
    }
}

/// Applies a function element by element to tensors of one shape.
pub fn elementwise<const I: usize, const O: usize>(
    function: impl Map<I, O>,
    inputs: [FloatTensor<Flex>; I],
) -> [FloatTensor<Flex>; O] {
    let inputs = inputs.map(contiguous);
    let mut outputs: [_; O] = std::array::from_fn(|_| new(inputs[0].shape()));
    let tasks = split(outputs.each_mut().map(values_mut), ELEMENTS);
    each(tasks, |number, outputs| {
        let inputs = inputs.each_ref().map(|x| piece(values(x), number, ELEMENTS));
        Arch::new().dispatch(Elementwise { function, inputs, outputs });
    });
    outputs
}

struct Elementwise<'a, F, const I: usize, const O: usize> {
    function: F,
    inputs: [&'a [f32]; I],
    outputs: [&'a mut [f32]; O],
}

impl<F: Map<I, O>, const I: usize, const O: usize> WithSimd for Elementwise<'_, F, I, O> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        map(simd, self.inputs, self.outputs, |arguments| self.function.apply(arguments));
    }
}
