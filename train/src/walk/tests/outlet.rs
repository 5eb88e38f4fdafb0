//! What leaves by an outlet, and what comes back.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};

use burn::tensor::Tensor;
use hearth_wgsl::each_device;

use super::{config, gradients, micro_batch, model, number_of_parameters};
use crate::walk::{Outlet, Sink, Walk, tests::TIME};

/// Hears what leaves.
#[derive(Clone, Debug, Default)]
struct Listener(Arc<Mutex<Vec<Vec<f32>>>>);

impl Outlet for Listener {
    fn send(&mut self, gradients: Tensor<1>) {
        self.0.lock().unwrap().push(gradients.into_data().iter().collect());
    }
}

impl Listener {
    fn heard(&self) -> Vec<Vec<f32>> {
        self.0.lock().unwrap().clone()
    }
}

each_device! {
    /// Each parameter's gradient once, segment by segment from the head to the embedding, in the last micro-batch alone;
    /// and what comes back is registered with names and shapes.
    fn gradients_leave_once_in_the_walks_order(device) {
        for (family, segments) in [
            ("stories260k", ["head.norm", "head.output", "blocks.1", "blocks.0", "embedding"].as_slice()),
            ("gpt2", ["head.norm", "blocks.1", "blocks.0", "embedding"].as_slice()),
        ] {
            let mut config = config(family);
            config.tied = family == "gpt2";
            let walk = Walk::new(&config, TIME, &device);
            let model = model(&config, &walk);
            let expected = gradients(&walk, &model);
            let listener = Listener::default();
            let mut sink = Sink::with_outlet(listener.clone());
            walk.train(&model, micro_batch(0, &device), None, 0.5, &mut sink);
            assert!(listener.heard().is_empty(), "nothing is final before the last micro-batch");
            sink.expect_last();
            walk.train(&model, micro_batch(1, &device), None, 0.5, &mut sink);

            let heard = listener.heard();
            assert_eq!(heard.len(), segments.len(), "{family}");
            assert_eq!(heard.iter().map(Vec::len).sum::<usize>(), number_of_parameters(&model));
            for (heard, segment) in heard.iter().zip(segments) {
                let of_segment = expected.iter().filter(|(name, _)| name.starts_with(segment));
                let values: Vec<f32> = of_segment.flat_map(|(_, values)| values.clone()).collect();
                assert_eq!(*heard, values, "{family}: {segment}");
            }

            let mut back = heard.into_iter();
            let sums = sink.with_sums(&device, || Ok::<_, Infallible>(back.next().unwrap())).unwrap();
            let named = sums.named(&model).into_iter();
            let named: Vec<_> = named.map(|(name, data)| (name, data.iter::<f32>().collect::<Vec<f32>>())).collect();
            assert_eq!(named, expected);
        }
    }
}
