//! How several devices share the work of a step.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How several devices share the work of a step; one device alone reads none of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ParallelConfig {
    /// Pipeline stages: devices that one model is spread over, each with consecutive blocks of it, which micro-batches pass in
    /// turn (1F1B); twice as many devices make two such pipelines, and so on. Default 1: each device has the whole model.
    pub stages: usize,
    /// Number of blocks of each stage, as in `[8, 4]`. Default: as many as make the slowest stage fastest, of what fits the
    /// memory of each device.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub blocks: Vec<usize>,
    /// Whether the experts of each block are dealt out over the devices of this process, of which the first has all the rest
    /// (expert parallelism, as in GShard, Lepikhin et al. 2020, arXiv 2006.16668). Default false: each device has a model.
    pub experts: bool,
    /// Whether the optimizer's state is sharded: each device updates its shard of every parameter, and the shards are gathered
    /// after each update. 8 + 8/D bytes a parameter on D devices in place of 16 (ZeRO stage 1, Rajbhandari et al. 2020,
    /// arXiv 1910.02054). Default false.
    pub shard_optimizer: bool,
    /// Steps between rebalances: each device is assigned rows by the time that it took for its own, where that makes steps at
    /// least a tenth shorter; 0 leaves the rows as they were at the start. Default 20.
    pub rebalance: u64,
    /// What a run does that loses one of its devices: `"end"` (default) or `"continue"`.
    pub on_loss: OnLoss,
    /// For slow links: steps that each device takes by itself until the changes of all are averaged (DiLoCo, Douillard et
    /// al. 2023, arXiv 2311.08105, which takes 500). 0 (default) all-reduces the gradients of every step.
    pub local_steps: u64,
    /// Learning rate of the averaged change. Default 0.7, DiLoCo's.
    pub outer_learning_rate: f64,
    /// Nesterov momentum of the averaged change. Default 0.9, DiLoCo's.
    pub outer_momentum: f64,
    /// Whether changes are sent as 8-bit integers with a scale for each 256 of them, a quarter of the bytes (as in
    /// INTELLECT-1, Jaghouar et al. 2024, arXiv 2412.01152). Default false.
    pub quantize: bool,
}

/// What a run does that loses one of its devices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum OnLoss {
    /// The run ends; `--resume` goes on, also with other devices.
    #[default]
    End,
    /// The run goes back to its last checkpoint and on with the devices that are left; without the first device it ends.
    /// Refused where the model is in stages, and where ranks are processes.
    Continue,
}

impl Default for ParallelConfig {
    fn default() -> Self {
        Self {
            stages: 1,
            blocks: Vec::new(),
            experts: false,
            shard_optimizer: false,
            rebalance: 20,
            on_loss: OnLoss::End,
            local_steps: 0,
            outer_learning_rate: 0.7,
            outer_momentum: 0.9,
            quantize: false,
        }
    }
}

impl ParallelConfig {
    /// What is set that one device alone has no use for, as a note.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn idle_on_one(&self) -> Option<String> {
        let fields = [
            (self.stages > 1).then(|| format!("parallel.stages = {}", self.stages)),
            self.experts.then(|| "parallel.experts = true".into()),
            self.shard_optimizer.then(|| "parallel.shard_optimizer = true".into()),
            (self.local_steps > 0).then(|| format!("parallel.local_steps = {}", self.local_steps)),
        ];
        let set = fields.into_iter().flatten().collect::<Vec<_>>().join(", ");
        let note = "has no effect on one device; name several, as in --device wgpu:0,wgpu:1";
        (!set.is_empty()).then(|| format!("{set} {note}"))
    }

    /// Checks the values beside the model's number of blocks and the steps between checkpoints.
    ///
    /// # Errors
    /// The field, its value and what would do.
    pub(super) fn validate(&self, layers: usize, checkpoint_every: u64) -> Result<(), String> {
        if self.stages == 0 {
            return Err("parallel.stages = 0: a model is on one device at least".into());
        }
        if self.stages > 1 && self.local_steps > 0 {
            return Err(format!(
                "parallel.stages = {}: the gradients of pipelines are added up in every step; leave out \
                 parallel.local_steps = {}",
                self.stages, self.local_steps
            ));
        }
        if self.stages > 1 && self.on_loss == OnLoss::Continue {
            return Err(format!(
                "parallel.on_loss = \"continue\": with parallel.stages = {} no device that is left has the whole model; leave \
                 it out, and --resume auto goes on with other devices",
                self.stages
            ));
        }
        let alone = [
            (self.stages > 1, format!("parallel.stages = {}", self.stages)),
            (self.shard_optimizer, "parallel.shard_optimizer = true".into()),
            (self.local_steps > 0, format!("parallel.local_steps = {}", self.local_steps)),
        ];
        if let Some((_, field)) = alone.iter().find(|(is_set, _)| self.experts && *is_set) {
            return Err(format!(
                "parallel.experts = true: the devices have one model together, of which none has a replica or a stage; leave out \
                 {field}"
            ));
        }
        if !self.blocks.is_empty() {
            self.validate_blocks(layers).map_err(|reason| format!("parallel.blocks = {:?}: {reason}", self.blocks))?;
        }
        if self.shard_optimizer && self.local_steps > 0 {
            return Err(
                "parallel.shard_optimizer = true: with parallel.local_steps each device has a state of its own; \
                        leave one of them out"
                    .into(),
            );
        }
        if self.local_steps > 0 && !checkpoint_every.is_multiple_of(self.local_steps) {
            return Err(format!(
                "checkpoint.every = {checkpoint_every}: must be a multiple of parallel.local_steps = {}, for between \
                 two exchanges each device has a model of its own",
                self.local_steps
            ));
        }
        if !(0.0..=f64::MAX).contains(&self.outer_learning_rate) || self.outer_learning_rate == 0.0 {
            return Err(format!("parallel.outer_learning_rate = {}: must be positive", self.outer_learning_rate));
        }
        if !(0.0..1.0).contains(&self.outer_momentum) {
            return Err(format!("parallel.outer_momentum = {}: must be at least 0 and under 1", self.outer_momentum));
        }
        Ok(())
    }

    fn validate_blocks(&self, layers: usize) -> Result<(), String> {
        if self.blocks.len() != self.stages {
            return Err(format!("give a number for each of parallel.stages = {}", self.stages));
        }
        if self.blocks.contains(&0) {
            return Err("a stage has one block at least".into());
        }
        match self.blocks.iter().try_fold(0usize, |sum, blocks| sum.checked_add(*blocks)) {
            Some(sum) if sum == layers => Ok(()),
            sum => Err(format!("they are {} blocks, and the model has {layers}", sum.unwrap_or(usize::MAX))),
        }
    }
}
