//! A Llama with interleaved RoPE, QK-norm, a sliding window, a soft-cap, z-loss and a tied head.

use hearth_wgsl::each_device;

use crate::golden::Golden;

const FILE: &str = "options.safetensors";

each_device! {
    /// Odd length, with targets that do not count.
    fn logits_loss_and_gradients(device) {
        Golden::read(FILE).check_case("main", &device);
    }
}

each_device! {
    fn a_single_position(device) {
        Golden::read(FILE).check_case("single", &device);
    }
}

each_device! {
    fn ten_steps(device) {
        Golden::read(FILE).check_steps(&device);
    }
}
