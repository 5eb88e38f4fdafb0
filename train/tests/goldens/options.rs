//! A Llama with interleaved RoPE, QK-norm, a sliding window, a soft-cap, z-loss and a tied head.

against_pytorch!("options.safetensors");

hearth_wgsl::each_device! {
    /// With the tied matrix in five shards, as a vocabulary too large for one binding has it.
    fn sharded_vocabulary(device) {
        let golden = crate::golden::Golden::read("options.safetensors").with_shards(5);
        golden.check_case("main", &device);
        golden.check_steps(&device);
    }
}
