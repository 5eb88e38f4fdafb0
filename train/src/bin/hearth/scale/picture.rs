//! The picture that `hearth scale` draws.

use std::path::Path;

use hearth_train::{
    TrainConfig,
    report::{ScalingCurves, ScalingPicture, SizeCurves, read},
    scale::{Family, Ladder, ScalingLaw, model_name},
    session::Metrics,
};

use super::outcome::Outcome;

/// How far the law's best curve goes beyond what is advised, as a factor of operations.
const MARGIN: f64 = 1.5;
/// Points of a curve of the law.
const POINTS: usize = 100;
/// Heads of the largest model that the law's best curve looks at: that of what is advised, and so many times.
const BEYOND: usize = 2;

/// Draws the ladder into `scale.svg`.
pub fn write(ladder: &Ladder, outcome: &Outcome, config: &TrainConfig, folder: &Path) -> anyhow::Result<()> {
    let measured = &outcome.measured;
    let read_all: Result<Vec<Vec<Metrics>>, _> =
        measured.iter().map(|it| read(&it.path.join("metrics.jsonl"))).collect();
    let metrics = read_all?;
    let advised = &outcome.advice.rung;
    let ends: Vec<f64> = ladder.rungs.iter().map(|rung| rung.flops).collect();
    let least = ends.iter().copied().fold(f64::INFINITY, f64::min);
    let said = format!("advised: {}, {:.3}", model_name(&advised.member), outcome.advice.loss);
    let curves = ScalingCurves {
        title: format!("{} sizes", measured.len() / 2),
        subtitle: format!("{} · faint: training, dots: validation at the end, lines: the law", outcome.law()),
        sizes: sizes(ladder, outcome, &metrics),
        best: best(&outcome.fit.law, config, advised.member.model.heads, [least, MARGIN * advised.flops.max(least)]),
        advised: Some((advised.flops, outcome.advice.loss, said)),
    };
    Ok(ScalingPicture::new(curves).write(&folder.join("scale.svg"))?)
}

fn sizes<'a>(ladder: &Ladder, outcome: &Outcome, metrics: &'a [Vec<Metrics>]) -> Vec<SizeCurves<'a>> {
    let mut sizes: Vec<SizeCurves> = Vec::new();
    for ((rung, measured), metrics) in ladder.rungs.iter().zip(&outcome.measured).zip(metrics) {
        let name = format!("{}, {:.3} M", model_name(&rung.member), 1e-6 * rung.member.parameters);
        if sizes.last().is_none_or(|size| size.name != name) {
            let flops_per_token = rung.member.flops_per_token;
            sizes.push(SizeCurves {
                name,
                flops_per_token,
                runs: Vec::new(),
                measured: Vec::new(),
                fitted: Vec::new(),
            });
        }
        let size = sizes.last_mut().expect("one was just made");
        size.runs.push(metrics);
        size.measured.push((rung.flops, measured.point.loss));
        let range = [0.7 * size.measured[0].0, 1.4 * rung.flops];
        let loss = |flops: f64| outcome.fit.law.loss(rung.member.parameters, flops / size.flops_per_token);
        size.fitted = steps(range).map(|flops| (flops, loss(flops))).collect();
    }
    sizes
}

/// The lowest loss for each budget of a range by the law, over the sizes of the family.
fn best(law: &ScalingLaw, config: &TrainConfig, heads: usize, range: [f64; 2]) -> Vec<(f64, f64)> {
    let family = Family::of(&config.model);
    let members: Vec<_> = (1..=BEYOND * heads).map(|heads| family.member(heads)).collect();
    let lowest = |flops: f64| {
        let losses = members.iter().map(|it| law.loss(it.parameters, flops / it.flops_per_token));
        (flops, losses.fold(f64::INFINITY, f64::min))
    };
    steps(range).map(lowest).collect()
}

/// Operations from one end of a range to the other, each as much more than the one before.
fn steps([first, last]: [f64; 2]) -> impl Iterator<Item = f64> {
    (0..=POINTS).map(move |at| first * (last / first).powf(at as f64 / POINTS as f64))
}
