//! How long a run still takes.

use super::RunOutline;
use crate::session::{Event, Metrics};

/// First steps of an attempt that say nothing of the later ones: kernels are compiled in them.
const WARM_UP: u64 = 2;
/// Seconds whose steps count about alike, at least; later a quarter of the attempt's time. An estimate that followed the
/// last few steps would swing with whatever else the machine does.
const WINDOW: f64 = 30.0;
/// An evaluation only goes forward: about so much of a training step on as many sequences.
const FORWARD: f64 = 0.4;

/// An estimate of the seconds until a run ends: steps, with the checkpoints between them, evaluations and texts.
#[derive(Debug, Default)]
pub(super) struct TimeLeft {
    outline: RunOutline,
    /// Seconds of the run at the event before.
    last: Option<f64>,
    /// Seconds of this attempt's steps, and how many they are, each weighted less the longer ago it is.
    seconds: f64,
    steps: f64,
    /// Steps and seconds of this attempt, the first ones included.
    attempt: (u64, f64),
    evaluations: Durations,
    samples: Durations,
    has_sampled: bool,
    position: Position,
}

/// Steps that are done, and from which step on evaluations and texts are still to come.
#[derive(Clone, Copy, Debug, Default)]
struct Position {
    step: u64,
    due: u64,
}

/// How long something took each time; the first time may have compiled kernels.
#[derive(Debug, Default)]
struct Durations {
    first: Option<f64>,
    sum: f64,
    count: u64,
}

impl Durations {
    fn add(&mut self, seconds: f64) {
        match self.first {
            None => self.first = Some(seconds),
            Some(_) => (self.sum, self.count) = (self.sum + seconds, self.count + 1),
        }
    }

    /// The mean, where the first is taken for what `judge` makes of it; `None` where there was none.
    fn mean_with(&self, judge: impl FnOnce(f64) -> f64) -> Option<f64> {
        Some((judge(self.first?) + self.sum) / (self.count + 1) as f64)
    }

    /// The mean of all but the first, or that.
    fn mean(&self) -> Option<f64> {
        if self.count > 0 { Some(self.sum / self.count as f64) } else { self.first }
    }
}

impl TimeLeft {
    pub fn new(outline: &RunOutline) -> Self {
        Self { outline: outline.clone(), ..Self::default() }
    }

    /// Takes note of an event of the run.
    pub fn hear(&mut self, event: &Event) {
        match event {
            Event::Step(metrics) => self.step(metrics),
            Event::Evaluation(metrics) => self.evaluation(metrics),
            Event::Sample { .. } => self.has_sampled = true,
            Event::Rewind { step, .. } => {
                // Other devices may take the steps from here on.
                (self.last, self.seconds, self.steps, self.attempt) = (None, 0.0, 0.0, (0, 0.0));
                self.position = Position { step: *step, due: *step };
            }
            _ => {}
        }
    }

    fn step(&mut self, metrics: &Metrics) {
        let gap = self.gap(metrics);
        let has_sampled = std::mem::take(&mut self.has_sampled);
        self.position = Position { step: metrics.step + 1, due: metrics.step + 1 };
        self.attempt.0 += 1;
        self.attempt.1 += gap.unwrap_or(0.0);
        let Some(gap) = gap.filter(|_| self.attempt.0 > WARM_UP) else { return };
        if let (true, Some(step)) = (has_sampled, self.per_step()) {
            return self.samples.add((gap - step).max(0.0));
        }
        let kept = (-gap / WINDOW.max(self.attempt.1 / 4.0)).exp();
        (self.seconds, self.steps) = (self.seconds * kept + gap, self.steps * kept + 1.0);
    }

    fn evaluation(&mut self, metrics: &Metrics) {
        if let Some(gap) = self.gap(metrics) {
            self.evaluations.add(gap);
        }
        self.position = Position { step: metrics.step, due: metrics.step + 1 };
    }

    /// Seconds since the event before.
    fn gap(&mut self, metrics: &Metrics) -> Option<f64> {
        let last = self.last.replace(metrics.seconds)?;
        Some((metrics.seconds - last).max(0.0))
    }

    fn per_step(&self) -> Option<f64> {
        (self.steps > 0.0).then(|| self.seconds / self.steps)
    }

    /// Seconds to the end; `None` before steps were timed.
    pub fn seconds(&self) -> Option<f64> {
        let RunOutline { total_steps, evaluate_every, sample_every, evaluation_share, .. } = self.outline;
        let Position { step, due } = self.position;
        if step >= total_steps && due > total_steps {
            return Some(0.0);
        }
        let per_step = self.per_step()?;
        let guess = per_step * evaluation_share * FORWARD;
        let once = self.evaluations.mean_with(|first| first.min(2.0 * guess)).unwrap_or(guess);
        let evaluations = if evaluation_share > 0.0 { due_in(due, total_steps, evaluate_every) + 1 } else { 0 };
        let sample = self.samples.mean().unwrap_or(0.0);
        let samples = if sample_every > 0 { due_in(due, total_steps, sample_every) + 1 } else { 0 };
        let steps = total_steps.saturating_sub(step) as f64;
        Some(steps * per_step + evaluations as f64 * once + samples as f64 * sample)
    }
}

/// Multiples of `every` from `first` on and below `end`.
fn due_in(first: u64, end: u64, every: u64) -> u64 {
    if every == 0 || first >= end { 0 } else { end.div_ceil(every) - first.div_ceil(every) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A run of 600 steps of about `step` seconds, an evaluation of 1.5 s before every hundredth and at the end, a text of 0.5 s
    /// before every 200th and at the end. The first two steps compile kernels for 20 s each, and so does the evaluation before
    /// them. Estimates with the seconds that were really left, after each event.
    fn simulate(step: impl Fn(u64) -> f64) -> Vec<(u64, f64, f64)> {
        let outline = RunOutline {
            total_steps: 600,
            evaluate_every: 100,
            sample_every: 200,
            evaluation_share: 100.0,
            ..RunOutline::default()
        };
        let mut left = TimeLeft::new(&outline);
        left.hear(&Event::Rewind { step: 0, evaluated: false });
        let (mut now, mut told) = (0.0, Vec::new());
        let sample = Event::Sample { step: 0, prompt: String::new(), text: String::new() };
        for number in 0..=600 {
            let metrics = |seconds| Metrics { step: number, seconds, ..Metrics::default() };
            if number % 100 == 0 {
                now += if number == 0 { 20.0 } else { 1.5 };
                left.hear(&Event::Evaluation(metrics(now)));
                told.push((number, now, left.seconds()));
            }
            if number % 200 == 0 {
                now += 0.5;
                left.hear(&sample);
            }
            if number < 600 {
                now += if number < 2 { 20.0 } else { step(number) };
                left.hear(&Event::Step(metrics(now)));
                told.push((number, now, left.seconds()));
            }
        }
        told.into_iter().filter_map(|(step, at, left)| Some((step, left?, now - at))).collect()
    }

    #[test]
    fn evaluations_and_texts_are_in_it() {
        let told = simulate(|_| 0.04);
        // The first steps and evaluation, of 20 s each, say nothing: the first estimate comes with the third step.
        assert_eq!(told[0].0, 2);
        for (step, left, truth) in told {
            // Before there was a second evaluation it is guessed from the steps.
            let share = if step < 100 { 0.25 } else { 0.12 };
            assert!((left - truth).abs() < share * truth + 0.7, "step {step}: {left:.1} s, in truth {truth:.1}");
        }
    }

    #[test]
    fn a_busy_machine_does_not_make_it_swing() {
        // Every other three seconds take twice as long.
        let told = simulate(|step| if step / 50 % 2 == 0 { 0.04 } else { 0.08 });
        for pair in told.windows(2).filter(|pair| pair[0].0 > 200 && pair[1].2 > 3.0) {
            let [(step, before, _), (_, after, truth)] = pair else { unreachable!() };
            assert!((before - after).abs() < 0.06 * before + 1.6, "step {step}: {before:.1} s, then {after:.1} s");
            assert!((after - truth).abs() < 0.3 * truth, "step {step}: {after:.1} s, in truth {truth:.1}");
        }
    }

    #[test]
    fn a_run_that_goes_back_begins_its_estimate_again() {
        let mut left = TimeLeft::new(&RunOutline { total_steps: 10, ..RunOutline::default() });
        let step = |step, seconds| Event::Step(Metrics { step, seconds, ..Metrics::default() });
        (0..4).for_each(|at| left.hear(&step(at, at as f64)));
        assert_eq!(left.seconds(), Some(6.0));
        left.hear(&Event::Rewind { step: 2, evaluated: true });
        assert_eq!(left.seconds(), None);
        [(2, 50.0), (3, 90.0), (4, 92.0)].into_iter().for_each(|(at, seconds)| left.hear(&step(at, seconds)));
        assert_eq!(left.seconds(), Some(10.0));
        left.hear(&Event::Evaluation(Metrics { step: 10, seconds: 110.0, ..Metrics::default() }));
        assert_eq!(left.seconds(), Some(0.0));
    }

    #[test]
    fn what_is_due_is_counted() {
        assert_eq!([due_in(1, 600, 100), due_in(100, 600, 100), due_in(101, 601, 100)], [5, 5, 5]);
        assert_eq!([due_in(600, 600, 100), due_in(3, 9, 0), due_in(0, 1, 50)], [0, 0, 1]);
    }
}
