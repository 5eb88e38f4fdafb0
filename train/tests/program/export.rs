//! Models for other programs.

use std::{fs, path::Path};

use super::support::{done, folder, hearth, refused};

const SECTIONS: &str = "[limits]\nsteps = 3\n[evaluation]\nevery = 3\nbatches = 1\n[checkpoint]\nevery = 3\n";

/// A folder with a run of three steps.
fn trained() -> tempfile::TempDir {
    let folder = folder(SECTIONS);
    done(folder.path(), &["train", "run.toml", "--device", "cpu"]);
    folder
}

/// What a model goes on with, always with the likeliest token.
fn greedy(folder: &Path, model: &str) -> String {
    let options = ["--prompt", "the", "--tokens", "12", "--temperature", "0", "--device", "cpu"];
    done(folder, &[&["generate", model], &options[..]].concat())
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_run_is_exported_and_goes_on_as_it_did() {
    let folder = trained();
    let folder = folder.path();
    let expected = greedy(folder, "runs/run");
    let said = done(folder, &["export", "runs/run", "--to", "hf", "--out", "out/hub"]);
    assert!(said.starts_with("out/hub: gpt2 with ") && said.contains(" in f32, "), "{said}");
    let hub = [
        "README.md",
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    ];
    assert_eq!(names(&folder.join("out/hub")), hub);
    assert_eq!(names(&folder.join("out")), ["hub"]);
    let card = fs::read_to_string(folder.join("out/hub/README.md")).unwrap();
    assert!(card.starts_with("---\nlibrary_name: transformers\n"), "{card}");
    assert!(card.contains("| steps | 3 of 3 |") && card.contains("| validation loss | "), "{card}");
    assert_eq!(greedy(folder, "out/hub"), expected);

    // A checkpoint, as a file, and a folder as another folder.
    done(folder, &["export", "runs/run/step-00000003", "--to", "gguf", "--out", "a.gguf", "--dtype", "f16"]);
    assert_eq!(greedy(folder, "a.gguf"), expected);
    done(folder, &["export", "out/hub", "--to", "hf", "--dtype", "bf16", "--out", "again"]);
    assert_eq!(names(&folder.join("again")), hub);
    let read = |name: &str| fs::read(folder.join(name).join("tokenizer.json")).unwrap();
    assert_eq!(read("again"), read("out/hub"));
    done(folder, &["export", "a.gguf", "--to", "hf", "--out", "of-file"]);
    assert_eq!(greedy(folder, "of-file"), expected);
}

#[test]
fn what_stands_there_is_replaced_when_it_is_a_model() {
    let folder = trained();
    let folder = folder.path();
    let export = |more: &[&'static str]| [&["export", "runs/run"], more].concat();
    let hub = ["--to", "hf", "--out", "hub"];
    done(folder, &export(&hub));
    let said = refused(folder, &export(&hub));
    assert!(said.starts_with("--out hub: is there already: give another name, or --force"), "{said}");
    done(folder, &export(&["--to", "hf", "--out", "hub", "--force", "--dtype", "f16"]));
    assert!(!names(folder).iter().any(|name| name.ends_with(".part") || name.ends_with(".old")));
    let said = refused(folder, &export(&["--to", "hf", "--out", "runs", "--force"]));
    assert!(said.contains("--force replaces a folder of a model alone"), "{said}");
    assert!(folder.join("runs/run/config.toml").exists());
    done(folder, &export(&["--to", "gguf", "--out", "a.gguf"]));
    let said = refused(folder, &export(&["--to", "gguf", "--out", "a.gguf"]));
    assert!(said.contains("is there already"), "{said}");
    done(folder, &export(&["--to", "gguf", "--out", "a.gguf", "--force"]));
}

#[test]
fn what_cannot_be_exported_is_told() {
    let folder = trained();
    let folder = folder.path();
    for (arguments, sentence) in [
        (&["--to", "hf", "--dtype", "q8_0", "--out", "a"][..], "--dtype q8_0: is of GGUF alone"),
        (&["--to", "llama2c", "--dtype", "f16", "--out", "a.bin"], "--dtype f16: llama2.c's .bin has f32 alone"),
        (&["--to", "gguf", "--out", "a"], "--out a: a file of GGUF is known by its name: let it end in .gguf"),
        (&["--to", "llama2c", "--out", "a.bin"], "no architecture of llama2.c that Hearth knows computes it"),
    ] {
        let said = refused(folder, &[&["export", "runs/run"], arguments].concat());
        assert!(said.contains(sentence), "{said}");
    }
    let output = hearth(folder, &["export", "runs/run", "--to", "hf", "--dtype", "int4", "--out", "a"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(2) && said.contains("it is one of f32, f16, bf16, q8_0"), "{said}");
    let said = refused(folder, &["export", "nowhere", "--to", "hf", "--out", "a"]);
    assert!(said.contains("nowhere: is not there"), "{said}");
    // What is exported computes something that nobody else does.
    done(folder, &["train", "run.toml", "--device", "cpu", "--set", "model.mlp=relu_squared", "--out", "runs/own"]);
    for form in [["hf", "a"], ["gguf", "a.gguf"]] {
        let said = refused(folder, &["export", "runs/own", "--to", form[0], "--out", form[1]]);
        assert!(said.starts_with("model.mlp = \"relu_squared\": no architecture of "), "{said}");
    }
    assert_eq!(names(folder), ["run.toml", "runs", "text.txt"]);
}

/// Nothing is left of what did not fit.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_leaves_nothing() {
    let folder = trained();
    let folder = folder.path();
    fs::create_dir(folder.join("small")).unwrap();
    let small = folder.join("small");
    let mount =
        std::process::Command::new("mount").args(["-t", "tmpfs", "-o", "size=16k", "tmpfs"]).arg(&small).status();
    if !mount.is_ok_and(|status| status.success()) {
        eprintln!("SKIPPED: only root can mount a small disk");
        return;
    }
    let said = [["hf", "small/hub"], ["gguf", "small/a.gguf"]]
        .map(|[form, out]| refused(folder, &["export", "runs/run", "--to", form, "--out", out]));
    let left = names(&small);
    std::process::Command::new("umount").arg(&small).status().unwrap();
    assert!(said.iter().all(|it| it.contains("No space left on device")), "{said:?}");
    assert!(left.is_empty(), "{left:?}");
}
