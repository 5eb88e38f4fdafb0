//! The beginning of a run, in which a device may turn out to have less memory than was planned with.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind, set_hook, take_hook},
    sync::Mutex,
};

use crate::TrainError;

/// The panic hook belongs to the process.
static HOOK: Mutex<()> = Mutex::new(());

/// Does `work`, which must wait for all that it queues.
///
/// # Errors
/// Those of `work`; [`TrainError::OutOfMemory`] if an allocation was refused, however Burn told of it. `planned` is what
/// the work was thought to take, in bytes.
pub(super) fn with_refusals<R>(planned: u64, work: impl FnOnce() -> Result<R, TrainError>) -> Result<R, TrainError> {
    let refused = |text: &str| TrainError::OutOfMemory { bytes: planned, reason: first_sentence(text) };
    match quietly(work) {
        Ok(Err(TrainError::Device(text))) if is_refusal(&text) => Err(refused(&text)),
        Ok(result) => result,
        Err(panic) => {
            let text = message(panic.as_ref());
            if is_refusal(&text) { Err(refused(&text)) } else { resume_unwind(panic) }
        }
    }
}

/// Runs `work` and catches its panic without a trace on the screen; other threads' panics stay silent too, for wgpu's
/// refusal is one on Burn's own thread.
fn quietly<R>(work: impl FnOnce() -> R) -> Result<R, Box<dyn Any + Send>> {
    let _guard = HOOK.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let hook = take_hook();
    set_hook(Box::new(|info| log::debug!("{info}")));
    let result = catch_unwind(AssertUnwindSafe(work));
    set_hook(hook);
    result
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()
}

/// The words of wgpu, CubeCL 0.11 and Vulkan for an allocation that failed.
fn is_refusal(text: &str) -> bool {
    let text = text.to_lowercase();
    ["can't allocate", "never allocated", "out of memory", "outofmemory", "buffertoobig", "not enough memory"]
        .iter()
        .any(|words| text.contains(words))
}

fn first_sentence(text: &str) -> String {
    let start = text.to_lowercase().find("can't allocate").unwrap_or(0);
    text[start..].lines().next().unwrap_or_default().chars().take(160).collect()
}
