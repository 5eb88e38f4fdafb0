//! What `tile.wgsl` fixes.

/// Rows of a workgroup; stands in `tile.wgsl` too.
pub(super) const ROWS: usize = 32;
