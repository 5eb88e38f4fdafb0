//! A disk that fills up.

use std::{fs, io::Write, path::Path, process::Command};

use super::{checkpoint, folder, hearth, succeeded};

/// A small file system, unmounted when it goes.
struct Small<'a>(&'a Path);

impl Drop for Small<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0).status();
    }
}

#[test]
fn earlier_checkpoints_stay_and_the_run_goes_on() {
    let folder = folder();
    let small = folder.path().join("small");
    fs::create_dir(&small).unwrap();
    // Room for one checkpoint of 340 kB and the model, and for no second one.
    let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=640k", "tmpfs"]).arg(&small).status();
    if !mount.is_ok_and(|status| status.success()) {
        let _ = writeln!(std::io::stderr(), "SKIPPED: only root can mount a small disk");
        return;
    }
    let _mounted = Small(&small);
    let text =
        succeeded(hearth(folder.path(), &["config.toml", "--device", "cpu", "--out", "small/run"]).output().unwrap());
    let warnings = text.matches("warning: a checkpoint was not written, and the run goes on: ").count();
    assert!(warnings >= 1 && text.contains("No space left on device"), "{text}");
    let whole = [5, 10].iter().filter(|step| checkpoint(&small.join("run"), **step).exists()).count();
    assert_eq!(whole, 1, "{text}");
    assert!(
        fs::read_dir(small.join("run"))
            .unwrap()
            .flatten()
            .all(|it| it.path().extension().is_none_or(|it| it != "part"))
    );

    // What stands is whole: the run goes on from it.
    let again = hearth(folder.path(), &["--resume", "small/run", "--device", "cpu"]).output().unwrap();
    assert!(succeeded(again).contains("going on from step "));
}

/// Figures, checkpoint and picture do not fit; the model does, for which room was kept.
#[test]
fn a_disk_that_fills_up_costs_warnings_and_not_the_model() {
    let folder = folder();
    let small = folder.path().join("small");
    fs::create_dir(&small).unwrap();
    let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=300k", "tmpfs"]).arg(&small).status();
    if !cfg!(target_os = "linux") || !mount.is_ok_and(|status| status.success()) {
        let _ = writeln!(std::io::stderr(), "SKIPPED: only root can mount a small disk");
        return;
    }
    let _mounted = Small(&small);
    fs::write(small.join("filler"), vec![1; 96 << 10]).unwrap();
    let settings = ["--set", "limits.steps=300", "--set", "evaluation.every=0", "--set", "checkpoint.every=0"];
    let files = ["--set", "sample.every=20", "--set", "report.tensorboard=true"];
    let arguments = [&["config.toml", "--device", "cpu", "--out", "small/run"], &settings[..], &files[..]].concat();
    let text = succeeded(hearth(folder.path(), &arguments).output().unwrap());
    assert_eq!(text.matches("are not kept, and the run goes on").count(), 1, "{text}");
    assert!(text.contains("warning: a checkpoint was not written"), "{text}");
    for name in ["samples.md", "TensorBoard's event file"] {
        assert!(text.matches(&format!("warning: {name} is not kept up, and the run goes on")).count() <= 1, "{text}");
    }
    assert!(text.contains("TensorBoard's event file is not kept up"), "{text}");
    assert!(small.join("run/model.safetensors").exists() && !small.join("run/.reserve").exists(), "{text}");
    let kept = super::curve(&small.join("run")).len();
    assert!((1..300).contains(&kept), "{kept} of 300 figures were kept");
}
