//! What `hearth --version` says besides its own version: the commit, and the versions of Burn and wgpu.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

fn main() {
    // Of the run, not of the compilation: a target directory may serve several clones.
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("..");
    let lock = root.join("Cargo.lock");
    println!("cargo::rerun-if-changed={}", lock.display());
    let versions = fs::read_to_string(lock).unwrap_or_default();
    let of = |name: &str| version_of(&versions, name).unwrap_or("of an unknown version");
    println!("cargo::rustc-env=HEARTH_BURN={}", of("burn"));
    println!("cargo::rustc-env=HEARTH_WGPU={}", of("wgpu"));
    println!("cargo::rustc-env=HEARTH_COMMIT={}", commit(&root).unwrap_or_else(|| "development build".into()));
}

fn version_of<'a>(lock: &'a str, name: &str) -> Option<&'a str> {
    let (_, package) = lock.split_once(&format!("name = \"{name}\"\nversion = \""))?;
    package.split('"').next()
}

/// The commit that is built, in a release build: another would be built anew after every commit.
fn commit(root: &Path) -> Option<String> {
    if env::var("PROFILE").is_ok_and(|profile| profile != "release") {
        return None;
    }
    println!("cargo::rerun-if-changed={}", root.join(".git/logs/HEAD").display());
    let output = Command::new("git").args(["rev-parse", "--short=10", "HEAD"]).current_dir(root).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
