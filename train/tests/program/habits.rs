//! What people do with runs, taken from their reports of bugs in other programs.

use std::{
    fs,
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use super::support::{folder, hearth, refused};

pub const SECTIONS: &str = r#"
[schedule]
warmup_steps = 0
[limits]
steps = 4
[evaluation]
every = 0
"#;

/// Trains on the CPU into `out` with these settings; what was said.
pub fn train(folder: &Path, out: &str, more: &[&str], settings: &[&str]) -> String {
    let mut arguments = vec!["train", "run.toml", "--device", "cpu", "--out", out];
    arguments.extend(more);
    arguments.extend(settings.iter().flat_map(|setting| ["--set", setting]));
    let output = hearth(folder, &arguments);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{arguments:?}: {said}");
    said + &String::from_utf8(output.stdout).unwrap()
}

fn generate(folder: &Path, more: &[&str]) -> String {
    let greedy: &[&str] = if more.contains(&"--temperature") { &[] } else { &["--temperature", "0"] };
    let arguments = [&["generate", "--device", "cpu"], greedy, more].concat();
    let output = hearth(folder, &arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Values of a field of the run's metrics.
fn metrics(run: &Path, field: &str) -> Vec<f64> {
    let text = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let events = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    events.filter_map(|event| event[field].as_f64()).collect()
}

/// 16-bit ids as nanoGPT writes them.
fn write_ids(path: &Path, ids: impl IntoIterator<Item = u16>) {
    fs::write(path, ids.into_iter().flat_map(u16::to_le_bytes).collect::<Vec<u8>>()).unwrap();
}

#[test]
fn a_new_run_takes_weights_that_fit() {
    let folder = folder(SECTIONS);
    let folder = folder.path();
    train(folder, "base", &[], &["limits.steps=40"]);
    for (name, setting) in [
        ("dropout", "model.dropout=0.1"),
        ("spread", "model.init_std=0.05"),
        ("shards", "model.vocab_shard_bytes=4096"),
        ("shorter", "model.context_length=8"),
        ("capped", "model.logit_softcap=30.0"),
    ] {
        let said = train(folder, name, &["--resume", "base", "--fork"], &[setting, "optimizer.learning_rate=0"]);
        let field = setting.split('=').next().unwrap();
        assert!(said.contains(&format!("{field} = ")) && said.contains("its weights fit"), "{setting}: {said}");
        // Trained weights, in the order of their ids.
        let (new, old) = (metrics(&folder.join(name), "train_loss")[0], metrics(&folder.join("base"), "train_loss"));
        assert!(new < old[0] - 0.3, "{setting}: {new} is no loss of weights that came from {} to {}", old[0], old[39]);
    }
    train(folder, "rope", &[], &["model.positions=rope"]);
    let longer = ["model.positions=rope", "model.context_length=32"];
    train(folder, "longer", &["--resume", "rope", "--fork"], &longer);
    let fork = |setting| {
        refused(folder, &["train", "run.toml", "--resume", "base", "--fork", "--out", "no", "--set", setting])
    };
    for (setting, told) in [
        ("model.context_length=32", "model.context_length = 32, but the checkpoint's model has 16"),
        ("model.width=64", "model.width = 64, but the checkpoint's model has 32"),
        ("data.tokenizer=byte", "give data.tokenizer = \"base/step-00000040/tokenizer.json\""),
    ] {
        let sentence = fork(setting);
        assert!(sentence.contains(told), "{sentence}");
    }
}

/// The place in the data is counted in sequences, which stay seen.
#[test]
fn a_run_goes_on_with_another_batch_where_that_is_asked_for() {
    let folder = folder(SECTIONS);
    let folder = folder.path();
    train(folder, "run", &[], &[]);
    let settings = ["--set", "batch.micro_batch=3", "--set", "batch.accumulation=2", "--set", "limits.steps=6"];
    let resume = [&["train", "--resume", "run", "--device", "cpu"], &settings[..]].concat();
    let sentence = refused(folder, &resume);
    assert!(sentence.contains("= 6, but the checkpoint's run has 4 sequences a step; --change-batch"), "{sentence}");
    let output = hearth(folder, &[&resume[..], &["--change-batch"]].concat());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && said.contains("batch.micro_batch = 3 from here on, was 4"), "{said}");
    // 16 sequences were seen; the third of 6 that begin a step are those from 18 on.
    assert_eq!(
        metrics(&folder.join("run"), "tokens"),
        [0, 4, 8, 12, 16, 18, 24, 30].map(|sequences| f64::from(sequences * 16))
    );
    let state = fs::read(folder.join("run/step-00000006/state.json")).unwrap();
    let state: serde_json::Value = serde_json::from_slice(&state).unwrap();
    assert_eq!((&state["step"], &state["data"]), (&6.into(), &5.into()));
}

/// llm.c's issue 710: a loss must not depend on how many rows are measured at once, and not leave the tail out.
#[test]
fn an_evaluation_is_the_same_in_batches_of_any_size() {
    let folder = folder(SECTIONS);
    let losses: Vec<f64> = ["1", "3", "7", "8", "12", "64"]
        .map(|rows| {
            let settings = [
                &format!("batch.micro_batch={rows}"),
                "evaluation.batches=1000",
                "limits.steps=1",
                "evaluation.every=1",
            ];
            train(folder.path(), rows, &[], &settings);
            metrics(&folder.path().join(rows), "val_loss")[0]
        })
        .into();
    assert!(losses.iter().all(|loss| (loss - losses[0]).abs() < 1e-5), "{losses:?}");
}

#[test]
fn a_run_may_have_no_validation_part() {
    let folder = folder(SECTIONS);
    let folder = folder.path();
    let said = train(folder, "text", &[], &["data.validation_fraction=0", "evaluation.every=2"]);
    assert!(said.contains("no validation part") && !said.contains("NaN") && !said.contains("validation 0"), "{said}");
    assert!(metrics(&folder.join("text"), "val_loss").is_empty());
    assert!(folder.join("text/model.safetensors").exists() && folder.join("text/step-00000004").exists());
    let prepare = ["prepare", "text.txt", "--tokenizer", "byte", "--validation-fraction", "0", "--out", "tokens"];
    assert!(hearth(folder, &prepare).status.success());
    train(folder, "prepared", &[], &["data.tokens=tokens"]);
    fs::create_dir(folder.join("bin")).unwrap();
    write_ids(&folder.join("bin/train.bin"), (0..500).map(|it| it % 50));
    train(folder, "files", &[], &["data.tokens=bin", "data.tokenizer=byte"]);
    let patience = ["train", "run.toml", "--set", "data.validation_fraction=0", "--set", "evaluation.patience=2"];
    let sentence = refused(folder, &patience);
    assert!(sentence.starts_with("evaluation.patience = 2: there is no validation part"), "{sentence}");
    let short = refused(folder, &["train", "run.toml", "--set", "data.validation_fraction=0.001"]);
    assert!(short.starts_with("the validation part: ") && short.contains("data.validation_fraction"), "{short}");
}

#[test]
fn parts_of_bin_files_are_told_by_words() {
    let folder = folder(SECTIONS);
    let folder = folder.path();
    fs::create_dir(folder.join("bin")).unwrap();
    write_ids(&folder.join("bin/medieval_train_000.bin"), (0..4000).map(|it| it % 50));
    write_ids(&folder.join("bin/Retrieval-VAL.bin"), 0..5);
    let run = ["train", "run.toml", "--set", "data.tokens=bin", "--set", "data.tokenizer=byte"];
    let sentence = refused(folder, &run);
    assert!(sentence.contains("5 tokens"), "{sentence}");
    fs::rename(folder.join("bin/Retrieval-VAL.bin"), folder.join("bin/validated.bin")).unwrap();
    assert!(train(folder, "run", &[], &["data.tokens=bin", "data.tokenizer=byte"]).contains("no validation part"));
}

#[test]
fn a_rate_never_rises_by_itself() {
    let folder = folder(SECTIONS);
    let folder = folder.path();
    train(folder, "low", &[], &["optimizer.learning_rate=1e-5", "limits.steps=10"]);
    let rates = metrics(&folder.join("low"), "lr");
    assert!(rates.is_sorted_by(|a, b| a > b) && rates[0] == 1e-5, "{rates:?}");
    let steps = |steps: &str, out: &str| {
        let said = train(folder, out, &[], &["optimizer.learning_rate=0", &format!("limits.steps={steps}")]);
        assert!(said.contains("no weight will change"), "{said}");
        fs::read(folder.join(out).join("model.safetensors")).unwrap()
    };
    assert!(steps("1", "one") == steps("9", "nine"));
    let risen = train(folder, "risen", &[], &["optimizer.learning_rate=1e-4", "schedule.final_learning_rate=1e-2"]);
    assert!(risen.contains("schedule.final_learning_rate = 1e-2 is above optimizer.learning_rate = 1e-4"), "{risen}");
}

/// A run that was killed has checkpoints and no model.
#[test]
fn a_text_comes_from_the_newest_checkpoint() {
    let folder = folder(SECTIONS);
    let folder = folder.path();
    train(folder, "run", &[], &["checkpoint.every=2"]);
    let expected = generate(folder, &["run", "--tokens", "20"]);
    fs::remove_file(folder.join("run/model.safetensors")).unwrap();
    for name in ["run", "run/step-00000004"] {
        assert_eq!(generate(folder, &[name, "--tokens", "20"]), expected);
    }
    let output = hearth(folder, &["generate", "run", "--device", "cpu", "--tokens", "1"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("run/step-00000004"), "{output:?}");
    fs::create_dir(folder.join("empty")).unwrap();
    for (name, told) in [
        ("nowhere", "nowhere: is not there"),
        ("run.toml", "run.toml: is no folder"),
        ("empty", "empty: holds neither model.safetensors nor a checkpoint"),
    ] {
        let sentence = refused(folder, &["generate", name, "--device", "cpu"]);
        assert!(sentence.starts_with(told), "{sentence}");
    }
}

#[test]
fn prompts_and_stops_as_people_give_them() {
    let folder = folder(SECTIONS);
    let folder = folder.path();
    fs::write(folder.join("text.txt"), "- a - b ".repeat(1000)).unwrap();
    // A vocabulary that was made larger than the tokenizer's: what is beyond it is never drawn.
    let settings = ["optimizer.learning_rate=5e-3", "limits.steps=300", "data.stride=1", "model.vocab_size=64"];
    train(folder, "run", &[], &settings);
    let run = |more: &[&str]| generate(folder, &[&["run", "--tokens", "6"], more].concat());
    assert_eq!(run(&["--prompt", "- a"]), "- a - b -\n");
    fs::write(folder.join("prompt.txt"), "\u{feff}- a").unwrap();
    assert_eq!(run(&["--prompt-file", "prompt.txt"]), "- a - b -\n");
    assert_eq!(run(&["--prompt", "- a", "--stop", "b", "--stop", "zz"]), "- a - \n");
    assert_eq!(run(&["--prompt", "- a", "--stop", "- b"]), "- a \n");
    assert_eq!(run(&[]).len(), " ".len() + 6 + "\n".len());
    assert_eq!(run(&["--prompt", ""]), run(&[]));
    let more = ["run", "--prompt", "a", "--temperature", "2", "--tokens", "50", "--top-k", "100000"];
    let drawn = generate(folder, &more);
    assert_eq!(drawn.len(), 52, "{drawn}");
    let refused = |more: &[&str]| refused(folder, &[&["generate", "run", "--device", "cpu"], more].concat());
    assert!(refused(&["--stop", ""]).starts_with("--stop '':"));
    assert!(refused(&["--prompt", "xyz"]).starts_with("--prompt: 'x' is none of the characters"));
}

/// Several texts, for people and for programs, and a prompt from another program.
#[test]
fn texts_are_drawn_for_programs() {
    let folder = folder(SECTIONS);
    let folder = folder.path();
    train(folder, "run", &[], &[]);
    let more = ["generate", "run", "--device", "cpu", "--prompt", "the", "--tokens", "6"];
    let run = |own: &[&str]| {
        let output = hearth(folder, &[&more, own].concat());
        assert!(output.status.success(), "{own:?}: {}", String::from_utf8_lossy(&output.stderr));
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let seeds = ["5", "6"];
    let alone = seeds.map(|seed| run(&["--seed", seed, "--quiet"]));
    assert!(alone[0].0 != alone[1].0 && alone.iter().all(|(_, said)| said.is_empty()), "{alone:?}");

    let (both, said) = run(&["--seed", "5", "--num", "2"]);
    assert_eq!(both, format!("{}---------------\n{}", alone[0].0, alone[1].0));
    assert!(said.starts_with("12 tokens of 2 texts in ") && said.ends_with(" tokens/s\n"), "{said}");

    let (lines, said) = run(&["--seed", "5", "--num", "2", "--json"]);
    let objects: Vec<serde_json::Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((objects.len(), said.as_str()), (2, ""));
    for ((object, seed), (text, _)) in objects.iter().zip([5, 6]).zip(&alone) {
        assert_eq!((&object["seed"], &object["prompt"], &object["tokens"]), (&seed.into(), &"the".into(), &6.into()));
        assert_eq!(format!("the{}\n", object["text"].as_str().unwrap()), *text);
        assert_eq!(object["end"], "tokens");
        let [seconds, rate] = ["seconds", "tokens_per_second"].map(|field| object[field].as_f64().unwrap());
        assert!(seconds > 0.0 && (rate * seconds - 6.0).abs() < 1e-6, "{object}");
    }
    let last = alone[0].0.trim_end_matches('\n').chars().last().unwrap().to_string();
    let (line, _) = run(&["--seed", "5", "--json", "--stop", &last]);
    assert_eq!(serde_json::from_str::<serde_json::Value>(&line).unwrap()["end"], "stop", "{line}");

    assert_eq!(hearth(folder, &[&more[..], &["--num", "0"]].concat()).status.code(), Some(2));
    let sentence = refused(folder, &["generate", "run", "--device", "cpu", "--top-p", "1.5"]);
    assert_eq!(sentence, "top_p = 1.5: must be above 0 and at most 1");
}

#[test]
fn a_prompt_comes_from_standard_input() {
    let folder = folder(SECTIONS);
    let folder = folder.path();
    train(folder, "run", &[], &[]);
    let piped = |text: &[u8]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hearth"));
        command.args(["generate", "run", "--device", "cpu", "--tokens", "6", "--quiet", "--prompt-file", "-"]);
        command.current_dir(folder).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(text).unwrap();
        let output = child.wait_with_output().unwrap();
        [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap())
    };
    let [text, _] = piped(b"the");
    let given = hearth(folder, &["generate", "run", "--device", "cpu", "--tokens", "6", "--prompt", "the"]);
    assert_eq!(text.as_bytes(), given.stdout);
    let [_, said] = piped(b"the \xff");
    assert!(said.starts_with("error: standard input is not UTF-8 from byte 4"), "{said}");
    let [_, said] = piped(b"");
    assert!(said.starts_with("error: standard input"), "{said}");
}

/// The same values in other types of numbers give the same text.
#[test]
fn weights_of_other_widths_are_read() {
    let folder = folder(SECTIONS);
    let folder = folder.path();
    train(folder, "run", &[], &["limits.steps=60", "optimizer.learning_rate=1e-2"]);
    let file = fs::read(folder.join("run/model.safetensors")).unwrap();
    let (length, rest) = file.split_first_chunk::<8>().unwrap();
    let (header, values) = rest.split_at(u64::from_le_bytes(*length) as usize);
    let header: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(header).unwrap();
    let values: Vec<f32> = values.chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect();
    // As bf16 has them, which f32 and f64 hold without a loss.
    let upper = |value: &f32| (value.to_bits().wrapping_add(0x8000) >> 16) as u16;
    let rounded = |value: &f32| f32::from_bits(u32::from(upper(value)) << 16);
    let write = |kind: &str, width: usize, bytes: Vec<u8>| {
        let mut header = header.clone();
        for (_, tensor) in header.iter_mut().filter(|(name, _)| *name != "__metadata__") {
            tensor["dtype"] = kind.into();
            for offset in tensor["data_offsets"].as_array_mut().unwrap() {
                *offset = (offset.as_u64().unwrap() / 4 * width as u64).into();
            }
        }
        let header = serde_json::to_vec(&header).unwrap();
        let file = [&(header.len() as u64).to_le_bytes()[..], &header, &bytes].concat();
        fs::create_dir(folder.join(kind)).unwrap();
        for name in ["config.toml", "tokenizer.json"] {
            fs::copy(folder.join("run").join(name), folder.join(kind).join(name)).unwrap();
        }
        fs::write(folder.join(kind).join("model.safetensors"), file).unwrap();
    };
    write("F32", 4, values.iter().flat_map(|value| rounded(value).to_le_bytes()).collect());
    write("BF16", 2, values.iter().flat_map(|value| upper(value).to_le_bytes()).collect());
    write("F64", 8, values.iter().flat_map(|value| f64::from(rounded(value)).to_le_bytes()).collect());
    let text = |name: &str| generate(folder, &[name, "--tokens", "60", "--prompt", "the"]);
    assert_eq!(["BF16", "F64"].map(text), [text("F32"), text("F32")]);

    // Of a run that diverged, cut, and none at all.
    let broken = |bytes: &[u8]| {
        fs::write(folder.join("F32/model.safetensors"), bytes).unwrap();
        refused(folder, &["generate", "F32", "--device", "cpu", "--prompt", "the"])
    };
    let none =
        [&file[..8 + u64::from_le_bytes(*length) as usize], &f32::NAN.to_le_bytes().repeat(values.len())].concat();
    let sentence = broken(&none);
    assert!(sentence.ends_with("as those of a run that diverged: take an earlier checkpoint"), "{sentence}");
    for cut in [&file[..100], &file[..file.len() - 1], b""] {
        let sentence = broken(cut);
        assert!(sentence.starts_with("F32/model.safetensors: "), "{sentence}");
        assert!(sentence.ends_with("; it was cut or changed: take another checkpoint"), "{sentence}");
    }
    fs::remove_file(folder.join("F32/model.safetensors")).unwrap();
    fs::create_dir(folder.join("F32/model.safetensors")).unwrap();
    let sentence = refused(folder, &["generate", "F32", "--device", "cpu"]);
    assert_eq!(sentence, "F32/model.safetensors: is no file: give one of safetensors");
}

#[test]
fn a_run_may_be_quiet_and_tell_a_program() {
    let folder = folder(SECTIONS);
    let folder = folder.path();
    let quiet = ["train", "run.toml", "--device", "cpu", "--quiet"];
    let output = hearth(folder, &[&quiet[..], &["--json", "--out", "run"]].concat());
    assert!(output.status.success() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    let object: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&object["run"], &object["end"], &object["steps"]), (&"run".into(), &"limit".into(), &4.into()));
    assert_eq!(object["train_loss"].as_f64(), metrics(&folder.join("run"), "train_loss").last().copied());
    let spoken = train(folder, "two", &[], &["parallel.stages=2", "parallel.blocks=[]", "model.layers=2"]);
    assert!(spoken.contains("parallel.stages = 2 has no effect on one device"), "{spoken}");
    let logged = train(folder, "three", &["--log-level", "off"], &[]);
    assert!(logged.contains("step"), "{logged}");
}
