//! Panics of libraries that believe what a file says.

use std::any::Any;
use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    /// Whether a panic of this thread is caught, and so nobody's to hear of.
    static IS_CONTAINED: Cell<bool> = const { Cell::new(false) };
}

/// What `work` gives, or what it said as it panicked; that is said nowhere else. Whatever `work` had in its hands is of no use
/// after that.
///
/// # Errors
/// The message of the panic.
pub(crate) fn contained<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !IS_CONTAINED.get() {
                before(info);
            }
        }));
    });
    let was_contained = IS_CONTAINED.replace(true);
    let found = panic::catch_unwind(AssertUnwindSafe(work));
    IS_CONTAINED.set(was_contained);
    found.map_err(message)
}

fn message(panic: Box<dyn Any + Send>) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
    text.unwrap_or("without a word").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_its_message() {
        assert_eq!(contained(|| 3), Ok(3));
        assert_eq!(contained(|| -> u8 { panic!("{} bytes", 3) }), Err("3 bytes".into()));
        assert_eq!(contained(|| -> u8 { panic!("nothing") }), Err("nothing".into()));
        let within = contained(|| contained(|| -> u8 { panic!("within") }));
        assert_eq!(within, Ok(Err("within".into())));
    }
}
