//! From a published model and a file of chats to a tuned model for other programs, as docs/finetune.md has it.

use std::fs;

use super::support::{done, folder, hearth, refused};

const TEMPLATE: &str = "{% for m in messages %}<{{ m.role }}>{{ m.content }}\n{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}";

const TUNE: &str = r#"
[data]
tokens = "chats"
packing = "documents"
[model]
from = "base"
[model.adapter]
rank = 2
targets = ["query", "down"]
[batch]
micro_batch = 2
[optimizer]
learning_rate = 0.02
[limits]
steps = 6
[evaluation]
every = 3
batches = 2
"#;

/// A folder with a base as Hugging Face's library has it, chats that are prepared for it, and `tune.toml`.
fn prepared() -> tempfile::TempDir {
    let folder = folder("[limits]\nsteps = 2\n[evaluation]\nevery = 2\n");
    let path = folder.path();
    done(
        path,
        &[
            "train",
            "run.toml",
            "--device",
            "cpu",
            "--quiet",
            "--set",
            "data.tokenizer=byte",
            "--set",
            "model.preset=stories260k",
            "--set",
            "model.layers=1",
            "--set",
            "model.context_length=64",
        ],
    );
    done(path, &["export", "runs/run", "--to", "hf", "--out", "base"]);
    let chat = |n: usize| {
        format!(
            r#"{{"messages":[{{"role":"user","content":"What is {n}?"}},{{"role":"assistant","content":"{n} is a number."}}]}}"#
        )
    };
    fs::write(path.join("chats.jsonl"), (1..=40).map(chat).collect::<Vec<_>>().join("\n")).unwrap();
    fs::write(path.join("base/chat_template.jinja"), TEMPLATE).unwrap();
    fs::write(path.join("tune.toml"), TUNE).unwrap();
    done(
        path,
        &["prepare", "chats.jsonl", "--chat", "--tokenizer", "base", "--out", "chats", "--validation-fraction=0.2"],
    );
    folder
}

#[test]
fn chats_tune_a_published_model() {
    let folder = prepared();
    let folder = folder.path();
    let output = hearth(folder, &["train", "tune.toml", "--device", "cpu"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    assert!(said.contains("parameters are trained, beside the weights of ") && said.contains("base"), "{said}");
    let size = |name: &str| fs::metadata(folder.join(name)).unwrap().len();
    assert!(size("runs/tune/model.safetensors") < size("base/model.safetensors") / 4, "the base is written again");

    // Merged, as adapters beside the base, and as the run has it: the same text.
    done(folder, &["export", "runs/tune", "--to", "peft", "--out", "adapter"]);
    done(folder, &["export", "runs/tune", "--to", "hf", "--out", "merged"]);
    let text = |model: &str| {
        done(
            folder,
            &[
                "generate",
                model,
                "--prompt",
                "<user>What is 5?",
                "--tokens",
                "12",
                "--temperature",
                "0",
                "--device",
                "cpu",
            ],
        )
    };
    let own = text("runs/tune");
    assert_eq!([text("adapter"), text("merged")], [own.clone(), own]);
    let card = fs::read_to_string(folder.join("merged/README.md")).unwrap();
    assert!(card.contains("Trained with Hearth"), "{card}");
    assert!(fs::read_to_string(folder.join("merged/chat_template.jinja")).unwrap() == TEMPLATE);

    // The tokenizer of the base goes along, and tokens of another one are told.
    let names = ["tokenizer.json", "tokenizer_config.json"];
    assert!(
        names.iter().all(|name| fs::read(folder.join("merged").join(name)).unwrap()
            == fs::read(folder.join("base").join(name)).unwrap())
    );
    let other =
        ["train", "tune.toml", "--device", "cpu", "--set", "data.text=text.txt", "--set", "data.tokenizer=char"];
    let other = hearth(
        folder,
        &[&other[..], &["--set", "data.packing=windows", "--set", "limits.steps=1", "--out", "other"]].concat(),
    );
    let said = String::from_utf8_lossy(&other.stderr);
    assert!(other.status.success() && said.contains("warning: the tokens are not those of the tokenizer of"), "{said}");

    // What was tuned elsewhere is tuned on here; its settings are its own.
    let on = [
        "train",
        "tune.toml",
        "--device",
        "cpu",
        "--set",
        "model.from=adapter",
        "--set",
        "limits.steps=2",
        "--out",
        "on",
    ];
    done(folder, &on);
    let refusal = refused(folder, &[&on[..6], &["--set", "model.adapter.rank=5"]].concat());
    assert!(refusal.contains("model.adapter = ") && refusal.contains("leave it out"), "{refusal}");
}

#[test]
fn what_cannot_be_tuned_is_told() {
    let folder = prepared();
    let folder = folder.path();
    for (settings, told) in [
        (&["model.from=nowhere"][..], "model.from = \"nowhere\": there is no such folder or file"),
        (&["model.layers=3"], "model.layers = 3: the weights that it begins with have 1; leave it out"),
        (&["model.adapter.rank=0"], "model.adapter.rank = 0: must be from 1 to"),
        (&["model.adapter.targets=['querry']"], "did you mean \"query\"?"),
        (&["model.adapter.dropout=1"], "model.adapter.dropout = 1: must be at least 0 and under 1"),
        (&["model.adapter.targets=['key_value']"], "no block has such a projection"),
    ] {
        let sets = settings.iter().flat_map(|setting| ["--set", setting]);
        let arguments: Vec<&str> = ["check", "tune.toml"].into_iter().chain(sets).collect();
        let error = refused(folder, &arguments);
        assert!(error.contains(told) && !error.contains('\n'), "{error}");
    }
    let both = TUNE.replace("[model]\n", "[model]\npreset = \"gpt2\"\n");
    fs::write(folder.join("both.toml"), both).unwrap();
    let error = refused(folder, &["check", "both.toml"]);
    assert!(error.contains("model.preset and model.from: each says the whole shape; give one of them"), "{error}");

    done(folder, &["train", "tune.toml", "--device", "cpu", "--quiet", "--set", "limits.steps=1"]);
    done(folder, &["export", "runs/tune", "--to", "peft", "--out", "adapter"]);
    let generate = ["generate", "adapter", "--prompt", "a", "--tokens", "1", "--device", "cpu"];
    let config = fs::read_to_string(folder.join("adapter/adapter_config.json")).unwrap();
    let weights = fs::read(folder.join("adapter/adapter_model.safetensors")).unwrap();
    for (from, to, told) in [
        ("\"LORA\"", "\"IA3\"", "peft_type = \"IA3\": Hearth reads LORA"),
        ("\"use_dora\": false", "\"use_dora\": true", "use_dora = true: Hearth does not compute it"),
        ("\"r\": 2", "\"r\": 3", "and adapter_config.json makes it"),
        ("\"r\": 2", "\"r\": \"two\"", "field r is no number"),
        (
            "\"base_model_name_or_path\": ",
            "\"base_model_name_or_path\": \"adapter\", \"was\": ",
            "is an adapter itself",
        ),
        ("\"bias\": \"none\"", "\"bias\": \"all\"", "bias = \"all\": Hearth's adapters have none"),
        ("{", "[", "adapter_config.json"),
    ] {
        fs::write(folder.join("adapter/adapter_config.json"), config.replace(from, to)).unwrap();
        let error = refused(folder, &generate);
        assert!(error.contains(told) && !error.contains('\n'), "{error}");
    }
    fs::write(folder.join("adapter/adapter_config.json"), &config).unwrap();
    for cut in [0, 7, 100, weights.len() - 1] {
        fs::write(folder.join("adapter/adapter_model.safetensors"), &weights[..cut]).unwrap();
        assert!(refused(folder, &generate).contains("adapter_model.safetensors"));
    }
    fs::write(folder.join("adapter/adapter_model.safetensors"), &weights).unwrap();
    fs::rename(folder.join("base"), folder.join("elsewhere")).unwrap();
    assert!(refused(folder, &generate).contains("base_model_name_or_path = "));
    assert!(refused(folder, &["generate", "runs/tune", "--device", "cpu"]).contains("base"));
    assert!(
        refused(folder, &["train", "--resume", "runs/tune", "--set", "limits.steps=3", "--device", "cpu"])
            .contains("base")
    );
}
