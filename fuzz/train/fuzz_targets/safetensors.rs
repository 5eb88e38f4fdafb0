//! Tensors of a checkpoint, whose sizes and hashes are right.

#![no_main]

use std::sync::Arc;

use hearth_train::checkpoint::{Checkpoint, Description, Memory, NewCheckpoint, Store};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    let mut new = NewCheckpoint::create(&store, 1).unwrap();
    new.write("model.safetensors", data).unwrap();
    let name = new.finish(Description::default()).unwrap();
    let Ok(tensors) = Checkpoint::open(&store, &name).unwrap().tensors("model.safetensors") else { return };
    for name in tensors.names() {
        for shape in [&[][..], &[4], &[2, 3]] {
            let _ = tensors.get(name, shape);
        }
    }
});
