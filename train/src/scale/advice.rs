//! Which size to train for a budget.

use super::{
    Budget, Family, Fit, Machine, Member, Point, ScalingLaw, fit,
    fit::{fit_as, sizes},
    rung::Rung,
};
use crate::{TrainConfig, TrainError};

/// Heads of the largest model that is looked at.
const MOST_HEADS: usize = 512;

/// A model that a budget allows, trained for as many tokens as the budget has.
#[derive(Clone, Debug)]
struct Candidate {
    member: Member,
    tokens: f64,
}

/// The run that reaches the lowest loss by a law.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Advice {
    /// The run.
    pub rung: Rung,
    /// Its validation loss by the law, in nats per token.
    pub loss: f64,
    /// The lowest and the highest loss that laws without one of the sizes predict for it, where these can be fitted.
    pub losses: Option<[f64; 2]>,
    /// Whether a larger model would be better, and does not fit the device.
    pub outgrows_device: bool,
}

/// The runs of one family that a budget allows on one device.
pub struct Choices<'a> {
    config: &'a TrainConfig,
    machine: &'a Machine,
    candidates: Vec<Candidate>,
    outgrows_device: bool,
}

impl<'a> Choices<'a> {
    /// Every size that fits the device and sees at least as many tokens as it has parameters.
    ///
    /// # Errors
    /// The budget is too small for any.
    pub fn of(config: &'a TrainConfig, machine: &'a Machine, budget: Budget) -> Result<Self, TrainError> {
        let least = (Rung::LEAST_STEPS * config.tokens_per_step()) as f64;
        let (mut candidates, mut outgrows_device) = (Vec::new(), false);
        for heads in 1..=MOST_HEADS {
            let member = Family::of(&config.model).member(heads);
            let one_step = Rung::new(config, member.clone(), 1.0, machine);
            let Ok(seconds) = one_step.seconds else {
                outgrows_device = true;
                break;
            };
            let tokens = one_step.tokens as f64 / budget.share(one_step.flops, seconds);
            if tokens < least.max(member.parameters) {
                break;
            }
            candidates.push(Candidate { member, tokens });
        }
        if candidates.is_empty() {
            let reason = "no size can be trained for it: give a larger one".into();
            return Err(TrainError::Config { source_name: format!("--target {budget}"), reason });
        }
        Ok(Self { config, machine, candidates, outgrows_device })
    }

    /// The run with the lowest loss by the law that was fitted to these points.
    pub fn best(&self, fitted: &Fit, points: &[Point]) -> Advice {
        let loss = |law: &ScalingLaw, it: &Candidate| law.loss(it.member.parameters, it.tokens);
        let best =
            self.candidates.iter().min_by(|one, other| loss(&fitted.law, one).total_cmp(&loss(&fitted.law, other)));
        let best = best.expect("there is at least one");
        let rung = Rung::new(self.config, best.member.clone(), best.tokens, self.machine);
        let predicted: Vec<f64> =
            without_each(points, fitted.one_exponent).iter().map(|fit| loss(&fit.law, best)).collect();
        let [least, most] = [f64::min, f64::max].map(|of| predicted.iter().copied().reduce(of));
        let is_largest = self.candidates.last().is_some_and(|last| last.member == best.member);
        Advice {
            loss: loss(&fitted.law, best),
            losses: least.zip(most).map(|(least, most)| [least, most]),
            outgrows_device: self.outgrows_device && is_largest,
            rung,
        }
    }
}

/// Fits to the points but for those of one size, of each in turn.
fn without_each(points: &[Point], one_exponent: bool) -> Vec<Fit> {
    let mut left_out: Vec<f64> = points.iter().map(|it| it.parameters).collect();
    left_out.dedup();
    left_out.into_iter().filter_map(|size| fit_as(&others(points, size), one_exponent)).collect()
}

fn others(points: &[Point], size: f64) -> Vec<Point> {
    points.iter().filter(|it| it.parameters != size).copied().collect()
}

/// What a law says of the largest size that was fitted to the others.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Check {
    /// The law without the largest size.
    pub fit: Fit,
    /// The points of the largest size, each with the loss that this law predicts.
    pub predicted: Vec<(Point, f64)>,
}

impl Check {
    /// Leaves the largest size out, with as many exponents as all points have; `None` where fewer than three are left.
    pub fn of(points: &[Point]) -> Option<Self> {
        let largest = points.iter().map(|it| it.parameters).reduce(f64::max)?;
        if sizes(points) < 4 {
            return None;
        }
        let fit = fit_as(&others(points, largest), fit(points)?.one_exponent)?;
        let held_out = points.iter().filter(|it| it.parameters == largest);
        let predicted = held_out.map(|it| (*it, fit.law.loss(it.parameters, it.tokens))).collect();
        Some(Self { fit, predicted })
    }
}

#[cfg(test)]
mod tests {
    use hearth_model::TransformerConfig;

    use super::*;
    use crate::{
        plan::{DeviceLimits, Rates},
        scale::CHINCHILLA,
    };

    /// Heads of 8 channels, so that sizes are close to one another.
    fn config() -> TrainConfig {
        TrainConfig::new(TransformerConfig::llama(65, 64, 16, 256, 32))
    }

    fn machine(memory: Option<u64>) -> Machine {
        let mut limits = DeviceLimits::of_host();
        limits.memory = memory;
        Machine::new(limits, Rates::of_flops(1e12))
    }

    fn points() -> Vec<Point> {
        let sizes = [1e5, 2e5, 4e5, 8e5, 1.6e6];
        let all = sizes.into_iter().flat_map(|size| [5.0, 20.0].map(|ratio| (size, size * ratio)));
        let point = |(parameters, tokens)| Point { parameters, tokens, loss: CHINCHILLA.loss(parameters, tokens) };
        all.map(point).collect()
    }

    /// The family's operations are 6 N and a little, so that its best size is a little below that of the closed form.
    #[test]
    fn the_best_size_agrees_with_the_closed_form() {
        let (config, machine, points) = (config(), machine(None), points());
        let fitted = fit(&points).unwrap();
        for flops in [3e15, 3e16] {
            let best = Choices::of(&config, &machine, Budget::Flops(flops)).unwrap().best(&fitted, &points);
            let ratio = best.rung.member.parameters / CHINCHILLA.optimum(flops).0;
            assert!((0.75..1.1).contains(&ratio), "{flops:e}: {ratio}");
            assert!((best.rung.flops / flops - 1.0).abs() < 0.01 && !best.outgrows_device);
            let [least, most] = best.losses.unwrap();
            assert!(least <= best.loss + 1e-3 && best.loss <= most + 1e-3 && most - least < 0.05, "{best:?}");
        }
    }

    #[test]
    fn a_time_is_a_budget_too() {
        let (config, machine, points) = (config(), machine(None), points());
        let fitted = fit(&points).unwrap();
        let best =
            |machine: &Machine| Choices::of(&config, machine, Budget::Seconds(3e4)).unwrap().best(&fitted, &points);
        let quick = best(&machine);
        assert!((quick.rung.seconds.clone().unwrap() / 3e4 - 1.0).abs() < 0.01);
        // A device that takes ten times as long has a smaller model.
        let slow = best(&machine.corrected(1.0, 10.0));
        assert!(slow.rung.member.parameters < quick.rung.member.parameters && slow.loss > quick.loss);
    }

    #[test]
    fn a_device_without_room_is_told_of() {
        let (config, machine, points) = (config(), machine(Some(64 << 20)), points());
        let fitted = fit(&points).unwrap();
        let best = Choices::of(&config, &machine, Budget::Flops(1e17)).unwrap().best(&fitted, &points);
        assert!(best.outgrows_device && best.rung.seconds.is_ok());
        let error = Choices::of(&config, &machine, Budget::Flops(1e6)).err().unwrap().to_string();
        assert!(error.starts_with("--target 1.00e6 FLOPs: no size can be trained for it"), "{error}");
    }

    #[test]
    fn the_largest_size_is_predicted_by_the_others() {
        let check = Check::of(&points()).unwrap();
        assert_eq!(check.predicted.len(), 2);
        for (point, predicted) in &check.predicted {
            assert!(point.parameters == 1.6e6 && (predicted / point.loss - 1.0).abs() < 0.01, "{check:?}");
        }
        assert!(Check::of(&points()[..6]).is_none());
    }
}
