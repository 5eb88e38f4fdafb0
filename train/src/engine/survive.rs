//! Work on a device that may fail: Burn tells of it by errors and by panics, on this thread and on its own.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::{AtomicUsize, Ordering},
};

use crate::{TrainError, error::DeviceError};

/// Does `work`, and turns whatever way the device fails into an error.
///
/// # Errors
/// Those of `work`; [`TrainError::OutOfMemory`] if an allocation was refused, where `planned` is what the work was
/// thought to take, in bytes; [`TrainError::DeviceLost`]; [`TrainError::Internal`] for any other panic.
pub(crate) fn surviving<R>(planned: u64, work: impl FnOnce() -> Result<R, TrainError>) -> Result<R, TrainError> {
    let text = match quietly(work) {
        Ok(Err(TrainError::Device(DeviceError::Failed { reason }))) => reason,
        Ok(result) => return result,
        Err(panic) => {
            let text = message(panic.as_ref());
            if !is_refusal(&text) && !is_loss(&text) {
                return Err(TrainError::Internal(text));
            }
            text
        }
    };
    // A device that is lost refuses memory too.
    Err(if is_loss(&text) {
        TrainError::DeviceLost { reason: cause_of_loss(&text), before: 0 }
    } else if is_refusal(&text) {
        TrainError::OutOfMemory { bytes: planned, reason: first_sentence(&text) }
    } else {
        DeviceError::failed(text).into()
    })
}

/// Runs `work` and catches its panic: in the program, whose feature is `cli`, without a trace on the screen. Other threads'
/// panics stay silent there too, for those of the device are on Burn's own thread.
fn quietly<R>(work: impl FnOnce() -> R) -> Result<R, Box<dyn Any + Send>> {
    #[cfg(feature = "cli")]
    silence_panics();
    QUIET.fetch_add(1, Ordering::Relaxed);
    let result = catch_unwind(AssertUnwindSafe(work));
    QUIET.fetch_sub(1, Ordering::Relaxed);
    result
}

/// Pieces of work under way whose panics are caught.
static QUIET: AtomicUsize = AtomicUsize::new(0);

/// Keeps panics off the screen while there is work under way whose panics are caught.
#[cfg(feature = "cli")]
fn silence_panics() {
    use std::{
        panic::{set_hook, take_hook},
        sync::Once,
    };
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |info| match QUIET.load(Ordering::Relaxed) {
            0 => before(info),
            _ => log::debug!("{info}"),
        }));
    });
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

/// CubeCL 0.11's words where the device was lost in the middle of a launch: then wgpu's reason is not passed on.
const LOST_IN_A_LAUNCH: &str = "was torn down before it could say";

/// The words of CubeCL 0.11 for a device that wgpu has lost.
fn is_loss(text: &str) -> bool {
    text.contains("device is poisoned") || text.contains(LOST_IN_A_LAUNCH)
}

/// wgpu's own words, which CubeCL puts last if it has them.
fn cause_of_loss(text: &str) -> String {
    match text.contains(LOST_IN_A_LAUNCH) {
        true => "in the middle of a launch, so that its driver's reason is not known".into(),
        false => first_line(text.rsplit("Caused by:").next().unwrap_or(text).trim()),
    }
}

fn first_sentence(text: &str) -> String {
    let start = text.to_lowercase().find("can't allocate").unwrap_or(0);
    first_line(&text[start..])
}

fn first_line(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default().trim_end_matches([':', ' ']);
    line.chars().take(160).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As they were printed on lavapipe.
    #[test]
    fn the_devices_words_are_understood() {
        let error =
            |text: &str| surviving(5 << 20, || Err::<(), _>(DeviceError::failed(text.into()).into())).unwrap_err();
        let lost = "the device failed: The device is poisoned\nCaused by:\n  The device is poisoned\nCaused by:\n  \
                    Destroyed: \nBacktrace:\nNo backtrace available";
        assert!(matches!(error(lost), TrainError::DeviceLost { reason, .. } if reason == "Destroyed"));
        let torn = "The work writing this buffer was torn down before it could say what went wrong: its write scope";
        assert!(
            matches!(error(torn), TrainError::DeviceLost { reason, .. } if reason.starts_with("in the middle of a launch"))
        );
        let refused = error("the device failed: can't allocate buffer of size: 77000000\nBacktrace:").to_string();
        assert!(refused.ends_with("about 5 MiB: can't allocate buffer of size: 77000000"), "{refused}");
        assert!(matches!(error("something else"), TrainError::Device(_)));
        let panicked = surviving::<()>(0, || panic!("index out of bounds")).unwrap_err().to_string();
        assert!(panicked.starts_with("this should not have happened") && panicked.ends_with("index out of bounds"));
    }
}
