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
    let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=600k", "tmpfs"]).arg(&small).status();
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
