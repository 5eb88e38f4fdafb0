//! Wrong shapes, dtypes and tapes are refused by every operation on every device, in the same words: a kernel would read past
//! a buffer's end and return numbers.

use std::panic::{AssertUnwindSafe, catch_unwind};

use burn::tensor::{Device, FloatDType, Int, Tensor};
use hearth_wgsl::{
    AdamWNumbers, AttentionOptions, CrossEntropyOptions, Key, NormOptions, PackedForm, PackedMatrix, adamw,
    add_squares, attention, attention_with_sinks, cross_entropy, dropout, each_device, embedding, linear_packed, norm,
    rotate, swiglu, vjp,
};

/// Panics unless `operation` is refused with exactly this message.
fn refused<T>(message: &str, operation: impl FnOnce() -> T) {
    let refusal = catch_unwind(AssertUnwindSafe(|| drop(operation()))).err();
    let refusal = refusal.unwrap_or_else(|| panic!("nothing was refused; to be refused with: {message}"));
    let found = refusal.downcast_ref::<String>().map(String::as_str).or(refusal.downcast_ref::<&str>().copied());
    assert_eq!(found, Some(message));
}

fn ones<const D: usize>(shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::ones(shape, device)
}

each_device! {
    fn norms(device) {
        let options = NormOptions { centred: true, eps: 1e-5 };
        let x = || ones([2, 8], &device);
        let vector = |width: usize| ones([width], &device);
        refused("norm: x [2, 8], gamma [4]: must have one value a channel", || norm(x(), vector(4), None, options));
        refused("norm: x [2, 8], gamma [1]: must have one value a channel", || norm(x(), vector(1), None, options));
        refused("norm: x [2, 8], beta [9]: must have one value a channel", || {
            norm(x(), vector(8), Some(vector(9)), options)
        });
        refused("norm: x [2, 0], gamma [0]: must have one value a channel", || {
            norm(ones([2, 0], &device), vector(0), None, options)
        });
        if device.supports_dtype(FloatDType::F16) {
            refused("norm: x F16, gamma F32: must be of one dtype", || {
                norm(x().cast(FloatDType::F16), vector(8), None, options)
            });
        }
    }
}

each_device! {
    fn gates(device) {
        refused("swiglu: gate [2, 8], up [2, 4]: must be of one shape", || {
            swiglu(ones([2, 8], &device), ones([2, 4], &device))
        });
        refused("swiglu: gate [2, 8], up [1, 8]: must be of one shape", || {
            swiglu(ones([2, 8], &device), ones([1, 8], &device))
        });
        if device.supports_dtype(FloatDType::F16) {
            refused("swiglu: gate F32, up F16: must be of one dtype", || {
                swiglu(ones([2, 8], &device), ones([2, 8], &device).cast(FloatDType::F16))
            });
        }
    }
}

each_device! {
    fn attentions(device) {
        let plain = AttentionOptions::default();
        let run = |q: [usize; 4], k: [usize; 4], v: [usize; 4], options: AttentionOptions| {
            attention(ones(q, &device), ones(k, &device), ones(v, &device), None, options)
        };
        let fits = "must have the same B and D, as [B, T, H, D] and [B, S, K, D]";
        let (q, k) = ([2, 5, 4, 8], [2, 5, 2, 8]);
        run(q, k, k, plain);
        let refused_with = |message: String, [q, k, v]: [[usize; 4]; 3], options: AttentionOptions| {
            refused(&format!("attention: {message}"), || run(q, k, v, options));
        };
        refused_with(format!("q {q:?}, k [1, 5, 2, 8]: {fits}"), [q, [1, 5, 2, 8], [1, 5, 2, 8]], plain);
        refused_with(format!("q {q:?}, k [2, 5, 2, 4]: {fits}"), [q, [2, 5, 2, 4], [2, 5, 2, 4]], plain);
        let heads = "the heads of k must divide those of q";
        refused_with(format!("q {q:?}, k [2, 5, 3, 8]: {heads}"), [q, [2, 5, 3, 8], [2, 5, 3, 8]], plain);
        refused_with(format!("q {q:?}, k [2, 5, 0, 8]: {heads}"), [q, [2, 5, 0, 8], [2, 5, 0, 8]], plain);
        refused_with(format!("k {k:?}, v [2, 5, 2, 4]: must be of one shape"), [q, k, [2, 5, 2, 4]], plain);
        refused_with(format!("k {k:?}, v [2, 6, 2, 8]: must be of one shape"), [q, k, [2, 6, 2, 8]], plain);
        let later = AttentionOptions { start: 1, ..plain };
        refused_with("queries 1 .. 6 have 5 keys".into(), [q, k, k], later);
        let last = AttentionOptions { start: usize::MAX, ..plain };
        refused_with(format!("queries {0} .. {0} have 5 keys", usize::MAX), [q, k, k], last);
        refused_with("queries 0 .. 0 have 5 keys".into(), [[2, 0, 4, 8], k, k], plain);
        let blind = AttentionOptions { window: Some(0), ..plain };
        refused_with("window 0: a query sees its own key at least; none is None".into(), [q, k, k], blind);
        let flat = AttentionOptions { softcap: Some(0.0), ..plain };
        refused_with("softcap Some(0.0): must be positive".into(), [q, k, k], flat);
        refused("attention: documents [2, 4], k [2, 5, 2, 8]: must have a number for each key, [B, S]", || {
            let documents = Tensor::<2, Int>::zeros([2, 4], &device);
            attention(ones(q, &device), ones(k, &device), ones(k, &device), Some(documents), plain)
        });
        refused("attention: q [2, 5, 4, 8], sinks [2]: must have one sink a head", || {
            let [k, v] = [(); 2].map(|()| ones(k, &device));
            attention_with_sinks(ones(q, &device), k, v, ones([2], &device), None, plain)
        });
    }
}

each_device! {
    fn rotations(device) {
        let run = |q: [usize; 4], k: [usize; 4], cosines: [usize; 3], sines: [usize; 3]| {
            rotate(ones(q, &device), ones(k, &device), ones(cosines, &device), ones(sines, &device), false)
        };
        let (q, k, angles) = ([2, 5, 4, 8], [2, 5, 2, 8], [1, 5, 4]);
        run(q, k, angles, angles);
        run(q, k, [2, 5, 4], [2, 5, 4]);
        let rule = "angles must be [1, T, D / 2] or [B, T, D / 2]";
        for wrong in [[1, 4, 4], [1, 6, 4], [1, 5, 3], [3, 5, 4]] {
            refused(&format!("rotate: q {q:?}, cosines {wrong:?}: {rule}"), || run(q, k, wrong, wrong));
        }
        let alike = "must have the same B, T and D, and D even";
        for (q, k) in [(q, [2, 5, 2, 4]), (q, [2, 4, 2, 8]), (q, [1, 5, 2, 8]), ([2, 5, 4, 7], [2, 5, 2, 7])] {
            refused(&format!("rotate: q {q:?}, k {k:?}: {alike}"), || run(q, k, angles, angles));
        }
        refused("rotate: cosines [1, 5, 4], sines [2, 5, 4]: must be of one shape", || run(q, k, angles, [2, 5, 4]));
    }
}

each_device! {
    fn losses(device) {
        let options = CrossEntropyOptions::default();
        let run = |logits: Vec<Tensor<2>>, targets: usize| {
            cross_entropy(logits, Tensor::<1, Int>::zeros([targets], &device), options)
        };
        let logits = |rows: usize| ones([rows, 7], &device);
        refused("cross_entropy: logits [4, 7], targets [3]: must have a row of logits a target", || {
            run(vec![logits(4)], 3)
        });
        refused("cross_entropy: logits [2, 7], targets [3]: must have a row of logits a target", || {
            run(vec![logits(3), logits(2)], 3)
        });
        refused("cross_entropy: logits of no ids: there must be a shard of them", || run(vec![], 3));
        refused("cross_entropy: softcap Some(-1.0): must be positive", || {
            let options = CrossEntropyOptions { softcap: Some(-1.0), ..options };
            cross_entropy(vec![logits(3)], Tensor::<1, Int>::zeros([3], &device), options)
        });
    }
}

each_device! {
    /// Raw operations have no place on a tape.
    fn tapes(device) {
        let without = "is with autodiff: hand it over without, by inner()";
        let taped = || ones([4, 7], &device).autodiff().require_grad();
        refused(&format!("cross_entropy: logits [4, 7] {without}"), || {
            cross_entropy(vec![taped()], Tensor::<1, Int>::zeros([4], &device), CrossEntropyOptions::default())
        });
        refused(&format!("add_squares: x [4, 7] {without}"), || add_squares(None, taped()));
        refused(&format!("add_squares: before [1] {without}"), || {
            add_squares(Some(ones([1], &device).autodiff()), ones([4, 7], &device))
        });
        refused(&format!("adamw: gradient [4, 7] {without}"), || update(ones([4, 7], &device), None, taped()));
        refused(&format!("vjp: gradient [4, 7] {without}"), || vjp(taped() * 2.0, taped()));
        refused("vjp: y [4, 7], gradient [7, 4]: must be of one shape", || vjp(taped() * 2.0, ones([7, 4], &device)));
        refused("vjp: y [4, 7] is on no tape: none of what it was made of requires a gradient", || {
            vjp(ones([4, 7], &device).autodiff(), ones([4, 7], &device))
        });
        // Ids have no gradient, wherever they were made.
        let ids = Tensor::<1, Int>::zeros([4], &device.clone().autodiff());
        cross_entropy(vec![ones([4, 7], &device)], ids.clone(), CrossEntropyOptions::default());
        embedding(ones([4, 7], &device), ids.reshape([2, 2]), 0);
    }
}

/// Without decay or anything else of interest.
fn update(parameter: Tensor<2>, moments: Option<[Tensor<2>; 2]>, gradient: Tensor<2>) -> Tensor<2> {
    let numbers = AdamWNumbers {
        learning_rate: 1e-3,
        beta1: 0.9,
        beta2: 0.95,
        eps: 1e-8,
        weight_decay: 0.0,
        corrections: [0.5, 0.5],
    };
    let scalars = ones([2], &parameter.device().without_autodiff());
    adamw(parameter, moments, gradient, scalars, numbers).0
}

each_device! {
    fn updates(device) {
        let of = |rows: usize| ones([rows, 7], &device);
        update(of(4), Some([of(4), of(4)]), of(4));
        refused("adamw: parameter [4, 7], gradient [3, 7]: must be of one shape", || update(of(4), None, of(3)));
        refused("adamw: parameter [4, 7], second moment [5, 7]: must be of one shape", || {
            update(of(4), Some([of(4), of(5)]), of(4))
        });
        refused("add_squares: before [3], x [4, 7]: must go on from partial sums of this device, in f32", || {
            add_squares(Some(ones([3], &device)), of(4))
        });
    }
}

each_device! {
    fn packed_weights(device) {
        let weight = PackedMatrix::pack(&[1.0; 8 * 3], [8, 3], PackedForm::Q8, &device).expect("it can be packed");
        linear_packed(ones([2, 8], &device), &weight, None);
        refused("linear_packed: x [2, 3], weight [8, 3]: must be [.., in] and [in, out]", || {
            linear_packed(ones([2, 3], &device), &weight, None)
        });
        refused("linear_packed: weight [8, 3], bias [8]: must be [in, out] and [out]", || {
            linear_packed(ones([2, 8], &device), &weight, Some(ones([8], &device)))
        });
    }
}

each_device! {
    fn others(device) {
        let ids = || Tensor::<2, Int>::zeros([2, 3], &device);
        refused("embedding: table [0, 4], ids [2, 3]: must have rows whose ids, from 0 on, lie below 2^31", || {
            embedding(ones([0, 4], &device), ids(), 0)
        });
        refused("embedding: table [5, 4], ids [2, 3]: must have rows whose ids, from 2147483647 on, lie below 2^31", || {
            embedding(ones([5, 4], &device), ids(), 2_147_483_647)
        });
        refused("dropout: rate 1 is not in [0, 1)", || dropout(ones([2, 3], &device), Key::new(0), 1.0));
        refused("dropout: rate NaN is not in [0, 1)", || dropout(ones([2, 3], &device), Key::new(0), f64::NAN));
    }
}
