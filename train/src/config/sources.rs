//! Whether the data of a configuration is there.

use std::path::{Path, PathBuf};

use super::{DataConfig, TokenizerChoice, mistakes::told};
use crate::TrainError;

/// How paths are read, for whoever looks in another folder.
const RELATIVE: &str = "a path in a configuration is relative to its folder, one of --set to the working directory";

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

fn absent_text(path: &Path) -> Option<String> {
    let at = path.display();
    if path.is_dir() {
        return Some(format!(
            "data.text = \"{at}\": is a folder: run `hearth prepare {at} --out tokens`, and give data.tokens = \"tokens\""
        ));
    }
    (!path.exists()).then(|| format!("data.text: there is no file at {at}; {RELATIVE}"))
}

fn absent_tokens(field: &str, path: &Path) -> Option<String> {
    let at = path.display();
    if path.is_file() {
        return Some(format!("{field} = \"{at}\": is a file: give the folder that it is in, or data.text for a text"));
    }
    (!path.exists()).then(|| format!("{field}: there is no folder at {at}, as `hearth prepare` makes; {RELATIVE}"))
}
