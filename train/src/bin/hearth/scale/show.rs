//! What `hearth scale` prints.

use std::{
    io::{self, Write},
    path::Path,
};

use hearth_train::{
    report::with_separators,
    run::DataSize,
    scale::{Advice, Budget, Check, Fit, Ladder, Measured, Rung, duration, model_name},
};
use serde_json::{Value, json};

use super::outcome::Outcome;
use crate::table;

/// How far from the ladder's tokens a parameter a law still says something, as a factor.
const FAR: f64 = 2.0;
/// Epochs up to which repeated tokens teach nearly as much as new ones (Muennighoff et al. 2023, arXiv 2305.16264).
const EPOCHS: f64 = 4.0;

/// The ladder before it is trained.
pub fn ladder(ladder: &Ladder, device: &str, data: &DataSize, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{device}")?;
    let head = ["run", "parameters", "tokens", "steps", "FLOPs", "planned"];
    let mut rows = vec![head.map(String::from).to_vec()];
    rows.extend(ladder.rungs.iter().map(|rung| planned(rung).to_vec()));
    table::write(&rows, &[1, 2, 3, 4, 5], out)?;
    let (flops, seconds) = (Budget::Flops(ladder.flops()), duration(ladder.seconds()));
    writeln!(out, "{} runs: {flops}, about {seconds} by the planner", ladder.rungs.len())?;
    let most = ladder.rungs.iter().map(|rung| rung.tokens).max().unwrap_or(0);
    repeats("the longest run", most, data, out)
}

/// What it came to.
pub fn outcome(
    ladder: &Ladder,
    outcome: &Outcome,
    data: &DataSize,
    folder: &Path,
    out: &mut impl Write,
) -> io::Result<()> {
    let Outcome { measured, fit, check, target, advice } = outcome;
    let law = outcome.law();
    writeln!(out)?;
    let head = ["run", "parameters", "tokens", "FLOPs", "tok/s", "loss", "law"];
    let mut rows = vec![head.map(String::from).to_vec()];
    rows.extend(ladder.rungs.iter().zip(measured).map(|(rung, it)| trained(rung, it, fit)));
    table::write(&rows, &[1, 2, 3, 4, 5, 6], out)?;
    writeln!(out, "\n{law}, within {:.1} % (root of the mean square)", 100.0 * fit.error)?;
    if fit.one_exponent {
        writeln!(out, "alpha and beta are one number: two need 5 sizes or more")?;
    }
    if let Some(check) = check {
        checked(check, out)?;
    }
    advised(advice, *target, out)?;
    far(ladder, &advice.rung, out)?;
    repeats("that run", advice.rung.tokens, data, out)?;
    writeln!(
        out,
        "{}: the picture; {}: that run",
        folder.join("scale.svg").display(),
        folder.join("target.toml").display()
    )
}

fn planned(rung: &Rung) -> [String; 6] {
    [
        rung.name(),
        with_separators(rung.member.parameters as u64),
        with_separators(rung.tokens),
        rung.steps().to_string(),
        format!("{:.2e}", rung.flops),
        rung.seconds.as_ref().map_or("-".into(), |seconds| duration(*seconds)),
    ]
}

fn trained(rung: &Rung, measured: &Measured, fit: &Fit) -> Vec<String> {
    let [name, parameters, tokens, _, flops, _] = planned(rung);
    let point = measured.point;
    let speed = measured.tokens_per_second.map_or("-".into(), |speed| with_separators(speed.round() as u64));
    let predicted = fit.law.loss(point.parameters, point.tokens);
    vec![name, parameters, tokens, flops, speed, format!("{:.4}", point.loss), format!("{predicted:.4}")]
}

fn checked(check: &Check, out: &mut impl Write) -> io::Result<()> {
    for (point, predicted) in &check.predicted {
        writeln!(
            out,
            "check: without the largest size the law predicts {predicted:.4} for it after {} tokens, and {:.4} was measured \
             ({:+.1} %)",
            with_separators(point.tokens as u64),
            point.loss,
            100.0 * (predicted / point.loss - 1.0)
        )?;
    }
    Ok(())
}

fn advised(advice: &Advice, target: Budget, out: &mut impl Write) -> io::Result<()> {
    let Advice { rung, loss, losses, outgrows_device, .. } = advice;
    let range =
        losses.map_or(String::new(), |[least, most]| format!(" ({least:.3} to {most:.3} without one of the sizes)"));
    writeln!(
        out,
        "for {target}: {} with {} parameters, for {} tokens ({:.1} a parameter, {}), predicted loss {loss:.3}{range}",
        model_name(&rung.member),
        with_separators(rung.member.parameters as u64),
        with_separators(rung.tokens),
        rung.tokens as f64 / rung.member.parameters,
        Budget::Flops(rung.flops),
    )?;
    if let Ok(seconds) = rung.seconds {
        writeln!(
            out,
            "it takes about {} on this device, by the planner and the speed of the largest size",
            duration(seconds)
        )?;
    }
    if *outgrows_device {
        writeln!(out, "a larger model would reach a lower loss, and does not fit this device")?;
    }
    Ok(())
}

/// Says so where what is advised has far more or fewer tokens a parameter than the ladder had.
fn far(ladder: &Ladder, advised: &Rung, out: &mut impl Write) -> io::Result<()> {
    let ratio = |rung: &Rung| rung.tokens as f64 / rung.member.parameters;
    let [least, most] = [f64::min, f64::max].map(|of| ladder.rungs.iter().map(ratio).reduce(of).unwrap_or(f64::NAN));
    let own = ratio(advised);
    if own >= least / FAR && own <= most * FAR {
        return Ok(());
    }
    writeln!(
        out,
        "that is far from the ladder's {least:.0} to {most:.0} tokens a parameter, where the law is a guess: a ladder with \
         --tokens-per-parameter {own:.0} would tell more"
    )
}

/// Says so where tokens are seen too often.
fn repeats(what: &str, tokens: u64, data: &DataSize, out: &mut impl Write) -> io::Result<()> {
    let epochs = tokens as f64 / data.train_tokens.max(1) as f64;
    if epochs <= EPOCHS {
        return Ok(());
    }
    writeln!(out, "{what} sees each token {epochs:.1} times: beyond {EPOCHS} a law of new tokens promises too much")
}

/// All of it.
pub fn json(ladder: &Ladder, outcome: Option<&Outcome>) -> Value {
    let rungs: Vec<Value> = ladder.rungs.iter().map(rung).collect();
    let Some(Outcome { measured, fit, check, target, advice }) = outcome else {
        return json!({ "runs": rungs });
    };
    let with = |(mut rung, it): (Value, &Measured)| {
        rung["loss"] = it.point.loss.into();
        rung["predicted_loss"] = fit.law.loss(it.point.parameters, it.point.tokens).into();
        rung["tokens_per_second"] = json!(it.tokens_per_second);
        rung
    };
    let held_out = |(point, predicted): &(hearth_train::scale::Point, f64)| json!({ "parameters": point.parameters, "tokens": point.tokens, "loss": point.loss, "predicted_loss": predicted });
    let mut advised = rung(&advice.rung);
    advised["predicted_loss"] = advice.loss.into();
    advised["predicted_losses"] = json!(advice.losses);
    advised["outgrows_device"] = advice.outgrows_device.into();
    json!({
        "runs": rungs.into_iter().zip(measured).map(with).collect::<Vec<_>>(),
        "fit": fit,
        "largest_held_out": check.as_ref().map(|check| check.predicted.iter().map(held_out).collect::<Vec<_>>()),
        "target": target,
        "advised": advised,
    })
}

fn rung(rung: &Rung) -> Value {
    let model = &rung.member.model;
    json!({
        "name": rung.name(),
        "layers": model.layers,
        "heads": model.heads,
        "width": model.width,
        "parameters": rung.member.parameters,
        "tokens": rung.tokens,
        "steps": rung.steps(),
        "flops": rung.flops,
        "planned_seconds": rung.seconds.as_ref().ok(),
    })
}
