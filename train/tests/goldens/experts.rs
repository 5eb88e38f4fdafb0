//! Mixtures of experts as Mixtral and DeepSeek-V3 have them: both ways to balance, a shared expert, a block without experts.

use hearth_wgsl::each_device;

use crate::golden::{Golden, options};

fn check(file: &str, device: &burn::tensor::Device) {
    let golden = Golden::read(file);
    golden.check_case("main", device);
    golden.check_case("single", device);
    let mut options = options();
    options.optimizer.learning_rate = 2e-3;
    options.optimizer.router_bias_rate = golden.router_bias_rate;
    let trainer = golden.check_steps_by(options, device);
    for (at, block) in trainer.model().blocks.iter().enumerate() {
        if let Some(experts) = &block.experts {
            let name = format!("steps.blocks.{at}.experts.bias.after");
            golden.assert_close(&name, &experts.bias.val().into_data(), 1e-6);
        }
    }
}

each_device! {
    fn mixtral(device) {
        check("mixtral.safetensors", &device);
    }
}

each_device! {
    fn deepseek(device) {
        check("deepseek.safetensors", &device);
    }
}
