//! `hearth init`.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, bail};
use clap::Args;
use hearth_model::TransformerConfig;
use hearth_train::{
    TrainConfig,
    config::{PolicyKind, schema},
    devices::{DeviceChoice, OpenDevice, open},
    files::write_whole,
    plan::{Rates, choose},
};

/// Write a configuration that trains as it stands, with comments, sized for the device.
#[derive(Args)]
pub struct InitCommand {
    /// The file to write.
    #[arg(default_value = "run.toml")]
    config: PathBuf,
    /// A published shape (see `hearth presets`). Default: a small Llama, larger on a GPU.
    #[arg(long, value_name = "NAME")]
    preset: Option<String>,
    /// The text to learn from, or a folder that `hearth prepare` made.
    #[arg(long, value_name = "FILE")]
    text: Option<PathBuf>,
    /// Write every field there is, not only those that are often changed.
    #[arg(long)]
    full: bool,
    /// The device to size it for: auto, cpu, wgpu or wgpu:N (see `hearth devices`).
    #[arg(long, default_value_t)]
    device: DeviceChoice,
    /// Write over a file that is there.
    #[arg(long)]
    force: bool,
}

/// Fields that are often changed.
const OFTEN: &[&str] = &[
    "seed",
    "data.text",
    "data.tokens",
    "data.tokenizer",
    "data.stride",
    "model.preset",
    "model.context_length",
    "model.layers",
    "model.width",
    "model.heads",
    "model.tied",
    "model.dropout",
    "model.init_std",
    "batch.micro_batch",
    "batch.accumulation",
    "optimizer.learning_rate",
    "optimizer.weight_decay",
    "schedule.kind",
    "schedule.warmup_steps",
    "limits.steps",
    "evaluation.every",
    "sample.every",
    "checkpoint.every",
];
/// The schema's file, beside the configuration.
const SCHEMA: &str = "hearth.schema.json";
/// Where the text is looked for, if none is named.
const TEXT: &str = "input.txt";

impl InitCommand {
    pub fn run(self) -> anyhow::Result<ExitCode> {
        if self.config.exists() && !self.force {
            bail!("{} is there already: give another name, or --force to write over it", self.config.display());
        }
        let text = self.text.clone().unwrap_or_else(|| self.folder().join(TEXT));
        let device = open(self.device)?;
        let mut config = match &self.preset {
            None => small(&device),
            Some(_) => self.of_preset()?,
        };
        self.name_data(&mut config, &text)?;
        fit(&mut config, &device);
        self.write(&config, &device)?;
        let mut out = io::stdout().lock();
        let (file, name) = (self.config.display(), &device.name);
        writeln!(
            out,
            "wrote {file}, sized for {name}, and {SCHEMA} beside it, by which editors complete and check it"
        )?;
        if self.text.is_none() && !self.folder().join(TEXT).exists() {
            writeln!(out, "put the text to learn from into {TEXT} beside it, or name another in data.text")?;
        }
        writeln!(out, "train: hearth train {file}")?;
        Ok(ExitCode::SUCCESS)
    }

    /// The preset's configuration, with the mistakes of its name told as in a file.
    fn of_preset(&self) -> anyhow::Result<TrainConfig> {
        let setting = format!("model.preset={}", self.preset.as_deref().unwrap_or_default());
        let mut config = TrainConfig::parse("", "--preset", &[setting])?;
        config.optimizer.learning_rate = match config.model.width {
            ..256 => 3e-3,
            256..512 => 1e-3,
            512..1024 => 6e-4,
            _ => 3e-4,
        };
        Ok(config)
    }

    fn folder(&self) -> &Path {
        self.config.parent().unwrap_or(Path::new(""))
    }

    /// Sets the data, and windows that a short text has room for.
    fn name_data(&self, config: &mut TrainConfig, text: &Path) -> anyhow::Result<()> {
        let at = text.display();
        // A path in the file is relative to its folder.
        let named = match (&self.text, self.folder() == Path::new("")) {
            (None, _) => TEXT.into(),
            (_, true) => text.to_path_buf(),
            (_, false) => std::path::absolute(text)?,
        };
        if text.join("prepare.json").exists() {
            config.data.tokens = Some(named);
            return Ok(());
        }
        if text.is_dir() {
            bail!("--text {at}: is a folder: prepare it by `hearth prepare {at} --out tokens`, and give --text tokens");
        }
        let length = match fs::metadata(text) {
            Ok(found) => found.len(),
            Err(_) if self.text.is_none() => u64::MAX,
            Err(cause) => bail!("--text {at}: cannot be read: {cause}"),
        };
        config.data.text = Some(named);
        // Windows at every offset, where a text is short enough to be seen many times.
        config.data.stride = usize::from(length < 10 << 20 || length == u64::MAX);
        while config.model.context_length > 8 && (config.model.context_length as u64) > length / 40 {
            config.model.context_length /= 2;
        }
        Ok(())
    }

    fn write(&self, config: &TrainConfig, device: &OpenDevice) -> anyhow::Result<()> {
        let folder = self.folder();
        let title = format!(
            "#:schema ./{SCHEMA}\n# Written by `hearth init` for {}. docs/config.md tells every field; `hearth check` tells mistakes.\n\n",
            device.name
        );
        let short = if self.full { None } else { Some(OFTEN) };
        let preset = self.preset.as_ref().map(|name| name.to_ascii_lowercase());
        let text = title + &config.to_commented_toml(preset.as_deref(), short);
        let write = |path: &Path, text: &str| {
            write_whole(path, text.as_bytes()).with_context(|| format!("{}: cannot be written", path.display()))
        };
        write(&self.config, &text)?;
        write(&folder.join(SCHEMA), &format!("{:#}\n", schema()))
    }
}

/// A small Llama for a CPU, a larger one for a GPU: the shapes of nanoGPT's two configurations for tiny Shakespeare.
fn small(device: &OpenDevice) -> TrainConfig {
    let is_gpu = device.compiles_kernels;
    let model = match is_gpu {
        false => TransformerConfig { init_std: 0.05, ..TransformerConfig::llama(0, 64, 4, 128, 4) },
        true => TransformerConfig { dropout: 0.2, ..TransformerConfig::llama(0, 256, 6, 384, 6) },
    };
    let mut config = TrainConfig::new(TransformerConfig { tied: true, ..model });
    (config.batch.micro_batch, config.optimizer.learning_rate) = if is_gpu { (64, 1e-3) } else { (12, 3e-3) };
    config.limits.steps = if is_gpu { 2000 } else { 1000 };
    config.sample.every = 500;
    config
}

/// Seconds of a step at most, where fewer sequences make it shorter.
const LONGEST_STEP: f64 = 2.0;

/// Halves the micro-batch until a step fits the device's memory, all of it kept, and is not long.
fn fit(config: &mut TrainConfig, device: &OpenDevice) {
    let rates = Rates::of_flops(device.flops());
    let mut planned = config.clone();
    planned.model.vocab_size = planned.model.vocab_size.max(256);
    planned.memory.policy = PolicyKind::Keep;
    while planned.batch.micro_batch > 1 {
        match choose(&planned, &device.limits, &rates) {
            Ok(choice) if choice.plan.seconds <= LONGEST_STEP => break,
            _ => planned.batch.micro_batch /= 2,
        }
    }
    config.batch.micro_batch = planned.batch.micro_batch;
}
