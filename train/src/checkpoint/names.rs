//! What checkpoints are called in their store.

/// What the name of one that is being written ends with.
pub(super) const PART: &str = ".part";
/// What the name of one that is being removed or replaced ends with.
pub(super) const OLD: &str = ".old";

/// What every checkpoint's name begins with.
pub(super) const PREFIX: &str = "step-";

/// The name of a step's checkpoint.
pub(super) fn name(step: u64) -> String {
    format!("{PREFIX}{step:08}")
}

/// The step whose checkpoint has this name.
pub(super) fn step_of(folder: &str) -> Option<u64> {
    let step = folder.strip_prefix(PREFIX)?.parse().ok()?;
    (folder == name(step)).then_some(step)
}

/// The name of a file in a checkpoint.
pub(super) fn file(checkpoint: &str, file: &str) -> String {
    format!("{checkpoint}/{file}")
}
