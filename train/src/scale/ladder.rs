//! Which runs a law is fitted to.

use std::ops::Range;

use super::{Budget, Family, Machine, Member, rung::Rung};
use crate::{TrainConfig, TrainError};

/// Sizes of a ladder.
const SIZES: Range<usize> = 3..17;
/// Each size is trained for these shares of its tokens: what tells the law's two terms apart.
const SHARES: [f64; 2] = [0.25, 1.0];
/// Heads of the largest model that is looked at.
const MOST_HEADS: usize = 512;

/// What a ladder is planned by.
#[derive(Clone, Copy, Debug)]
pub struct LadderOptions {
    /// What all runs together may take.
    pub budget: Budget,
    /// Number of sizes, 3 to 16.
    pub sizes: usize,
    /// Training tokens of each parameter in the longer run of a size; the shorter has a quarter. The paper advises 20.
    pub tokens_per_parameter: f64,
}

/// Runs of a few sizes, two of each, from the smallest and shortest on.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Ladder {
    /// Those that fit the device.
    pub rungs: Vec<Rung>,
    /// Those that do not, and why, a sentence each.
    pub too_large: Vec<String>,
}

impl Ladder {
    /// The ladder with the largest models whose runs stay within the budget. The configuration must say its vocabulary.
    ///
    /// # Errors
    /// Options that no ladder can have; a budget too small for any; fewer than three sizes that fit the device; a
    /// configuration whose fields do not fit a smaller model.
    pub fn plan(config: &TrainConfig, machine: &Machine, options: LadderOptions) -> Result<Self, TrainError> {
        let LadderOptions { budget, sizes, tokens_per_parameter } = options;
        if !SIZES.contains(&sizes) {
            let (least, most) = (SIZES.start, SIZES.end - 1);
            return Err(refuse(
                format!("--sizes {sizes}"),
                format!("a law is fitted to {least} sizes or more, up to {most}"),
            ));
        }
        if !(tokens_per_parameter > 0.0 && tokens_per_parameter.is_finite()) {
            let field = format!("--tokens-per-parameter {tokens_per_parameter}");
            return Err(refuse(field, "must be a positive number, as 20".into()));
        }
        let search = Search { config, machine, options };
        let (first, smallest) = search.smallest()?;
        smallest.iter().try_for_each(Rung::validate)?;
        let share = share(budget, &smallest);
        if share > 1.0 {
            smallest.iter().try_for_each(|rung| rung.seconds.as_ref().map(drop).map_err(|reason| told(reason)))?;
            let reason = format!(
                "the smallest ladder of {sizes} sizes takes {}: give that or more, fewer --sizes, or a smaller \
                 --tokens-per-parameter",
                budget.times(share)
            );
            return Err(refuse(format!("--budget {budget}"), reason));
        }
        let rungs = search.rungs(search.largest(first)).unwrap_or(smallest);
        rungs.iter().try_for_each(Rung::validate)?;
        Self::of(rungs)
    }

    /// # Errors
    /// Fewer than three sizes fit the device.
    fn of(rungs: Vec<Rung>) -> Result<Self, TrainError> {
        let (rungs, others): (Vec<Rung>, Vec<Rung>) = rungs.into_iter().partition(|rung| rung.seconds.is_ok());
        let why =
            |rung: &Rung| rung.seconds.as_ref().err().map(|reason| format!("{} is left out: {reason}", rung.name()));
        let too_large: Vec<String> = others.iter().filter_map(why).collect();
        if rungs.len() < SIZES.start * SHARES.len() {
            let left = rungs.len() / SHARES.len();
            let reason = format!(
                "{left} sizes fit the device, and a law is fitted to {} or more; give a smaller --budget: {}",
                SIZES.start,
                too_large.first().map_or("", String::as_str)
            );
            return Err(refuse("the ladder".into(), reason));
        }
        Ok(Self { rungs, too_large })
    }

    /// Floating-point operations of all runs.
    pub fn flops(&self) -> f64 {
        self.rungs.iter().map(|rung| rung.flops).sum()
    }

    /// Seconds of all runs, as planned.
    pub fn seconds(&self) -> f64 {
        self.rungs.iter().filter_map(|rung| rung.seconds.as_ref().ok()).sum()
    }
}

fn refuse(source_name: String, reason: String) -> TrainError {
    TrainError::Config { source_name, reason }
}

/// Why a rung does not fit, as an error of its own.
fn told(reason: &str) -> TrainError {
    refuse("the smallest ladder".into(), reason.to_owned())
}

/// The share of the budget that runs take: without end where one does not fit the device and time is what counts.
fn share(budget: Budget, rungs: &[Rung]) -> f64 {
    let seconds = |rung: &Rung| rung.seconds.as_ref().copied().unwrap_or(f64::INFINITY);
    budget.share(rungs.iter().map(|rung| rung.flops).sum(), rungs.iter().map(seconds).sum())
}

/// Looks for the largest ladder.
struct Search<'a> {
    config: &'a TrainConfig,
    machine: &'a Machine,
    options: LadderOptions,
}

impl Search<'_> {
    /// Two runs of each size, up to that with so many heads; none where there are too few sizes.
    fn rungs(&self, largest: usize) -> Option<Vec<Rung>> {
        let members = Family::of(&self.config.model).ladder(largest, self.options.sizes)?;
        let rung = |member: &Member, share: f64| {
            let tokens = share * self.options.tokens_per_parameter * member.parameters;
            Rung::new(self.config, member.clone(), tokens, self.machine)
        };
        Some(members.iter().flat_map(|member| SHARES.map(|share| rung(member, share))).collect())
    }

    /// The first ladder whose runs all have enough steps, and the heads of its largest model.
    fn smallest(&self) -> Result<(usize, Vec<Rung>), TrainError> {
        let LadderOptions { sizes, tokens_per_parameter, .. } = self.options;
        let family = Family::of(&self.config.model);
        let least = (Rung::LEAST_STEPS * self.config.tokens_per_step()) as f64;
        let is_short = |largest: usize| {
            let smallest = family.ladder(largest, sizes).map(|members| members[0].parameters);
            smallest.is_some_and(|parameters| SHARES[0] * tokens_per_parameter * parameters < least)
        };
        let first = if is_short(sizes) { last_from(sizes, is_short) + 1 } else { sizes };
        let rungs = if first <= MOST_HEADS { self.rungs(first) } else { None };
        Ok((first, rungs.ok_or_else(|| self.too_long_a_step())?))
    }

    fn too_long_a_step(&self) -> TrainError {
        let reason = format!(
            "no size has runs of {} steps or more: lower batch.micro_batch or batch.accumulation, or raise \
             --tokens-per-parameter",
            Rung::LEAST_STEPS
        );
        refuse(format!("a step of {} tokens", self.config.tokens_per_step()), reason)
    }

    /// Heads of the largest model whose ladder is within the budget, as that from `first` is.
    fn largest(&self, first: usize) -> usize {
        last_from(first, |largest| {
            let rungs = self.rungs(largest);
            rungs.is_some_and(|rungs| rungs.iter().all(Rung::is_valid) && share(self.options.budget, &rungs) <= 1.0)
        })
    }
}

/// The last number up to [`MOST_HEADS`] for which `holds`, as it does from `first` on up to some number.
fn last_from(first: usize, holds: impl Fn(usize) -> bool) -> usize {
    let (mut within, mut beyond) = (first, 2 * first);
    while beyond <= MOST_HEADS && holds(beyond) {
        (within, beyond) = (beyond, 2 * beyond);
    }
    beyond = beyond.min(MOST_HEADS + 1);
    while beyond - within > 1 {
        let middle = within + (beyond - within) / 2;
        if holds(middle) { within = middle } else { beyond = middle }
    }
    within
}

#[cfg(test)]
mod tests {
    use hearth_model::TransformerConfig;

    use super::*;
    use crate::plan::{DeviceLimits, Rates};

    fn config() -> TrainConfig {
        TrainConfig::new(TransformerConfig::llama(65, 32, 8, 128, 16))
    }

    fn options(budget: Budget, sizes: usize) -> LadderOptions {
        LadderOptions { budget, sizes, tokens_per_parameter: 20.0 }
    }

    fn machine(memory: Option<u64>) -> Machine {
        let mut limits = DeviceLimits::of_host();
        limits.memory = memory;
        Machine::new(limits, Rates::of_flops(1e11))
    }

    fn refused(options: LadderOptions, machine: &Machine) -> String {
        Ladder::plan(&config(), machine, options).unwrap_err().to_string()
    }

    #[test]
    fn a_ladder_uses_its_budget_and_no_more() {
        let machine = machine(None);
        for budget in [Budget::Flops(2e13), Budget::Seconds(600.0)] {
            let ladder = Ladder::plan(&config(), &machine, options(budget, 4)).unwrap();
            assert_eq!(ladder.rungs.len(), 8);
            let share = budget.share(ladder.flops(), ladder.seconds());
            assert!((0.5..=1.0).contains(&share), "{budget}: {share}");
            for pair in ladder.rungs.chunks(2) {
                let [short, long] = pair else { panic!("two of each size") };
                assert_eq!(short.member, long.member);
                assert!((long.tokens as f64 / (20.0 * long.member.parameters) - 1.0).abs() < 0.05);
                assert!((long.tokens as f64 / short.tokens as f64 - 4.0).abs() < 0.2);
                assert_eq!(long.flops, long.tokens as f64 * long.member.flops_per_token);
            }
            assert!(ladder.rungs.is_sorted_by(|one, next| one.member.parameters <= next.member.parameters));
        }
    }

    #[test]
    fn what_cannot_be_is_one_sentence() {
        let sentence = refused(options(Budget::Flops(1e15), 2), &machine(None));
        assert_eq!(sentence, "--sizes 2: a law is fitted to 3 sizes or more, up to 16");
        let sentence = refused(options(Budget::Flops(1e9), 4), &machine(None));
        assert!(sentence.starts_with("--budget 1.00e9 FLOPs: the smallest ladder of 4 sizes takes "), "{sentence}");
        let mut config = config();
        config.batch.micro_batch = 1 << 20;
        let none = LadderOptions { tokens_per_parameter: 1e-6, ..options(Budget::Flops(1e15), 3) };
        let sentence = Ladder::plan(&config, &machine(None), none).unwrap_err().to_string();
        assert!(sentence.contains("lower batch.micro_batch"), "{sentence}");
    }

    #[test]
    fn what_does_not_fit_is_left_out() {
        let whole = Ladder::plan(&config(), &machine(None), options(Budget::Flops(1e15), 5)).unwrap();
        assert!(whole.too_large.is_empty());
        let small = machine(Some(24 << 20));
        let ladder = Ladder::plan(&config(), &small, options(Budget::Flops(1e15), 5)).unwrap();
        assert!(ladder.rungs.len() < 10 && !ladder.too_large.is_empty(), "{:?}", ladder.too_large);
        assert!(ladder.too_large[0].contains("no plan fits in"), "{:?}", ladder.too_large);
        let sentence = refused(options(Budget::Flops(1e15), 5), &machine(Some(1 << 20)));
        assert!(sentence.contains("sizes fit the device"), "{sentence}");
    }
}
