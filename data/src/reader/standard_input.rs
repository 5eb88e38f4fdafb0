//! Standard input among the paths of a corpus.

use std::path::Path;

/// The path that stands for standard input, as for other programs; a file of that name is `./-`.
const NAME: &str = "-";

/// Whether `path` stands for standard input.
pub(crate) fn is_standard_input(path: &Path) -> bool {
    path.as_os_str() == NAME
}
