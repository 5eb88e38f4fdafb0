//! What `tile.wgsl` fixes.

/// Rows of a workgroup; stands in `tile.wgsl` too.
pub(super) const ROWS: usize = 32;

/// Columns of a tile, of a kernel that has so many `tiles` of them: no more than there are queries or keys, and fewer in a
/// browser, which clears their memory before every workgroup.
pub(super) fn columns(queries: usize, keys: usize, tiles: usize) -> usize {
    let most = if cfg!(target_family = "wasm") { 32 / tiles } else { 64 };
    queries.max(keys).next_power_of_two().clamp(8, most)
}
