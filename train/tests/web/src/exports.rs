//! What `run.mjs` calls: numbers in and out, and bytes through buffers in the module's memory.
//!
//! There is no wasm-bindgen here. Of the imports that crates below declare by it, a run on the CPU calls one, for random
//! numbers; the script provides that, and a call of any other ends the test.

use std::{cell::RefCell, sync::Arc};

use hearth_train::checkpoint::{Memory, Store};

#[derive(Default)]
struct Page {
    memory: Memory,
    /// Bytes from the script.
    request: Vec<u8>,
    /// Bytes for the script.
    answer: Vec<u8>,
}

thread_local! {
    static PAGE: RefCell<Page> = RefCell::default();
}

unsafe extern "C" {
    fn __wasm_call_ctors();
}

/// Runs static constructors, which else would run again at each call, and tells panics to `answer`.
#[unsafe(no_mangle)]
pub extern "C" fn start() {
    // SAFETY: called once, before anything else.
    unsafe { __wasm_call_ctors() };
    std::panic::set_hook(Box::new(|info| answer(info.to_string().into_bytes())));
}

fn answer(bytes: Vec<u8>) {
    PAGE.with_borrow_mut(|page| page.answer = bytes);
}

/// Makes room for bytes from the script, and says where.
#[unsafe(no_mangle)]
pub extern "C" fn request(bytes: usize) -> *mut u8 {
    PAGE.with_borrow_mut(|page| {
        page.request = vec![0; bytes];
        page.request.as_mut_ptr()
    })
}

/// Where the answer is.
#[unsafe(no_mangle)]
pub extern "C" fn answer_start() -> *const u8 {
    PAGE.with_borrow(|page| page.answer.as_ptr())
}

/// Length of the answer in bytes.
#[unsafe(no_mangle)]
pub extern "C" fn answer_length() -> usize {
    PAGE.with_borrow(|page| page.answer.len())
}

/// Puts a file into the store: of the request, `name_length` bytes are its name and the others its content.
#[unsafe(no_mangle)]
pub extern "C" fn insert(name_length: usize) {
    PAGE.with_borrow_mut(|page| {
        let content = page.request.split_off(name_length);
        let name = String::from_utf8(std::mem::take(&mut page.request)).expect("a name is UTF-8");
        page.memory.insert(&name, content).expect("a name is FOLDER/FILE");
    });
}

/// Number of files in the store.
#[unsafe(no_mangle)]
pub extern "C" fn files() -> usize {
    PAGE.with_borrow(|page| page.memory.names().len())
}

/// Answers with the name of a file in the store.
#[unsafe(no_mangle)]
pub extern "C" fn name(index: usize) {
    PAGE.with_borrow_mut(|page| page.answer = page.memory.names()[index].clone().into_bytes());
}

/// Answers with the content of a file in the store.
#[unsafe(no_mangle)]
pub extern "C" fn content(index: usize) {
    PAGE.with_borrow_mut(|page| {
        let name = &page.memory.names()[index];
        page.answer = page.memory.get(name).expect("it is listed").to_vec();
    });
}

/// Trains until `steps`, from the newest checkpoint in the store if there is one, and leaves one there. Answers with the
/// losses of the steps and that of the validation, as JSON, and returns 1; with what went wrong, and 0.
#[unsafe(no_mangle)]
pub extern "C" fn train(steps: u32) -> u32 {
    let memory = PAGE.with_borrow(|page| page.memory.clone());
    let store: Arc<dyn Store> = Arc::new(memory);
    // On the CPU nothing has to be waited for.
    let trained = pollster::block_on(crate::train(&store, steps.into()));
    let succeeded = trained.is_ok();
    answer(match trained {
        Ok(losses) => serde_json::to_vec(&losses).expect("numbers"),
        Err(error) => error.to_string().into_bytes(),
    });
    succeeded.into()
}
