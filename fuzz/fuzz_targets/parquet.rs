//! Rows of Parquet files. Started with HEARTH_SEEDS=FOLDER, it writes seeds there.

#![no_main]

mod parquet_seeds;

use libfuzzer_sys::fuzz_target;

fuzz_target!(
    init: {
        if let Some(folder) = std::env::var_os("HEARTH_SEEDS") {
            parquet_seeds::write(folder.as_ref());
        }
    },
    |data: &[u8]| hearth_fuzz::read_documents(hearth_fuzz::file("a.parquet", data), None)
);
