//! Forms of files that are not read as text: each is refused by its name, or by what it begins with.

use std::path::Path;

use super::fault::{FaultKind, FileFault};
use super::form::extension;

/// A form that is not read, how it is known, and what its owner can do.
struct Foreign {
    extensions: &'static [&'static str],
    /// What such a file begins with, each of them.
    magic: &'static [&'static [u8]],
    /// A clause.
    reason: &'static str,
}

const FOREIGN: &[Foreign] = &[
    Foreign {
        extensions: &[],
        magic: &[b"version https://git-lfs.github.com/spec/v1"],
        reason: "this is a pointer of Git LFS, not the data: run `git lfs pull` in its repository",
    },
    Foreign {
        extensions: &[],
        magic: &[b"HEARTHTK"],
        reason: "this is a shard that `hearth prepare` wrote: name the files that it was made from",
    },
    Foreign {
        extensions: &["arrow", "feather"],
        magic: &[b"ARROW1", b"\xff\xff\xff\xff", b"FEA1"],
        reason: "this is an Arrow file: convert it to Parquet (`Dataset.to_parquet` of Hugging Face's datasets)",
    },
    Foreign {
        extensions: &[],
        magic: &[b"PAR1"],
        reason: "this is a Parquet file: read it from a file whose name ends in .parquet",
    },
    Foreign {
        extensions: &["pt", "pth", "pkl", "pickle"],
        magic: &[b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"],
        reason: "this is a Python pickle: export its texts as JSON Lines",
    },
    Foreign {
        extensions: &["npy", "npz"],
        magic: &[b"\x93NUMPY"],
        reason: "this is a NumPy array: give text, or train on .bin files of tokens with data.tokens",
    },
    Foreign {
        extensions: &["bin", "safetensors", "gguf"],
        magic: &[b"GGUF"],
        reason: "this is binary data: give text, or train on .bin files of tokens with data.tokens",
    },
    Foreign {
        extensions: &["zip"],
        magic: &[b"PK\x03\x04", b"PK\x05\x06"],
        reason: "this is a zip archive, as office documents are too: unpack it, or save it as text",
    },
    Foreign {
        extensions: &["tar", "rar", "7z"],
        magic: &[b"7z\xbc\xaf\x27\x1c", b"Rar!\x1a\x07"],
        reason: "this is an archive: unpack it",
    },
    Foreign {
        extensions: &["lz4"],
        magic: &[b"\x04\x22\x4d\x18"],
        reason: "this is compressed with lz4: decompress it, or compress it with gzip, xz, bzip2 or zstd",
    },
    Foreign { extensions: &["pdf"], magic: &[b"%PDF-"], reason: "this is a PDF file: extract its text" },
    Foreign { extensions: &["rtf"], magic: &[b"{\\rtf"], reason: "this is a file of rich text: save it as plain text" },
    Foreign {
        extensions: &["sqlite", "sqlite3", "db"],
        magic: &[b"SQLite format 3\0"],
        reason: "this is a SQLite database: export its texts as CSV",
    },
    Foreign { extensions: &["h5", "hdf5"], magic: &[b"\x89HDF"], reason: "this is an HDF5 file: export its texts" },
];

/// Where the magic number of a tar archive stands.
const TAR_MAGIC_AT: usize = 257;
/// Bytes of a file that are enough for [`of_content`].
pub(super) const LONGEST_MAGIC: u64 = 512;

/// What is wrong with a file of the first bytes `head` as text, in a clause, if anything is known.
pub(super) fn of_content(head: &[u8]) -> Option<&'static str> {
    let begins = |foreign: &&Foreign| foreign.magic.iter().any(|magic| head.starts_with(magic));
    if head.get(TAR_MAGIC_AT..).is_some_and(|rest| rest.starts_with(b"ustar")) {
        return of_extension("tar");
    }
    FOREIGN.iter().find(begins).map(|foreign| foreign.reason)
}

/// The fault of a file whose name is of such a form.
pub(super) fn by_name(path: &Path) -> Option<FileFault> {
    of_extension(&extension(path)).map(|reason| not_text(path, reason))
}

fn of_extension(extension: &str) -> Option<&'static str> {
    FOREIGN.iter().find(|foreign| foreign.extensions.contains(&extension)).map(|foreign| foreign.reason)
}

/// The fault of a file that is none of text.
pub(super) fn not_text(path: &Path, reason: &str) -> FileFault {
    FileFault { kind: FaultKind::NotText, path: path.into(), place: None, reason: reason.to_owned() }
}
