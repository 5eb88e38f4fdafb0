//! Its commands: what each leaves, and one sentence for each mistake.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use hearth_model::ParameterCount;
use hearth_train::TrainConfig;

use super::support::{PLAYS, done, folder, hearth, refused};

const SECTIONS: &str = r#"
[limits]
steps = 6
[evaluation]
every = 3
batches = 2
[sample]
every = 6
tokens = 10
"#;

#[test]
fn a_run_leaves_its_folder_and_generates() {
    let folder = folder(SECTIONS);
    let output = hearth(folder.path(), &["train", "run.toml", "--device", "cpu"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let run = folder.path().join("runs/run");
    let metrics = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let records = metrics.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let events: Vec<_> = records.filter(|record| record.get("event").is_none()).collect();
    let with = |field: &str| events.iter().filter(|event| event.get(field).is_some()).count();
    assert_eq!((with("train_loss"), with("val_loss"), with("grad_norm"), with("lr")), (6, 3, 6, 6));
    assert!(events.iter().all(|event| event["tokens"] == event["step"].as_u64().unwrap() * 64));
    assert!(fs::read_to_string(run.join("loss.svg")).unwrap().starts_with("<svg"));
    let effective = fs::read_to_string(run.join("config.toml")).unwrap();
    assert!(effective.contains("vocab_size = ") && effective.contains("beta1 = 0.9"), "{effective}");

    let generate = |seed: &str| {
        let output =
            hearth(folder.path(), &["generate", "runs/run", "--tokens", "20", "--device", "cpu", "--seed", seed]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(generate("1"), generate("1"));
    assert_ne!(generate("1"), generate("2"));
    // The prompt (a line break), 20 characters, a line break.
    assert_eq!(generate("1").chars().count(), 22);

    let again = refused(folder.path(), &["train", "run.toml", "--device", "cpu", "--out", "runs/run"]);
    assert!(again.starts_with("runs/run already holds a run"), "{again}");
    let strange = refused(folder.path(), &["generate", "runs/run", "--prompt", "β", "--device", "cpu"]);
    assert!(strange.contains("'β'"), "{strange}");
    fs::write(run.join("model.safetensors"), [0; 40]).unwrap();
    assert!(refused(folder.path(), &["generate", "runs/run", "--device", "cpu"]).contains("model.safetensors"));
}

/// Has the program heed SIGINT, as on a terminal: where a shell runs these tests in its background, it is ignored.
#[cfg(unix)]
fn heeding_interrupts(command: &mut Command) -> &mut Command {
    use std::os::unix::process::CommandExt;
    let heed = || {
        // SAFETY: the default runs no code.
        unsafe { libc::signal(libc::SIGINT, libc::SIG_DFL) };
        Ok(())
    };
    // SAFETY: it allocates nothing and takes no lock.
    unsafe { command.pre_exec(heed) }
}

#[cfg(unix)]
#[test]
fn an_interrupt_ends_the_run_in_order() {
    let folder = folder(SECTIONS);
    let mut run = heeding_interrupts(&mut Command::new(env!("CARGO_BIN_EXE_hearth")))
        .args(["train", "run.toml", "--device", "cpu", "--set", "limits.steps=1000000"])
        .current_dir(folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let metrics = folder.path().join("runs/run/metrics.jsonl");
    let started = || fs::read_to_string(&metrics).is_ok_and(|text| text.lines().count() > 5);
    while !started() {
        assert!(run.try_wait().unwrap().is_none(), "the run ended by itself");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert!(Command::new("kill").args(["-INT", &run.id().to_string()]).status().unwrap().success());
    let output = run.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && text.starts_with("stopped after "), "{text}");
    for file in ["loss.svg", "model.safetensors"] {
        assert!(folder.path().join("runs/run").join(file).exists(), "{file}");
    }
}

/// Reading and tokenizing a text may take long, and there is nothing to save yet.
#[cfg(target_os = "linux")]
#[test]
fn an_interrupt_before_the_first_step_ends_at_once() {
    let folder = folder(SECTIONS);
    fs::write(folder.path().join("text.txt"), PLAYS.repeat(200)).unwrap();
    let run = heeding_interrupts(&mut Command::new(env!("CARGO_BIN_EXE_hearth")))
        .args(["train", "run.toml", "--device", "cpu", "--set", "limits.steps=1000000"])
        .current_dir(folder.path())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Until the program has a handler of its own for an interrupt, which is bit 1 of the signals that it catches.
    let status = format!("/proc/{}/status", run.id());
    let catches = || {
        let text = fs::read_to_string(&status).unwrap();
        let mask = text.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
        u64::from_str_radix(mask.trim(), 16).unwrap() & 2 != 0
    };
    while !catches() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    assert!(Command::new("kill").args(["-INT", &run.id().to_string()]).status().unwrap().success());
    let output = run.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(130) && said.contains("stopped before the first step"), "{output:?}");
    assert!(!folder.path().join("runs").exists());
}

/// A corpus in three forms becomes shards, and the shards a run.
#[test]
fn prepared_tokens_train() {
    let folder = folder(SECTIONS);
    let corpus = folder.path().join("corpus");
    fs::create_dir(&corpus).unwrap();
    let lines = |text: &str| -> String {
        text.split("\n\n").map(|text| format!("{}\n", serde_json::json!({ "text": text }))).collect()
    };
    fs::write(corpus.join("plays.jsonl"), lines(&PLAYS[..60_000])).unwrap();
    fs::write(corpus.join("more.txt"), &PLAYS[60_000..80_000]).unwrap();
    let prepare = ["prepare", "corpus", "--vocab-size", "300", "--validation-fraction", "0.1", "--out", "tokens"];
    for ending in ["finished", "was finished before"] {
        let output = hearth(folder.path(), &prepare);
        let stdout = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(stdout.starts_with(&format!("tokens: {ending}\n")), "{stdout}");
    }
    let train = |extra: &[&str]| {
        let mut arguments = vec!["train", "run.toml", "--device", "cpu", "--set"];
        arguments.extend(extra);
        hearth(folder.path(), &arguments)
    };
    let mixture = "data.mixture=[{tokens = \"tokens\", weight = 0.7}, {tokens = \"tokens\", weight = 0.3}]";
    for settings in
        [&["data.tokens=tokens"][..], &["data.tokens=tokens", "--set", "data.packing=documents"], &[mixture]]
    {
        let output = train(settings);
        assert!(output.status.success(), "{settings:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    let effective = fs::read_to_string(folder.path().join("runs/run/config.toml")).unwrap();
    assert!(effective.contains("vocab_size = 300"), "{effective}");
    let output = hearth(folder.path(), &["generate", "runs/run", "--tokens", "5", "--device", "cpu"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    let changed = refused(folder.path(), &["prepare", "corpus", "--tokenizer", "byte", "--out", "tokens"]);
    assert!(changed.contains("tokens") && changed.contains("tokenizer"), "{changed}");
    assert!(refused(folder.path(), &["prepare", "absent", "--tokenizer", "byte", "--out", "x"]).contains("absent"));
    fs::write(corpus.join("broken.jsonl"), "{\"text\": \"whole\"}\n{\"text\": \n").unwrap();
    let broken = ["prepare", "corpus/broken.jsonl", "--tokenizer", "byte", "--validation-fraction", "0", "--out", "y"];
    assert!(refused(folder.path(), &broken).contains("broken.jsonl"));
    let skipped = hearth(folder.path(), &[&broken[..], &["--faults", "skip"]].concat());
    let stderr = String::from_utf8(skipped.stderr).unwrap();
    assert!(skipped.status.success() && stderr.contains("left out: 1 places"), "{stderr}");
    let shard = folder.path().join("tokens/train-00000.shard");
    let bytes = fs::read(&shard).unwrap();
    fs::write(&shard, &bytes[..bytes.len() - 3]).unwrap();
    let cut = refused(folder.path(), &["train", "run.toml", "--device", "cpu", "--set", "data.tokens=tokens"]);
    assert!(cut.contains("train-00000.shard"), "{cut}");
    fs::create_dir(folder.path().join("empty")).unwrap();
    let empty = refused(folder.path(), &["train", "run.toml", "--device", "cpu", "--set", "data.tokens=empty"]);
    assert!(empty.contains("empty"), "{empty}");
}

#[test]
fn each_mistake_gets_one_sentence() {
    let folder = folder(SECTIONS);
    let train = |extra: &[&str]| {
        let mut arguments = vec!["train", "run.toml", "--device", "cpu"];
        arguments.extend(extra);
        refused(folder.path(), &arguments)
    };
    assert!(
        train(&["--set", "model.n_head=4"]).contains("model.n_head: there is no such field; did you mean model.heads?")
    );
    assert!(train(&["--set", "model.heads=5"]).contains("model.heads = 5: must divide width = 32"));
    assert!(train(&["--set", "model.vocab_size=3"]).contains("model.vocab_size = 3: the tokenizer has"));
    assert!(train(&["--set", "model.context_length=600"]).contains("`context_length` + 1 = 601"));
    // A path in the file is relative to the file, one on the command line to the working directory.
    fs::create_dir(folder.path().join("configs")).unwrap();
    fs::copy(folder.path().join("run.toml"), folder.path().join("configs/run.toml")).unwrap();
    assert!(refused(folder.path(), &["train", "configs/run.toml"]).contains("configs/text.txt"));
    let output =
        hearth(folder.path(), &["train", "configs/run.toml", "--device", "cpu", "--set", "data.text=text.txt"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(train(&["--set", "data.text=absent.txt"]).contains("absent.txt"));
    // Without evaluations there is no best checkpoint.
    let diverged = train(&["--set", "optimizer.learning_rate=1e30", "--set", "evaluation.every=0"]);
    assert!(
        diverged.contains("the last of 3 in a row; there is no checkpoint to go back to: the run has diverged"),
        "{diverged}"
    );
    assert!(train(&["--set", "checkpoint.keep_last=0"]).contains("checkpoint.keep_last = 0: must be from 1"));
    assert!(train(&["--set", "guard.loss_z=-1"]).contains("guard.loss_z = -1: must be 0 or more"));
    fs::write(folder.path().join("file"), "").unwrap();
    assert!(train(&["--out", "file/run"]).starts_with("file/run: making the run's folder failed"));
    assert!(refused(folder.path(), &["train", "absent.toml"]).starts_with("absent.toml: reading the configuration"));
    assert!(refused(folder.path(), &["generate", "absent"]).starts_with("absent: is not there"));
    let device = refused(folder.path(), &["train", "run.toml", "--device", "wgpu:99"]);
    assert!(device.contains("there is no device wgpu:99") || device.contains("no wgpu adapter"), "{device}");
    let planned = refused(folder.path(), &["plan", "run.toml", "--device", "cpu,cpu"]);
    let twice = refused(folder.path(), &["train", "run.toml", "--device", "cpu,cpu"]);
    assert_eq!(planned, twice);
    assert!(twice.starts_with("--device cpu: ") && twice.contains("is listed twice"), "{twice}");
    let tui = train(&["--tui"]);
    assert!(tui.contains("terminal"), "{tui}");
}

/// A bench opens no data: there is none here. Its parts come to the step.
#[test]
fn bench_times_a_step_and_its_parts() {
    let folder = folder(SECTIONS);
    fs::remove_file(folder.path().join("text.txt")).unwrap();
    let bench = |extra: &[&str]| {
        let mut arguments = vec!["bench", "run.toml", "--device", "cpu", "--steps", "2", "--warmup", "1"];
        arguments.extend(["--set", "model.vocab_size=65"].iter().chain(extra));
        let output = hearth(folder.path(), &arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    const PARTS: [&str; 9] =
        ["products", "attention", "norms", "gates", "other", "embedding", "head", "update", "rest"];
    let table = bench(&[]);
    let row = |name: &str| table.lines().find(|line| line.split_whitespace().next() == Some(name)).map(str::len);
    for name in PARTS.into_iter().chain(["part", "step", "tokens/s", "MFU"]) {
        assert!(row(name).is_some(), "{name}: {table}");
    }

    let recomputed = ["--set", "memory=recompute", "--set", "model.qk_norm=true", "--set", "batch.accumulation=2"];
    let llama = ["--set", "model.positions=rope", "--set", "model.mlp=swiglu", "--set", "model.kv_heads=1"];
    let text = bench(&[&recomputed[..], &llama, &["--json"]].concat());
    assert_eq!(text.lines().count(), 1, "{text}");
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let number = |path: &str| json.pointer(path).and_then(serde_json::Value::as_f64).expect(path);
    for path in ["/tokens_per_second", "/mfu", "/device_flops", "/flops_per_step", "/memory/planned_bytes", "/loss"] {
        assert!(number(path) > 0.0, "{path}: {text}");
    }
    assert_eq!((number("/tokens_per_step"), number("/steps")), (128.0, 2.0));
    let [median, min, max] = ["median", "min", "max"].map(|of| number(&format!("/step/{of}_ms")));
    assert!(0.0 < min && min <= median && median <= max, "{text}");
    let parts = json["parts"].as_array().unwrap();
    assert_eq!(parts.iter().map(|part| part["name"].as_str().unwrap()).collect::<Vec<_>>(), PARTS);
    let ms = |part: &serde_json::Value| part["ms"].as_f64().unwrap();
    assert!((parts.iter().map(ms).sum::<f64>() - median).abs() < 1e-6 * median, "{text}");
    for part in parts.iter().filter(|part| part["measured"] != "difference") {
        assert!(ms(part) > 0.0 && part["share"].as_f64().unwrap() > 0.0, "{part}");
    }
    let alone: serde_json::Value = serde_json::from_str(&bench(&["--step-only", "--json"])).unwrap();
    assert_eq!(alone["parts"], serde_json::json!([]));

    let vocabulary = refused(folder.path(), &["bench", "run.toml", "--device", "cpu"]);
    assert!(vocabulary.contains("model.vocab_size: a bench opens no data"), "{vocabulary}");
    assert!(refused(folder.path(), &["bench", "absent.toml"]).starts_with("absent.toml: reading the configuration"));
    let heads = refused(folder.path(), &["bench", "run.toml", "--set", "model.heads=5"]);
    assert!(heads.contains("model.heads = 5: must divide width = 32"), "{heads}");
    let budget = ["bench", "run.toml", "--device", "cpu", "--set", "model.vocab_size=65000", "--set"];
    let tight = refused(folder.path(), &[&budget[..], &["memory.budget_mib=1"]].concat());
    assert!(tight.contains("no plan fits in 1 MiB"), "{tight}");
}

/// What `benches/compare` measures: models of these sizes, so the same as PyTorch's.
#[test]
fn the_models_of_the_comparison_are_what_they_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../benches/models");
    let sizes = [
        ("nanogpt-cpu", 804_096),
        ("shakespeare", 811_904),
        ("l6-c384", 10_745_088),
        ("gpt2", 123_849_984),
        ("smollm2-135m", 134_515_008),
    ];
    for (name, size) in sizes {
        let config = TrainConfig::read(&folder.join(format!("{name}.toml")), &[]).unwrap();
        assert_eq!(ParameterCount::of(&config.model).total, size, "{name}");
    }
}

#[test]
fn devices_lists_the_cpu() {
    let output = hearth(Path::new("."), &["devices"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("cpu     CPU, ") && text.contains("--device auto takes "), "{text}");
}

/// Every command that prints, with nobody at the other end of its standard output, as after `hearth devices | head -1`: it ends
/// without a word and with the exit code of a program that SIGPIPE ended.
#[cfg(unix)]
#[test]
fn a_reader_that_has_gone_away_ends_a_command_quietly() {
    let folder = folder(SECTIONS);
    let unread = |arguments: &[&str]| {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = Command::new(env!("CARGO_BIN_EXE_hearth"));
        let output = command.args(arguments).current_dir(folder.path()).stdout(writer).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(!stderr.contains("panicked") && !stderr.contains("error:"), "{arguments:?}: {stderr}");
        assert_eq!(output.status.code(), Some(141), "{arguments:?}: {stderr}");
    };
    unread(&["train", "run.toml", "--device", "cpu"]);
    assert!(folder.path().join("runs/run/model.safetensors").exists(), "the run itself is whole");
    unread(&["generate", "runs/run", "--tokens", "20", "--device", "cpu"]);
    unread(&["plan", "run.toml", "--device", "cpu"]);
    unread(&["bench", "run.toml", "--device", "cpu", "--steps", "1", "--set", "model.vocab_size=65"]);
    unread(&["prepare", "text.txt", "--tokenizer", "byte", "--out", "tokens"]);
    unread(&["certify", "--device", "cpu"]);
    unread(&["devices"]);
}

/// What is asked for and cannot be written is an error, help too.
#[cfg(target_os = "linux")]
#[test]
fn help_that_cannot_be_written_is_an_error() {
    for arguments in [&["--help"][..], &["--version"], &["train", "--help"]] {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_hearth")).args(arguments).stdout(full).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("standard output cannot be written"));
    }
}

#[test]
fn plans_and_devices_are_told_to_programs() {
    let folder = folder(SECTIONS);
    let json = |arguments: &[&str]| -> Vec<serde_json::Value> {
        serde_json::from_str(&done(folder.path(), &[arguments, &["--json"]].concat())).unwrap()
    };
    let plan = json(&["plan", "run.toml", "--device", "cpu"]);
    let parts = plan[0]["parts"].as_object().unwrap().values();
    let sum: u64 = parts.map(|bytes| bytes.as_u64().unwrap()).sum();
    assert_eq!((plan.len(), &plan[0]["sequences"], &plan[0]["peak_bytes"]), (1, &4.into(), &sum.into()));
    assert!(sum < plan[0]["budget_bytes"].as_u64().unwrap());
    let devices = json(&["devices"]);
    assert_eq!((&devices[0]["device"], &devices[0]["adapter"]), (&"cpu".into(), &serde_json::Value::Null));
    for (number, device) in devices[1..].iter().enumerate() {
        assert_eq!(device["device"], format!("wgpu:{number}"));
        assert!(device["adapter"]["max_buffer_bytes"].as_u64().unwrap() > 1 << 20, "{device}");
    }
}
