//! Which blocks of a model each stage of a pipeline has.

use std::ops::Range;

use hearth_model::{ModelShape, Site};

use super::{DeviceLimits, Rates, stage_plan};
use crate::{TrainConfig, TrainError};

/// The blocks of each stage, for ranks with these limits, speeds (in FLOP/s, or in any unit) and rows of each global batch:
/// those that `parallel.blocks` gives; else as many as `earlier`, if these fit every device; else those that make the slowest
/// stage fastest, of what fits.
///
/// # Errors
/// [`TrainError::Config`]: fewer blocks than stages; a stage that does not fit its device.
pub fn stage_blocks(
    config: &TrainConfig,
    limits: &[&DeviceLimits],
    speeds: &[f64],
    rows: &[Range<usize>],
    earlier: &[usize],
) -> Result<Vec<Range<usize>>, TrainError> {
    let (layers, stages) = (config.model.layers, config.parallel.stages);
    if layers < stages {
        let reason = format!("{stages} stages for a model of {layers} blocks: give at most one stage a block");
        return Err(TrainError::Config { source_name: "parallel.stages".into(), reason });
    }
    if !config.parallel.blocks.is_empty() {
        return Ok(ranges(&config.parallel.blocks));
    }
    let shape = ModelShape::of(&config.model, &Site::of_sequence(config.model.context_length));
    let ranks = |stage| (stage..speeds.len()).step_by(stages);
    let seconds = |stage: usize, blocks: &Range<usize>| {
        let slowest = ranks(stage).map(|rank| speeds[rank]).fold(f64::INFINITY, f64::min);
        let of_blocks = blocks.clone().map(|at| shape.block(at).flops).sum::<f64>();
        (of_blocks + if stage + 1 == stages { shape.head.flops } else { 0.0 }) / slowest
    };
    let plan = |rank: usize, blocks: &Range<usize>| {
        stage_plan(config, (rank, speeds.len()), blocks, &rows[rank], limits[rank], &Rates::default())
    };
    let fits = |stage: usize, blocks: &Range<usize>| ranks(stage).all(|rank| plan(rank, blocks).is_ok());
    let earlier = ranges(earlier);
    let is_complete = earlier.len() == stages && earlier[stages - 1].end == layers;
    if is_complete && earlier.iter().enumerate().all(|(stage, blocks)| fits(stage, blocks)) {
        return Ok(earlier);
    }
    let fitting = |stage: usize, blocks: &Range<usize>| fits(stage, blocks).then(|| seconds(stage, blocks));
    if let Some(blocks) = fastest(layers, stages, fitting) {
        return Ok(blocks);
    }
    // Says which stage is too large, of those that are best by speed.
    let blocks =
        fastest(layers, stages, |stage, blocks| Some(seconds(stage, blocks))).expect("there are enough blocks");
    for rank in 0..speeds.len() {
        plan(rank, &blocks[rank % stages])?;
    }
    Ok(blocks)
}

/// Consecutive ranges of these lengths.
fn ranges(lengths: &[usize]) -> Vec<Range<usize>> {
    let mut end = 0;
    let range = |length: &usize| {
        end += length;
        end - length..end
    };
    lengths.iter().map(range).collect()
}

/// An assignment of the first blocks to the first stages.
#[derive(Clone, Default)]
struct Prefix {
    /// Number of blocks of each stage.
    lengths: Vec<usize>,
    /// Seconds of the slowest stage.
    slowest: f64,
    /// Sum of the squares of the stages' seconds, which decides among equally slow ones: the more even the better.
    squares: f64,
}

impl Prefix {
    /// With a stage more, of `length` blocks.
    fn then(&self, length: usize, seconds: f64) -> Self {
        let lengths = [&self.lengths[..], &[length]].concat();
        Self { lengths, slowest: self.slowest.max(seconds), squares: self.squares + seconds * seconds }
    }
}

/// The blocks of each stage, at least one, that make the slowest stage fastest; `seconds` says how long a stage with these blocks
/// takes, if it can have them.
fn fastest(
    layers: usize,
    stages: usize,
    seconds: impl Fn(usize, &Range<usize>) -> Option<f64>,
) -> Option<Vec<Range<usize>>> {
    // By the number of blocks that the stages so far have.
    let mut best: Vec<Option<Prefix>> = vec![None; layers + 1];
    best[0] = Some(Prefix::default());
    for stage in 0..stages {
        // Every stage that follows has one at least, and the last has all that are left.
        let most = layers + 1 - (stages - stage);
        let ends = if stage + 1 == stages { layers..layers + 1 } else { stage + 1..most + 1 };
        let mut longer = vec![None; layers + 1];
        for end in ends {
            let prefixes = (stage..end).filter_map(|start| {
                let before = best[start].as_ref()?;
                Some(before.then(end - start, seconds(stage, &(start..end))?))
            });
            let by = |a: &Prefix, b: &Prefix| a.slowest.total_cmp(&b.slowest).then(a.squares.total_cmp(&b.squares));
            longer[end] = prefixes.min_by(by);
        }
        best = longer;
    }
    best[layers].take().map(|prefix| ranges(&prefix.lengths))
}

#[cfg(test)]
mod tests {
    use super::{super::KernelSet, *};

    fn by_speed(layers: usize, head: f64, speeds: &[f64]) -> Vec<Range<usize>> {
        let seconds = |stage: usize, blocks: &Range<usize>| {
            let head = if stage + 1 == speeds.len() { head } else { 0.0 };
            Some((blocks.len() as f64 + head) / speeds[stage])
        };
        fastest(layers, speeds.len(), seconds).unwrap()
    }

    #[test]
    fn stages_are_equally_long_and_none_is_empty() {
        assert_eq!(by_speed(12, 0.0, &[1.0, 1.0]), [0..6, 6..12]);
        assert_eq!(by_speed(12, 4.0, &[1.0, 1.0]), [0..8, 8..12]);
        assert_eq!(by_speed(12, 0.0, &[3.0, 1.0]), [0..9, 9..12]);
        assert_eq!(by_speed(3, 99.0, &[1.0, 1e9, 1.0]), [0..1, 1..2, 2..3]);
        // The head decides; the others are even.
        assert_eq!(by_speed(9, 99.0, &[1.0, 1.0, 1.0]), [0..4, 4..8, 8..9]);
    }

    const MIB: u64 = 1 << 20;

    fn device(mib: u64) -> DeviceLimits {
        DeviceLimits { memory: Some(mib * MIB), apart: true, tensor: None, watchdog: false, kernels: KernelSet::Plain }
    }

    fn placed(settings: &[&str], devices: &[u64]) -> Result<Vec<Range<usize>>, String> {
        placed_after(&[], settings, devices)
    }

    fn placed_after(earlier: &[usize], settings: &[&str], devices: &[u64]) -> Result<Vec<Range<usize>>, String> {
        let text = "[data]\ntext = \"none\"\n[model]\npreset = \"gpt2\"\nvocab_size = 256\ncontext_length = 64\n\
                    [batch]\nmicro_batch = 1\naccumulation = 4\n[limits]\nsteps = 1\n[parallel]\nstages = 2\n";
        let settings: Vec<String> = settings.iter().map(ToString::to_string).collect();
        let config = TrainConfig::parse(text, "test", &settings).map_err(|error| error.to_string())?;
        let limits: Vec<DeviceLimits> = devices.iter().map(|mib| device(*mib)).collect();
        let rows: Vec<Range<usize>> = devices.iter().map(|_| 0..4).collect();
        let found =
            stage_blocks(&config, &limits.iter().collect::<Vec<_>>(), &vec![1.0; devices.len()], &rows, earlier);
        found.map_err(|error| error.to_string())
    }

    /// A block of GPT-2 is 7 million parameters: 27 MiB, and as much again for the gradient and each moment.
    #[test]
    fn a_small_card_gets_fewer_blocks() {
        assert_eq!(placed(&[], &[4000, 4000]).unwrap(), [0..6, 6..12]);
        let blocks = placed(&[], &[500, 4000]).unwrap();
        assert!((1..5).contains(&blocks[0].len()) && blocks[1] == (blocks[0].end..12), "{blocks:?}");
        let mirrored = placed(&[], &[4000, 500]).unwrap();
        assert!((1..5).contains(&mirrored[1].len()), "{mirrored:?}");
        // In a grid the smaller of a stage's devices decides, and gradients that leave for the other pipeline take room too.
        let grid = placed(&[], &[4000, 4000, 500, 4000]).unwrap();
        assert!((1..=blocks[0].len()).contains(&grid[0].len()) && grid[1].end == 12, "{grid:?}");
        let error = placed(&[], &[500, 500]).unwrap_err();
        assert!(error.starts_with("memory: stage 1 of 2 (blocks 0 to 5) takes ") && !error.contains('\n'), "{error}");
    }

    #[test]
    fn blocks_stay_where_they_were_if_they_fit_there() {
        assert_eq!(placed_after(&[2, 10], &[], &[4000, 4000]).unwrap(), [0..2, 2..12]);
        assert_eq!(placed_after(&[2, 10], &["parallel.blocks=[5, 7]"], &[4000, 4000]).unwrap(), [0..5, 5..12]);
        assert_eq!(placed_after(&[10, 2], &[], &[500, 4000]), placed(&[], &[500, 4000]));
        for of_another_run in [&[4, 4, 4][..], &[2, 9], &[12]] {
            assert_eq!(placed_after(of_another_run, &[], &[4000, 4000]).unwrap(), [0..6, 6..12]);
        }
    }

    #[test]
    fn blocks_that_are_given_are_taken() {
        assert_eq!(placed(&["parallel.blocks=[1, 11]"], &[4000, 4000]).unwrap(), [0..1, 1..12]);
        for (blocks, told) in [
            ("[1, 10]", "parallel.blocks = [1, 10]: they are 11 blocks, and the model has 12"),
            ("[4, 4, 4]", "parallel.blocks = [4, 4, 4]: give a number for each of parallel.stages = 2"),
            ("[12, 0]", "parallel.blocks = [12, 0]: a stage has one block at least"),
        ] {
            let error = placed(&[&format!("parallel.blocks={blocks}")], &[4000, 4000]).unwrap_err();
            assert!(error.contains(told), "{error}");
        }
    }
}
