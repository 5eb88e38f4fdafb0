//! What a file's name says of its form.

use std::path::Path;

use super::compression::Compression;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    Plain,
    /// An array of objects, or an object a line.
    Json,
    /// Comma-separated values, or others.
    Csv {
        delimiter: u8,
    },
    Parquet,
}

impl Content {
    fn of_extension(extension: &str) -> Self {
        match extension {
            "json" | "jsonl" | "ndjson" => Self::Json,
            "csv" => Self::Csv { delimiter: b',' },
            "tsv" => Self::Csv { delimiter: b'\t' },
            "parquet" => Self::Parquet,
            _ => Self::Plain,
        }
    }

    /// What a text without a name is, by its first bytes: JSON where it begins as an object, or as an array of them.
    pub(super) fn of_head(head: &[u8]) -> Self {
        let mut bytes = head.iter().filter(|byte| !byte.is_ascii_whitespace());
        match (bytes.next(), bytes.next()) {
            (Some(b'{'), Some(b'"')) | (Some(b'['), Some(b'{')) => Self::Json,
            _ => Self::Plain,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Form {
    pub(super) content: Content,
    pub(super) compression: Option<Compression>,
}

impl Form {
    pub(super) fn of(path: &Path) -> Self {
        let compression = Compression::of_extension(&extension(path));
        let inner = if compression.is_some() { path.with_extension("") } else { path.to_owned() };
        Self { content: Content::of_extension(&extension(&inner)), compression }
    }

    /// Parquet is read from its end, so it cannot be streamed out of another compression.
    pub(super) fn is_wrapped_parquet(self) -> bool {
        self.content == Content::Parquet && self.compression.is_some()
    }
}

/// The extension of a file's name, in lower case.
pub(super) fn extension(path: &Path) -> String {
    path.extension().unwrap_or_default().to_string_lossy().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_tell_json_from_text() {
        for json in ["{\"text\":", " \n{ \"a", "[{", "[\n  {\"a"] {
            assert_eq!(Content::of_head(json.as_bytes()), Content::Json, "{json:?}");
        }
        for text in ["", "{", "{ x }", "[1]", "[a link](b)", "\"{\"", "fn main() {\""] {
            assert_eq!(Content::of_head(text.as_bytes()), Content::Plain, "{text:?}");
        }
    }
}
