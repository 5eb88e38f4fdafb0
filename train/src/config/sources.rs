//! Whether the data of a configuration is there.

use std::path::{Path, PathBuf};

use super::{DataConfig, TokenizerChoice, mistakes::told};
use crate::TrainError;

/// How paths are read, for whoever looks in another folder.
const RELATIVE: &str = "a path in a configuration is relative to its folder, one of --set to the working directory";

/// Endings of files of which a run would learn the syntax, or that are not text.
const FOR_PREPARE: [&str; 11] = ["json", "jsonl", "ndjson", "csv", "tsv", "parquet", "arrow", "gz", "zst", "xz", "bz2"];

impl DataConfig {
    /// Checks that the configuration says where the tokens are, and that they are there, for a run that is given none.
    ///
    /// # Errors
    /// A sentence that begins with `source`, the name of the configuration.
    pub fn require_source(&self, source: &str) -> Result<(), TrainError> {
        let mistakes = match self.sources() {
            0 => vec!["data: give data.text, a text file, or data.tokens, a folder that `hearth prepare` made".into()],
            _ => self.absent(),
        };
        if mistakes.is_empty() {
            return Ok(());
        }
        Err(TrainError::Config { source_name: source.into(), reason: told(mistakes) })
    }

    /// Every file and folder that is named and is not what it should be.
    fn absent(&self) -> Vec<String> {
        let text = self.text.iter().filter_map(|path| absent_text(path));
        let tokens = self.tokens.iter().filter_map(|path| absent_tokens("data.tokens", path));
        let part = |(at, path): (usize, &PathBuf)| absent_tokens(&format!("data.mixture[{at}].tokens"), path);
        let mixture = self.mixture.iter().map(|part| &part.tokens).enumerate().filter_map(part);
        let tokenizer = match &self.tokenizer {
            TokenizerChoice::File(path) if !path.exists() => Some(format!(
                "data.tokenizer = \"{}\": there is no such file or folder; give \"char\", \"byte\", or the path of a \
                 tokenizer (docs/tokenizers.md)",
                path.display()
            )),
            _ => None,
        };
        text.chain(tokens).chain(mixture).chain(tokenizer).collect()
    }
}

/// What is at `path`, where it is not a file of plain text.
fn absent_text(path: &Path) -> Option<String> {
    let at = path.display();
    if !path.exists() {
        return Some(format!("data.text: there is no file at {at}; {RELATIVE}"));
    }
    let ending = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    let found = match () {
        () if path.is_dir() => format!("is a folder: make tokens of what is in it by {}", prepare(path)),
        () if !path.is_file() => "is a pipe or a device: give a file, or pipe it to `hearth prepare -`".into(),
        () if FOR_PREPARE.contains(&&*ending) => format!(
            "is a .{ending} file, of which a run would learn the syntax: make tokens of its texts by {}, or name it .txt",
            prepare(path)
        ),
        () => return None,
    };
    Some(format!("data.text = \"{at}\": {found}"))
}

/// The command that makes tokens of what is at `path`, and the field that they are named in.
pub(crate) fn prepare(path: &Path) -> String {
    format!("`hearth prepare {} --vocab-size 8192 --out tokens`, and give data.tokens = \"tokens\"", path.display())
}

fn absent_tokens(field: &str, path: &Path) -> Option<String> {
    let at = path.display();
    if path.is_file() {
        return Some(format!("{field} = \"{at}\": is a file: give the folder that it is in, or data.text for a text"));
    }
    (!path.exists()).then(|| format!("{field}: there is no folder at {at}, as `hearth prepare` makes; {RELATIVE}"))
}
