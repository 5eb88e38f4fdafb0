//! The settings of an optimizer, and which of them a parameter has.

use std::sync::Arc;

use hearth_model::TransformerConfig;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wildmatch::WildMatch;

use super::{AdamW, Averaged, Balance, Lion, Muon, MuonScale, Rule, Setting};

/// How a parameter is updated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RuleKind {
    /// AdamW (Loshchilov and Hutter 2019, arXiv 1711.05101).
    #[default]
    Adamw,
    /// Lion (Chen et al. 2023, arXiv 2302.06675); its learning rate is a third of AdamW's or less, its `beta2` 0.99.
    Lion,
    /// Muon (Jordan et al. 2024, kellerjordan.github.io/posts/muon) for the matrices of blocks; AdamW for embeddings, head and
    /// vectors.
    Muon,
}

/// The settings of an optimizer. The defaults are Hearth's own; none of Burn's applies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OptimizerConfig {
    /// How parameters are updated. Default `adamw`.
    pub rule: RuleKind,
    /// The largest learning rate, reached after warm-up. Default 1e-3.
    pub learning_rate: f64,
    /// Width (channels) of the model that `learning_rate` was found for: AdamW's and Lion's matrices in blocks and the head have
    /// `base_width / model.width` of it; embeddings, vectors, Muon's matrices and groups with a `learning_rate` of their own have
    /// theirs as given (muP, Yang et al. 2022, arXiv 2203.03466; Everett et al. 2024, arXiv 2407.05872). Default 0: every width
    /// has the same.
    pub base_width: usize,
    /// Decay of AdamW's first moment, per step; of Lion the share of the momentum in an update. Default 0.9.
    pub beta1: f64,
    /// Decay of AdamW's second moment and of Lion's momentum, per step. Default 0.95.
    pub beta2: f64,
    /// Number added to the root of AdamW's second moment. Default 1e-8.
    pub eps: f64,
    /// Share of Muon's momentum that an update keeps. Default 0.95.
    pub momentum: f64,
    /// What Muon's update of a matrix is multiplied by besides the learning rate. Default `match_rms_adamw`.
    pub muon_scale: MuonScale,
    /// What each step changes the bias by which a router of experts prefers those that have had less than the mean (DeepSeek-V3's
    /// speed); 0 leaves it as it is. Default 1e-3.
    pub router_bias_rate: f64,
    /// Decoupled weight decay of matrices, in units of the learning rate; norms and biases decay only where a group says so.
    /// Default 0.1.
    pub weight_decay: f64,
    /// Largest global L2 norm of the gradient; larger ones are scaled down to it. 0 turns clipping off. Default 1.
    pub clip_norm: f64,
    /// What a moving average of the weights keeps of itself in an update, as 0.999: evaluations, samples and the trained model have the
    /// average's weights (Polyak and Juditsky 1992; Izmailov et al. 2018, arXiv 1803.05407). In update t it is
    /// `(1 + t) / (10 + t)` at most. 4 bytes a parameter. Default 0: there is none.
    pub average: f64,
    /// Parameters that differ: `parameters`, a list of names in which `*` stands for anything, as `["embedding.*"]`; `frozen = true`, or of
    /// `rule`, `learning_rate` or `learning_rate_factor`, `weight_decay`, `beta1`, `beta2` and `momentum` those that they have
    /// in place of the ones above. The first group that names a parameter has it. Default `[]`.
    pub groups: Vec<ParameterGroup>,
}

impl Default for OptimizerConfig {
    fn default() -> Self {
        Self {
            rule: RuleKind::default(),
            learning_rate: 1e-3,
            base_width: 0,
            beta1: 0.9,
            beta2: 0.95,
            eps: 1e-8,
            momentum: 0.95,
            muon_scale: MuonScale::default(),
            router_bias_rate: 1e-3,
            weight_decay: 0.1,
            clip_norm: 1.0,
            average: 0.0,
            groups: Vec::new(),
        }
    }
}

/// Parameters with settings of their own.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ParameterGroup {
    /// Names of parameters, as `blocks.0.attention.query.weight`; `*` stands for any characters.
    pub parameters: Vec<String>,
    /// Whether they stay as they are: no gradient, and nothing is kept of them. Default false.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub frozen: bool,
    /// How they are updated, whatever their place: a rule for matrices leaves vectors to AdamW.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<RuleKind>,
    /// Their largest learning rate; it follows the schedule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub learning_rate: Option<f64>,
    /// Their learning rate in units of `optimizer.learning_rate`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub learning_rate_factor: Option<f64>,
    /// Their weight decay, vectors' too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight_decay: Option<f64>,
    /// Their `optimizer.beta1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub beta1: Option<f64>,
    /// Their `optimizer.beta2`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub beta2: Option<f64>,
    /// Their `optimizer.momentum`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub momentum: Option<f64>,
}

impl ParameterGroup {
    /// Whether it has the parameter of this name.
    pub fn has(&self, name: &str) -> bool {
        self.parameters.iter().any(|pattern| WildMatch::new(pattern).matches(name))
    }
}

impl OptimizerConfig {
    /// Whether the parameter of this name of `model` stays as it is: a group says so, or none names it and it is beside adapters.
    pub fn is_frozen(&self, name: &str, model: &TransformerConfig) -> bool {
        match self.groups.iter().find(|group| group.has(name)) {
            Some(group) => group.frozen,
            None => model.adapter.is_some() && !name.contains(".adapter."),
        }
    }

    /// What the parameter of this name and shape has, of a model that is `width` channels wide.
    pub fn setting(&self, name: &str, shape: &[usize], width: usize) -> Setting {
        if name.ends_with("experts.bias") {
            let rule = self.averaged(Arc::new(Balance { rate: self.router_bias_rate }));
            return Setting { rule, learning_rate_factor: 1.0, weight_decay: 0.0 };
        }
        let none = ParameterGroup::default();
        let group = self.groups.iter().find(|group| group.has(name)).unwrap_or(&none);
        let is_matrix = shape.len() > 1;
        // What is in a block is hidden from ids on both sides, but for tables by token; a group may say otherwise.
        let is_hidden = name.starts_with("blocks.") && !name.ends_with(VALUE_TABLE);
        let takes = |kind: RuleKind| match kind {
            RuleKind::Adamw | RuleKind::Lion => true,
            RuleKind::Muon => is_matrix && (group.rule.is_some() || is_hidden),
        };
        let kind = Some(group.rule.unwrap_or(self.rule)).filter(|kind| takes(*kind)).unwrap_or_default();
        let momentum = group.momentum.unwrap_or(self.momentum);
        let (beta1, beta2) = (group.beta1.unwrap_or(self.beta1), group.beta2.unwrap_or(self.beta2));
        let rule: Arc<dyn Rule> = match kind {
            RuleKind::Adamw => Arc::new(AdamW { beta1, beta2, eps: self.eps }),
            RuleKind::Lion => Arc::new(Lion { beta1, beta2 }),
            RuleKind::Muon => Arc::new(Muon { momentum, scale: self.muon_scale }),
        };
        let absolute = group.learning_rate.map(|rate| rate / self.learning_rate);
        let scales = is_matrix && kind != RuleKind::Muon && fan_in_grows(name);
        let by_width = if scales { self.width_factor(width) } else { 1.0 };
        Setting {
            rule: self.averaged(rule),
            learning_rate_factor: absolute.unwrap_or(group.learning_rate_factor.unwrap_or(1.0) * by_width),
            weight_decay: group.weight_decay.unwrap_or(if is_matrix { self.weight_decay } else { 0.0 }),
        }
    }
    /// The rule, with an average besides where one is wanted.
    fn averaged(&self, rule: Arc<dyn Rule>) -> Arc<dyn Rule> {
        if self.average == 0.0 { rule } else { Arc::new(Averaged { rule, decay: self.average }) }
    }

    /// What a matrix whose fan-in grows with the model's width has of the learning rate.
    fn width_factor(&self, width: usize) -> f64 {
        if self.base_width == 0 { 1.0 } else { self.base_width as f64 / width as f64 }
    }
}

/// The end of the names of tables that blocks look values up in, by token.
const VALUE_TABLE: &str = ".value_embedding.table";

/// Whether a matrix of this name sums over more channels in a wider model: then changes of its elements, which AdamW and Lion
/// make equally large at every width, add up to more of its output. An embedding is looked up, also where the head shares it and
/// where a block has one of values; the second half of an adapter sums over its rank.
fn fan_in_grows(name: &str) -> bool {
    (name.starts_with("blocks.") || name.starts_with("head."))
        && !name.ends_with("adapter.up")
        && !name.ends_with(VALUE_TABLE)
}
