//! Configurations: what is read is written and read again, what is refused is refused by one line.

#![no_main]

use hearth_train::TrainConfig;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match TrainConfig::parse(text, "fuzzed", &[]) {
        Ok(config) => drop(TrainConfig::parse(&config.to_toml(), "again", &[]).unwrap()),
        Err(error) => {
            let error = error.to_string();
            assert!(error.starts_with("fuzzed: ") && !error.contains('\n'), "{error:?}");
        }
    }
});
