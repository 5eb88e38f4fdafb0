//! The loss alone.

use burn::module::Module;
use hearth_wgsl::each_device;

use super::{TIME, config, micro_batch, model};
use crate::walk::Walk;

each_device! {
    /// The z-loss is a means of training: what is said of the model in nats per token does not have it.
    fn evaluation_has_no_z_loss(device) {
        let config = config("stories260k");
        let mut walk = Walk::new(&config, TIME, &device);
        let model = model(&config, &walk).valid();
        let loss = |walk: &Walk| walk.evaluate(&model, micro_batch(0, &device)).into_scalar::<f32>();
        let plain = loss(&walk);
        walk.loss.z_loss = 0.1;
        assert_eq!(loss(&walk), plain);
    }
}

each_device! {
    /// A model that is being trained is evaluated as it is.
    fn a_model_with_autodiff_is_evaluated_too(device) {
        let config = config("stories260k");
        let walk = Walk::new(&config, TIME, &device);
        let model = model(&config, &walk);
        let plain = walk.evaluate(&model.valid(), micro_batch(0, &device)).into_scalar::<f32>();
        assert_eq!(walk.evaluate(&model, micro_batch(0, &device)).into_scalar::<f32>(), plain);
    }
}
