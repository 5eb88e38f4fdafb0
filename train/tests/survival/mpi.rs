//! Ranks that are processes. `cargo test --workspace --features hearth-train/mpi --test survival mpi`

use std::{
    fs::{self, File},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use super::{checkpoint, folder, losses, resume::kernels, state_of, succeeded};

const CPU: [&str; 4] = ["config.toml", "--device", "cpu", "--set"];

/// `mpirun -n RANKS hearth train ...`, more ranks than cores and as root allowed.
fn mpirun(folder: &Path, ranks: usize, arguments: &[&str]) -> Command {
    let mut command = launcher(folder);
    command.args(["-n", &ranks.to_string(), env!("CARGO_BIN_EXE_hearth"), "train"]).args(arguments);
    command.args(["--parallel", "mpi"]);
    command
}

fn launcher(folder: &Path) -> Command {
    let mut command = Command::new("mpirun");
    for name in ["OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "OMPI_MCA_rmaps_base_oversubscribe"] {
        command.env(name, "1");
    }
    command.current_dir(folder);
    command
}

/// Waits until it has ended. Open MPI 4.1 hangs now and then when all its ranks have ended (in `PMIx_server_finalize`): then
/// it is killed, and there is no status.
fn ended(launcher: &mut Child) -> Option<ExitStatus> {
    let (start, mut busy) = (Instant::now(), Instant::now());
    loop {
        if let Some(status) = launcher.try_wait().unwrap() {
            return Some(status);
        }
        if !ranks(launcher).is_empty() {
            busy = Instant::now();
        }
        if busy.elapsed() > Duration::from_secs(20) {
            launcher.kill().unwrap();
            launcher.wait().unwrap();
            return None;
        }
        assert!(start.elapsed() < Duration::from_secs(300), "the ranks do not end");
        sleep(Duration::from_millis(50));
    }
}

/// Whether the ranks may have ended well, and what they printed.
fn ran(mut command: Command, folder: &Path) -> (bool, String) {
    let printed = folder.join("printed.txt");
    let file = File::create(&printed).unwrap();
    command.stdout(file.try_clone().unwrap()).stderr(file);
    let status = ended(&mut command.spawn().unwrap());
    (status.is_none_or(|status| status.success()), fs::read_to_string(printed).unwrap())
}

/// Two and four processes, each with one micro-batch of two sequences, leave what one leaves that takes all of them.
#[test]
fn processes_come_to_the_bits_of_one() {
    let folder = folder();
    for ranks in [2, 4] {
        let name = ranks.to_string();
        let batch = format!("batch.accumulation={ranks}");
        let fixed = ["--set", "parallel.rebalance=0", "--out"];
        let alone = format!("one-{name}");
        let one = [&CPU[..], &[&batch], &fixed, &[&alone]].concat();
        succeeded(super::hearth(folder.path(), &one).output().unwrap());
        for (kind, setting) in [("whole", "false"), ("sharded", "true")] {
            let out = format!("{kind}-{name}");
            let shard = format!("parallel.shard_optimizer={setting}");
            let several = [&CPU[..], &[&batch, "--set", &shard], &fixed, &[&out]].concat();
            let (well, text) = ran(mpirun(folder.path(), ranks, &several), folder.path());
            assert!(well, "{text}");
            assert_eq!(text.matches("finished after 20 steps").count(), 1, "the first rank alone speaks: {text}");
            let states = [alone.clone(), out].map(|run| state_of(&checkpoint(&folder.path().join(run), 20)));
            assert!(states[0].0 == states[1].0 && states[0].1 == states[1].1, "{ranks} ranks, {kind}");
        }
    }
}

/// Each with a device and kernels of its own; on a machine that has chosen none yet.
#[test]
fn processes_on_wgpu_resume_to_the_bit() {
    if hearth_wgsl::testing::wgpu_device().is_none() {
        return;
    }
    let folder = folder();
    let run = |cache: &str, more: &[&str]| {
        let fixed = ["config.toml", "--device", "wgpu", "--set", "parallel.rebalance=0", "--out", "run"];
        let mut command = mpirun(folder.path(), 2, &[&fixed, more].concat());
        command.env("XDG_CACHE_HOME", folder.path().join(cache));
        let (well, text) = ran(command, folder.path());
        assert!(well, "{text}");
    };
    run("first", &[]);
    let last = checkpoint(&folder.path().join("run"), 20);
    let (whole, before) = (state_of(&last), [0, 1].map(|rank| kernels(&last, rank)));
    fs::remove_dir_all(&last).unwrap();
    run("second", &["--resume", "auto"]);
    assert!(state_of(&last) == whole);
    for (rank, before) in before.iter().enumerate() {
        let after = kernels(&last, rank);
        assert!(!before.is_empty() && before.iter().all(|(key, kernel)| after.get(key) == Some(kernel)), "rank {rank}");
    }
}

/// The processes of a run that have not ended.
fn ranks(launcher: &Child) -> Vec<i32> {
    let stat = |entry: fs::DirEntry| {
        let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
        let (_, rest) = stat.rsplit_once(')')?;
        let mut fields = rest.split_whitespace();
        let (state, parent) = (fields.next()?, fields.next()?);
        let is_rank = parent == launcher.id().to_string() && state != "Z";
        is_rank.then(|| entry.file_name().to_string_lossy().parse().ok())?
    };
    fs::read_dir("/proc").unwrap().flatten().filter_map(stat).collect()
}

/// A rank that is killed ends the run; its last checkpoint is whole, and the run goes on from there.
#[test]
fn a_rank_that_is_killed_ends_the_run_which_goes_on_from_its_checkpoint() {
    let folder = folder();
    let run = folder.path().join("run");
    let long = [&CPU[..], &["limits.steps=100000", "--out", "run"]].concat();
    let mut child = mpirun(folder.path(), 2, &long).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    kill_last(&mut child, &run);
    let step = *losses(&run).keys().last().unwrap() / 10 * 10 + 30;
    let limit = format!("limits.steps={step}");
    let on = [&CPU[..], &[&limit, "--out", "run", "--resume", "auto"]].concat();
    let (well, text) = ran(mpirun(folder.path(), 2, &on), folder.path());
    assert!(well && text.contains(&format!("finished after {step} steps")), "{text}");
}

/// What one rank has otherwise is told in one sentence, and nothing is trained.
#[test]
fn ranks_with_other_configurations_are_told() {
    let folder = folder();
    let hearth = env!("CARGO_BIN_EXE_hearth");
    let common = ["train", "config.toml", "--device", "cpu", "--parallel", "mpi", "--out", "run"];
    let mut command = launcher(folder.path());
    command.args(["-n", "1", hearth]).args(common).args([":", "-n", "1", hearth]).args(common);
    command.args(["--set", "optimizer.learning_rate=0.5"]);
    let (_, text) = ran(command, folder.path());
    assert!(!folder.path().join("run/model.safetensors").exists());
    let told = "rank 1 has optimizer.learning_rate = 0.5, and rank 0 has 0.001: start all with one";
    assert!(text.contains(told) && !text.contains("panicked"), "{text}");
}

/// Without `mpirun`, a process would train alone and not say so.
#[test]
fn one_process_alone_is_told_how_to_start() {
    let folder = folder();
    let arguments = [&CPU[..], &["parallel.rebalance=0", "--parallel", "mpi"]].concat();
    let output = super::hearth(folder.path(), &arguments).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && text.contains("start it as `mpirun -n 2"), "{text}");
}

/// `mpirun` lets no rank go on without another.
#[test]
fn what_processes_cannot_do_is_refused() {
    let folder = folder();
    for (ranks, setting, told) in [
        (2, "parallel.on_loss=continue", "start them again with --resume auto"),
        (3, "parallel.stages=2", "3 devices make no whole pipelines"),
    ] {
        let (_, text) = ran(mpirun(folder.path(), ranks, &[&CPU[..], &[setting]].concat()), folder.path());
        assert!(text.contains(told) && !text.contains("finished after"), "{text}");
    }
}

/// Two stages, four, and two pipelines of two that take a micro-batch each, whose optimizer is sharded or not, leave what one
/// process leaves.
#[test]
fn stages_that_are_processes_come_to_the_bits_of_one() {
    let folder = folder();
    let layers = ["--set", "model.layers=4", "--set", "parallel.rebalance=0"];
    let state = |name: &str| state_of(&checkpoint(&folder.path().join(name), 20));
    let one = [&CPU[..], &["seed=3"], &layers, &["--out", "one"]].concat();
    succeeded(super::hearth(folder.path(), &one).output().unwrap());
    let one = state("one");
    for (name, ranks, stages, sharded) in
        [("two", 2, 2, false), ("four", 4, 4, false), ("grid", 4, 2, false), ("sharded grid", 4, 2, true)]
    {
        let (stages, sharded) = (format!("parallel.stages={stages}"), format!("parallel.shard_optimizer={sharded}"));
        let several = [&CPU[..], &[&stages, "--set", &sharded], &layers, &["--out", name]].concat();
        let (well, text) = ran(mpirun(folder.path(), ranks, &several), folder.path());
        assert!(well, "{name}: {text}");
        assert_eq!(text.matches("finished after 20 steps").count(), 1, "the first rank alone speaks: {text}");
        let found = state(name);
        assert!(found.0 == one.0 && found.1 == one.1, "{name}");
    }
}

/// A stage is killed; the run goes on with two pipelines in place of one, and then on one device.
#[test]
fn a_stage_that_is_killed_ends_the_run_which_goes_on_with_others() {
    let folder = folder();
    let run = folder.path().join("run");
    let stages = ["parallel.stages=2", "--out", "run"];
    let long = [&CPU[..], &stages, &["--set", "limits.steps=100000"]].concat();
    let mut child = mpirun(folder.path(), 2, &long).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    kill_last(&mut child, &run);
    let step = *losses(&run).keys().last().unwrap() / 10 * 10 + 30;
    let on = |step: u64| ["--set".into(), format!("limits.steps={step}"), "--resume".into(), "auto".to_string()];
    let settings = on(step);
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    let (well, text) = ran(mpirun(folder.path(), 4, &[&CPU[..], &stages, &settings].concat()), folder.path());
    assert!(well && text.contains(&format!("finished after {step} steps")), "{text}");
    let settings = on(step + 10);
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    let alone = [&CPU[..], &["seed=3", "--out", "run"], &settings].concat();
    let text = succeeded(super::hearth(folder.path(), &alone).output().unwrap());
    assert!(text.contains(&format!("finished after {} steps", step + 10)), "{text}");
}

/// Kills the last rank with the checkpoint of step 20 behind it; the others end.
fn kill_last(child: &mut Child, run: &Path) {
    let start = Instant::now();
    while !checkpoint(run, 20).exists() {
        assert!(start.elapsed() < Duration::from_secs(120), "no checkpoint of step 20");
        sleep(Duration::from_millis(20));
    }
    let processes = ranks(child);
    assert_eq!(processes.len(), 2);
    let victim = *processes.last().unwrap();
    succeeded(Command::new("kill").args(["-9", &victim.to_string()]).output().unwrap());
    assert!(ended(child).is_none_or(|status| !status.success()));
}
