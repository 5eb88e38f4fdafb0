//! Adapters as PEFT has them: a folder with `adapter_config.json` and `adapter_model.safetensors`.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use burn::{
    module::Param,
    tensor::{Device, Tensor, TensorData},
};
use serde_json::{Map, Value, json};

use super::{architecture::Architecture, export::choose, files::Files, names, shards};
use crate::{
    AdapterConfig, Linear, ModelError, Positions, Projection, RopeLayout, Transformer, TransformerConfig,
    weights::{
        broken,
        exported::{Exported, SpecialIds},
        parameters::paired,
        place::{Place, turned},
    },
};

const CONFIG: &str = "adapter_config.json";
const WEIGHTS: &str = "adapter_model.safetensors";

/// Fields of `adapter_config.json` that ask for what Hearth does not compute, where they are something else than nothing.
const UNKNOWN: [&str; 13] = [
    "alora_invocation_tokens",
    "alpha_pattern",
    "corda_config",
    "eva_config",
    "layer_replication",
    "loftq_config",
    "lora_bias",
    "modules_to_save",
    "rank_pattern",
    "trainable_token_indices",
    "use_bdlora",
    "use_dora",
    "use_qalora",
];

/// An adapter in a folder, as PEFT (Hugging Face's library of adapters) writes it.
pub struct PeftAdapter {
    folder: PathBuf,
    fields: Map<String, Value>,
    files: Files,
}

impl PeftAdapter {
    /// Whether there is one at `path`.
    pub fn is_at(path: &Path) -> bool {
        path.join(CONFIG).exists()
    }

    /// Opens a folder.
    ///
    /// # Errors
    /// Another kind of adapter than LoRA, a field that asks for what Hearth does not compute, and files that cannot be read.
    pub fn open(folder: &Path) -> Result<Self, ModelError> {
        let path = folder.join(CONFIG);
        let text = fs::read_to_string(&path).map_err(|cause| ModelError::Io { path: path.clone(), cause })?;
        let value: Value = serde_json::from_str(&text).map_err(|error| broken(&path, error))?;
        let Value::Object(fields) = value else { return Err(broken(&path, "must be an object of JSON")) };
        if fields.get("peft_type") != Some(&"LORA".into()) {
            let kind = fields.get("peft_type").cloned().unwrap_or_default();
            return Err(broken(&path, format!("peft_type = {kind}: Hearth reads LORA")));
        }
        let is_nothing = |value: &Value| match value {
            Value::Null | Value::Bool(false) => true,
            Value::Object(map) => map.is_empty(),
            Value::Array(list) => list.is_empty(),
            _ => false,
        };
        if let Some((name, value)) =
            fields.iter().find(|(name, value)| UNKNOWN.contains(&name.as_str()) && !is_nothing(value))
        {
            return Err(broken(&path, format!("{name} = {value}: Hearth does not compute it")));
        }
        if let Some(bias) = fields.get("bias").filter(|bias| **bias != "none") {
            return Err(broken(&path, format!("bias = {bias}: Hearth's adapters have none")));
        }
        Ok(Self { folder: folder.into(), fields, files: Files::of(folder.join(WEIGHTS), CONFIG)? })
    }

    /// What it says that it is beside: a path, or a name of Hugging Face's.
    pub fn base(&self) -> Option<&str> {
        self.fields.get("base_model_name_or_path")?.as_str()
    }

    /// What it is beside a model of this configuration.
    ///
    /// # Errors
    /// A field that is missing, and a tensor that is beside no projection of the model.
    pub fn config(&self, model: &TransformerConfig) -> Result<AdapterConfig, ModelError> {
        let path = self.folder.join(CONFIG);
        let field = |name: &str| self.fields.get(name);
        let missing = |name: &str| broken(&path, format!("field {name} is no number"));
        let rank = field("r").and_then(Value::as_u64).ok_or_else(|| missing("r"))?;
        let architecture = architecture_of(model)?;
        let mut targets: Vec<Projection> = Vec::new();
        let mut strangers: BTreeSet<&str> = self.files.names().collect();
        for layer in 0..model.layers {
            for (projection, name) in projections(architecture, layer) {
                let halves = halves(&name);
                if self.files.has(&halves[0]) && !targets.contains(&projection) {
                    targets.push(projection);
                }
                strangers.retain(|name| !halves.iter().any(|half| half == name));
            }
        }
        if let Some(name) = strangers.first() {
            let reason = format!("tensor {name} is beside no projection of the model: it is of another one");
            return Err(broken(&self.folder.join(WEIGHTS), reason));
        }
        targets.sort_by_key(|target| Projection::ALL.iter().position(|it| it == target));
        Ok(AdapterConfig {
            rank: usize::try_from(rank).unwrap_or(usize::MAX),
            alpha: field("lora_alpha").and_then(Value::as_f64).ok_or_else(|| missing("lora_alpha"))?,
            rank_stabilized: field("use_rslora") == Some(&true.into()),
            dropout: field("lora_dropout").and_then(Value::as_f64).unwrap_or(0.0),
            targets,
        })
    }

    /// `model`, which has no adapters, with these beside its projections.
    ///
    /// # Errors
    /// As [`PeftAdapter::config`]; a tensor that is missing or has another shape.
    pub fn beside(&self, model: Transformer) -> Result<Transformer, ModelError> {
        let config = model.config().clone();
        let adapter = self.config(&config)?;
        let device = model.device();
        let architecture = architecture_of(&config)?;
        let mut model = model.adapted(&adapter, 0)?;
        for (layer, block) in model.blocks.iter_mut().enumerate() {
            for (projection, name) in projections(architecture, layer) {
                let linear = block.projection_mut(projection);
                let Some(Linear { adapter: Some(own), .. }) = linear else { continue };
                let [down, up] = halves(&name);
                own.down = self.read(&down, own.down.dims(), &device, |values| values)?;
                own.up = self.read(&up, own.up.dims(), &device, |values| {
                    moved(values, projection, &config, config.rope_layout)
                })?;
            }
        }
        Ok(model)
    }

    /// A half `[a, b]`, which is stored as `[b, a]`.
    fn read(
        &self,
        name: &str,
        [inputs, outputs]: [usize; 2],
        device: &Device,
        arranged: impl FnOnce(Vec<f32>) -> Vec<f32>,
    ) -> Result<Param<Tensor<2>>, ModelError> {
        let stored = self.files.read(name, &[outputs, inputs], 0, outputs)?;
        let values = TensorData::new(arranged(turned(&stored, inputs)), [inputs, outputs]);
        Ok(Param::from_tensor(Tensor::from_data(values, device)))
    }
}

/// Writes the adapters of `model`, without the weights that they are beside, into `folder`, which is made where it is not there. `base`
/// is what PEFT is to put them beside: a path, or a name of Hugging Face's.
///
/// # Errors
/// A model without adapters, or that no architecture of Hugging Face's computes; a file that cannot be written.
pub fn save_peft(model: &Transformer, base: &str, folder: &Path) -> Result<Exported, ModelError> {
    let config = model.config();
    let Some(adapter) = &config.adapter else {
        let reason = "it has no adapters to be written alone".into();
        return Err(ModelError::Unexportable { what: "the model".into(), reason });
    };
    let architecture = architecture_of(config)?;
    let mut tensors: Vec<(String, [usize; 2], Vec<f32>)> = Vec::new();
    let mut targets = BTreeSet::new();
    for (layer, block) in model.blocks.iter().enumerate() {
        for (projection, linear) in block.projections() {
            let Some(own) = &linear.adapter else { continue };
            let found = projections(architecture, layer).into_iter().find(|(it, _)| *it == projection);
            let (_, name) = found.ok_or_else(|| ModelError::Unexportable {
                what: format!("model.adapter.targets has {:?}", projection.name()),
                reason: format!("{} has no such projection of its own", architecture.name()),
            })?;
            targets.insert(name.rsplit('.').next().unwrap_or_default().to_owned());
            let [down, up] = halves(&name);
            let values = |half: &Param<Tensor<2>>| half.val().into_data().iter::<f32>().collect::<Vec<_>>();
            let [inputs, rank] = own.down.dims();
            let [_, outputs] = own.up.dims();
            tensors.push((down, [rank, inputs], turned(&values(&own.down), rank)));
            let arranged = moved(values(&own.up), projection, config, RopeLayout::Half);
            tensors.push((up, [outputs, rank], turned(&arranged, outputs)));
        }
    }
    fs::create_dir_all(folder).map_err(|cause| ModelError::Io { path: folder.into(), cause })?;
    shards::write_plain(&folder.join(WEIGHTS), &tensors)?;
    let fields = json!({
        "base_model_name_or_path": base,
        "bias": "none",
        "fan_in_fan_out": architecture == Architecture::Gpt2,
        "inference_mode": true,
        "init_lora_weights": true,
        "lora_alpha": adapter.alpha,
        "lora_dropout": adapter.dropout,
        "peft_type": "LORA",
        "r": adapter.rank,
        "target_modules": targets,
        "task_type": "CAUSAL_LM",
        "use_dora": false,
        "use_rslora": adapter.rank_stabilized,
    });
    // Last, for a folder without it is no adapter.
    shards::write_json(&folder.join(CONFIG), &fields)?;
    let bytes = tensors.iter().map(|(.., values)| (values.len() * size_of::<f32>()) as u64).sum();
    let architecture = format!("LoRA beside {}", architecture.name());
    Ok(Exported { architecture, tensors: tensors.len(), bytes, notes: Vec::new() })
}

/// The architecture whose names PEFT has for the projections of such a model.
fn architecture_of(config: &TransformerConfig) -> Result<Architecture, ModelError> {
    Ok(choose(config, SpecialIds::default())?.of.0)
}

/// The projections of a block that are modules of their own in a model of this architecture, and their names.
fn projections(architecture: Architecture, layer: usize) -> Vec<(Projection, String)> {
    let layers = ["attention", "mlp"];
    let all = Projection::ALL.iter().flat_map(|it| layers.map(|layer| (*it, layer)));
    all.filter_map(|(projection, within)| {
        let own = format!("blocks.{layer}.{within}.{}.weight", projection.name());
        match names::place(architecture, &own)? {
            Place::Turned(name) | Place::Same(name) => Some((projection, name.trim_end_matches(".weight").to_owned())),
            _ => None,
        }
    })
    .collect()
}

/// The names of an adapter's halves beside a module, down and up.
fn halves(module: &str) -> [String; 2] {
    ["lora_A", "lora_B"].map(|half| format!("base_model.model.{module}.{half}.weight"))
}

/// The columns of what goes up to queries or keys, whose pairs are to be as `layout` has them: theirs are in halves.
fn moved(values: Vec<f32>, projection: Projection, config: &TransformerConfig, layout: RopeLayout) -> Vec<f32> {
    let turns = [Projection::Query, Projection::Key].contains(&projection) && config.positions == Positions::Rope;
    match turns && config.rope_layout == RopeLayout::Interleaved {
        true => paired(&values, config.head_width(), layout),
        false => values,
    }
}
