//! What people give in place of a run: models of other programs.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use super::published::is_published;
use crate::TrainError;

/// Checks that `path` may be a run or a checkpoint.
///
/// # Errors
/// A sentence that says what it is instead, and what to give.
pub(super) fn refuse_foreign(path: &Path) -> Result<(), TrainError> {
    let refuse = |what: String| {
        let reason =
            format!("{what}: give the folder that `hearth train` made, as runs/NAME, or one of its checkpoints");
        Err(TrainError::Config { source_name: path.display().to_string(), reason })
    };
    if !path.exists() {
        return refuse("is not there".into());
    }
    if is_published(path) {
        return refuse("is a published model, which `hearth generate` reads and no run goes on from".into());
    }
    if !path.is_dir() {
        let form = form_of(path).map_or("is no folder".into(), |form| format!("is {form}, which is not read"));
        return refuse(form);
    }
    Ok(())
}

/// The form of a file of weights, by its first bytes or its name.
fn form_of(path: &Path) -> Option<&'static str> {
    let mut head = Vec::new();
    File::open(path).ok()?.take(8).read_to_end(&mut head).ok()?;
    let extension = PathBuf::from(path.extension().unwrap_or_default().to_ascii_lowercase());
    match (&head[..], extension.to_str()?) {
        ([b'G', b'G', b'U', b'F', ..], _) => Some("a model in GGUF's form without the name of one, .gguf"),
        ([b'P', b'K', 3, 4, ..] | [0x80, 2..=5, ..], _) | (_, "pt" | "pth" | "ckpt") => Some("a pickle of PyTorch's"),
        (_, "safetensors") => Some("a file of weights alone"),
        (_, "bin") => Some("a file of weights in a form of its own, as llama2.c's"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn other_programs_models_are_known() {
        let folder = tempfile::tempdir().unwrap();
        let said = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            fs::write(&path, bytes).unwrap();
            refuse_foreign(&path).unwrap_err().to_string()
        };
        for (name, bytes, form) in [
            ("model.gguf", &b"GGUF"[..], "published"),
            ("model", b"GGUF", "GGUF"),
            ("a.pt", b"", "PyTorch"),
            ("b", b"PK\x03\x04", "PyTorch"),
            ("c", b"\x80\x02}q", "PyTorch"),
            ("model.safetensors", b"\0", "weights alone"),
            ("stories.BIN", b"\0", "llama2.c"),
            ("notes.txt", b"text", "is no folder"),
        ] {
            let sentence = said(name, bytes);
            assert!(sentence.contains(form) && sentence.contains("give the folder"), "{sentence}");
        }
        assert!(refuse_foreign(&folder.path().join("nowhere")).unwrap_err().to_string().contains("is not there"));
        refuse_foreign(folder.path()).unwrap();
        said("config.json", b"{}");
        assert!(refuse_foreign(folder.path()).unwrap_err().to_string().contains("published"));
    }
}
