//! Pieces of published recipes: one a file, and all of them together.

use crate::golden::Golden;

mod gemma {
    against_pytorch!("gemma.safetensors");
}

mod gpt_oss {
    against_pytorch!("gpt_oss.safetensors");
}

mod nanochat {
    against_pytorch!("nanochat.safetensors");
}

mod all {
    against_pytorch!("recipes.safetensors");
}

hearth_wgsl::each_device! {
    /// With the tables in shards too, as a vocabulary too large for one binding has them.
    fn sharded_vocabulary(device) {
        let golden = Golden::read("recipes.safetensors").with_shards(5);
        golden.check_case("main", &device);
        golden.check_steps(&device);
    }
}
