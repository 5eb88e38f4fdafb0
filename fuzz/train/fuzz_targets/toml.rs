//! Configurations: what is read is written and read again, what is refused is refused by one line for each mistake.

#![no_main]

use hearth_train::TrainConfig;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match TrainConfig::parse(text, "fuzzed", &[]) {
        Ok(config) => drop(TrainConfig::parse(&config.to_toml(), "again", &[]).unwrap()),
        Err(error) => {
            let error = error.to_string();
            let mut lines = error.lines();
            let first = lines.next().unwrap_or_default();
            let count = first.strip_prefix("fuzzed: ").expect("the file comes first").strip_suffix(" mistakes");
            // Several are counted, and each has a line of its own.
            match (error.contains('\n'), count.and_then(|count| count.parse::<usize>().ok())) {
                (false, _) => {}
                (true, Some(count)) => {
                    assert_eq!(lines.filter(|line| line.starts_with("  ")).count(), count, "{error:?}")
                }
                (true, None) => panic!("{error:?}"),
            }
        }
    }
});
