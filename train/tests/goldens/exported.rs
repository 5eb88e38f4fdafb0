//! Published models exported and read again: the configuration, and the logits that Hugging Face's library had computed.
//!
//! With HEARTH_KEEP=FOLDER models of Hearth's presets are left there with logits, for exported.py.

use std::path::{Path, PathBuf};

use burn::tensor::{Device, Int, Tensor, TensorData};
use hearth_model::{
    ModelError, Transformer,
    weights::{Export, Exported, Precision, Published},
};

use crate::golden::{assert_close, read_tensors};

/// Every architecture of `pretrained`.
const NAMES: [&str; 14] = [
    "gpt2",
    "llama",
    "llama3",
    "llama_linear",
    "llama_yarn",
    "mistral",
    "mixtral",
    "qwen2",
    "qwen3",
    "qwen3_moe",
    "smollm3",
    "olmo2",
    "gemma2",
    "gemma3",
];

fn published(name: &str) -> (Published, Transformer) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/goldens/pretrained");
    open(&folder.join(name))
}

fn open(path: &Path) -> (Published, Transformer) {
    let published = Published::open(path).unwrap_or_else(|error| panic!("{error}"));
    let model = published.load(published.config(), &Device::flex()).unwrap_or_else(|error| panic!("{error}"));
    (published, model)
}

/// Checks that the model at `path` has the logits of the golden `name`.
fn check(name: &str, path: &Path) -> Published {
    let (published, model) = open(path);
    let (golden, _) = read_tensors(&format!("pretrained/{name}/golden.safetensors"));
    let logits = model.logits(Tensor::<2, Int>::from_data(golden["tokens"].clone(), &Device::flex())).into_data();
    assert_close(&format!("logits of {name}"), &logits, &golden["logits"], 1e-5);
    published
}

#[test]
fn folders_are_read_as_they_were() {
    let folder = tempfile::tempdir().unwrap();
    for name in NAMES {
        let (source, model) = published(name);
        let path = folder.path().join(name);
        // Some tensors a file, so that there is an index.
        let made = Export::new(&model, Precision::F32).shard_bytes(20_000).hugging_face(&path).unwrap();
        let kind = match name {
            "gemma3" => "gemma3_text",
            name => name.split('_').next().filter(|it| *it == "llama" || name == "llama3").map_or(name, |_| "llama"),
        };
        assert_eq!(made.architecture, kind, "{name}");
        assert!(path.join("model.safetensors.index.json").exists(), "{name}");
        let again = check(name, &path);
        let both = [source.config(), again.config()].map(|it| hearth_model::TransformerConfig {
            kv_heads: it.kv_heads(),
            head_width: it.head_width(),
            ffn_width: it.ffn_width(),
            expert_width: it.expert_width(),
            rope_layers: (0..it.layers).map(|layer| it.rotation(layer).is_some()).collect(),
            sliding_window: (0..it.layers).map(|layer| it.window(layer).unwrap_or(0)).collect(),
            attention_scale: it.attention_scale.map(|scale| scale as f32 as f64),
            ..it.clone()
        });
        assert_eq!(both[0], both[1], "{name}");
    }
}

#[test]
fn files_of_gguf_are_read_as_they_were() {
    let folder = tempfile::tempdir().unwrap();
    for name in NAMES {
        let (_, model) = published(name);
        let path = folder.path().join(format!("{name}.gguf"));
        let made = Export::new(&model, Precision::F32).gguf(&path, Vec::new());
        match name {
            "gemma2" => {
                // llama.cpp divides by the width of a head.
                let said = made.unwrap_err().to_string();
                assert!(
                    said.starts_with("model.attention_scale = 0.316") && said.contains("gemma2, has none"),
                    "{said}"
                );
                assert!(!path.exists());
            }
            _ => {
                let Exported { architecture, notes, .. } = made.unwrap_or_else(|error| panic!("{name}: {error}"));
                let expected = match name {
                    "qwen3_moe" => "qwen3moe",
                    "mistral" | "mixtral" | "llama3" | "llama_linear" | "llama_yarn" => "llama",
                    name => name,
                };
                assert_eq!(architecture, expected, "{name}");
                assert_eq!(notes.len(), usize::from(name == "mistral"), "{notes:?}");
                check(name, &path);
            }
        }
    }
}

/// What the numbers lose is what their bits say.
#[test]
fn halves_and_blocks_are_close() {
    let folder = tempfile::tempdir().unwrap();
    let (_, model) = published("qwen3");
    let (golden, _) = read_tensors("pretrained/qwen3/golden.safetensors");
    let logits = |path: &Path| -> Vec<f64> {
        let tokens = Tensor::<2, Int>::from_data(golden["tokens"].clone(), &Device::flex());
        open(path).1.logits(tokens).into_data().iter::<f64>().collect()
    };
    let expected: Vec<f64> = golden["logits"].iter::<f64>().collect();
    let largest = expected.iter().fold(0.0, |most: f64, it| most.max(it.abs()));
    let far = |path: &Path| {
        let pairs = logits(path).into_iter().zip(&expected);
        pairs.fold(0.0, |most: f64, (own, other)| most.max((own - other).abs())) / largest
    };
    for (precision, most) in [(Precision::F16, 2e-3), (Precision::Bf16, 2e-2), (Precision::Q8_0, 3e-2)] {
        let (file, hub) = (folder.path().join("a.gguf"), folder.path().join(precision.name()));
        let Exported { bytes, notes, .. } = Export::new(&model, precision).gguf(&file, Vec::new()).unwrap();
        assert!(far(&file) < most && bytes < 60_000, "{precision:?}: {} {bytes} {notes:?}", far(&file));
        let made = Export::new(&model, precision).hugging_face(&hub);
        match precision {
            Precision::Q8_0 => {
                assert!(made.unwrap_err().to_string().starts_with("dtype = q8_0: Hugging Face's folders"))
            }
            _ => assert!(made.is_ok() && far(&hub) < most, "{precision:?}: {}", far(&hub)),
        }
    }
    // Nothing stands beside what was written.
    let mut left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|it| it.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["a.gguf", "bf16", "f16"]);
}

/// Hearth's own presets, small, whose heads rotate as neighbours or have no biases.
#[test]
fn what_hearth_trains_is_what_others_compute() {
    use hearth_model::{TransformerConfig, preset};
    let folder = tempfile::tempdir().unwrap();
    for (name, kind) in
        [("gpt2", "gpt2"), ("shakespeare-cpu", "gpt2"), ("smollm2-135m", "llama"), ("stories15m", "llama")]
    {
        let config = TransformerConfig {
            vocab_size: 30,
            context_length: 16,
            layers: 2,
            init_std: 0.2,
            ..preset(name).unwrap().with_width(48, 4)
        };
        let model = config.init(5, &Device::flex()).unwrap();
        let tokens = || Tensor::<2, Int>::from_data([[3, 7, 29, 0, 12, 7, 7]], &Device::flex());
        let expected = model.logits(tokens()).into_data();
        let [hub, file, bin] = ["hub", "a.gguf", "a.bin"].map(|it| folder.path().join(it));
        let export = Export::new(&model, Precision::F32);
        assert_eq!(export.hugging_face(&hub).unwrap().architecture, kind);
        export.gguf(&file, Vec::new()).unwrap();
        for path in [&hub, &file] {
            assert_close(name, &open(path).1.logits(tokens()).into_data(), &expected, 1e-5);
        }
        keep(name, &export, &expected);
        match export.llama2c(&bin) {
            Ok(_) if name == "stories15m" => {
                assert_close(name, &open(&bin).1.logits(tokens()).into_data(), &expected, 1e-5);
            }
            Err(ModelError::Unexportable { what, .. }) if name != "stories15m" => {
                assert!(what.starts_with("model."), "{what}");
            }
            other => panic!("{name}: {other:?}"),
        }
    }
}

/// Leaves a model for Python, with what Hearth computes of [3, 7, 29, 0, 12, 7, 7].
fn keep(name: &str, export: &Export, logits: &TensorData) {
    let Some(kept) = std::env::var_os("HEARTH_KEEP") else { return };
    let folder = Path::new(&kept).join("presets");
    let hub = folder.join(name);
    export.hugging_face(&hub).unwrap();
    let logits: Vec<f32> = logits.iter::<f32>().collect();
    std::fs::write(hub.join("logits.json"), serde_json::to_string(&logits).unwrap()).unwrap();
}

#[test]
fn what_no_architecture_computes_is_told_by_its_field() {
    use hearth_model::{Activation, NormKind, TransformerConfig};
    let llama = TransformerConfig::llama(20, 8, 2, 16, 2);
    let folder = tempfile::tempdir().unwrap();
    for (config, field) in [
        (TransformerConfig { mlp: Activation::ReluSquared, ..llama.clone() }, "model.mlp = \"relu_squared\""),
        (TransformerConfig { norm: NormKind::Layer, ..llama.clone() }, "model.norm = \"layer\""),
        (TransformerConfig { logit_softcap: Some(15.0), ..llama.clone() }, "model.logit_softcap = 15.0"),
        (TransformerConfig { attention_sinks: true, ..llama.clone() }, "model.attention_sinks = true"),
        (TransformerConfig { value_embeddings: 2, ..llama.clone() }, "model.value_embeddings = 2"),
        (TransformerConfig { kv_rank: 8, rope_head_width: 4, ..llama.clone() }, "model.kv_rank = 8"),
    ] {
        let model = config.init(0, &Device::flex()).unwrap();
        let path = folder.path().join("a");
        let export = Export::new(&model, Precision::F32);
        for made in [export.hugging_face(&path), export.gguf(&path, Vec::new()), export.llama2c(&path)] {
            let said = made.unwrap_err().to_string();
            assert!(said.starts_with(field) && said.contains("the nearest, "), "{said}");
        }
        assert!(!path.exists());
    }
}
