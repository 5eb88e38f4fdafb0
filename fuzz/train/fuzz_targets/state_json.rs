//! `state.json` and `kernels.json` of a checkpoint.

#![no_main]

use std::sync::LazyLock;

use hearth_train::TrainConfig;
use hearth_train::checkpoint::KernelChoices;
use hearth_train::session::RunState;
use libfuzzer_sys::fuzz_target;

static CONFIG: LazyLock<TrainConfig> =
    LazyLock::new(|| TrainConfig::parse("[model]\npreset = \"shakespeare-cpu\"\n", "fuzzed", &[]).unwrap());

fuzz_target!(|json: &[u8]| {
    if let Ok(state) = serde_json::from_slice::<RunState>(json) {
        let _ = state.check(&CONFIG);
        let saved = serde_json::to_vec(&state).unwrap();
        assert_eq!(serde_json::from_slice::<RunState>(&saved).unwrap(), state);
    }
    if let Ok(kernels) = KernelChoices::parse(json) {
        KernelChoices::parse(&kernels.to_json()).unwrap();
    }
});
