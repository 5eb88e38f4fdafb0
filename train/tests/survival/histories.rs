//! Runs with drawn histories: other devices, other stages, faults and kills between resumptions.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use hearth_train::{
    TrainConfig,
    devices::{DeviceChoice, OpenDevice, open},
    parallel::{Point, Probe},
    run::{Run, Start},
};

use super::{checkpoint, losses, state_of};

/// Steps between two checkpoints.
const EVERY: u64 = 2;
/// Steps of a whole history.
const STEPS: u64 = 12;

const CONFIG: &str = r#"
seed = 5
[data]
text = "TEXT"
[model]
preset = "shakespeare-cpu"
layers = 2
width = 16
heads = 2
context_length = 16
dropout = 0.1
[batch]
micro_batch = 2
accumulation = 4
[limits]
steps = 12
[evaluation]
every = 5
batches = 1
[sample]
every = 0
[checkpoint]
every = 2
keep_last = 20
keep_best = false
[parallel]
rebalance = 0
"#;

/// What happens between two starts of a run.
#[derive(Clone, Debug)]
struct Part {
    devices: usize,
    stages: usize,
    /// The step until which it is to go.
    until: u64,
    end: End,
}

#[derive(Clone, Debug)]
enum End {
    /// It reaches that step.
    Limit,
    /// A device other than the first is lost in this step.
    Lost { rank: usize, step: u64, point: Point },
    /// It reaches that step, and only what was there at this checkpoint is left of it, with half of a later one.
    Killed { at: u64 },
}

/// splitmix64 (Steele et al. 2014): the same histories in every run of the tests.
struct Draw(u64);

impl Draw {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }

    fn of<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.below(all.len() as u64) as usize].clone()
    }

    /// A part that begins at step `from`.
    fn part(&mut self, from: u64) -> Part {
        let (devices, stages) = self.of(&[(1, 1), (2, 1), (3, 1), (4, 1), (2, 2), (4, 2)]);
        let until = from + 1 + self.below(STEPS - from);
        let points = [Point::Begin, Point::Walked, Point::Reduced];
        let end = match self.below(3) {
            0 if devices > 1 => End::Lost {
                rank: 1 + self.below(devices as u64 - 1) as usize,
                step: from + self.below(until - from),
                point: self.of(&points),
            },
            1 if until > EVERY => End::Killed { at: EVERY * (1 + self.below(until / EVERY)).min(until / EVERY) },
            _ => End::Limit,
        };
        Part { devices, stages, until, end }
    }
}

/// A folder with the configuration and a text.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("text.txt");
    let all = include_str!("../../../examples/shakespeare/input.txt");
    fs::write(&text, &all[..20_000]).unwrap();
    fs::write(folder.path().join("config.toml"), CONFIG.replace("TEXT", &text.display().to_string())).unwrap();
    folder
}

/// The steps of the checkpoints that are there.
fn checkpoints(run: &Path) -> Vec<u64> {
    let Ok(entries) = fs::read_dir(run) else { return Vec::new() };
    let step = |path: PathBuf| path.file_name()?.to_str()?.strip_prefix("step-")?.parse().ok();
    entries.filter_map(|entry| step(entry.unwrap().path())).collect()
}

fn newest(run: &Path) -> u64 {
    checkpoints(run).into_iter().max().unwrap_or(0)
}

/// One device for all, whose speed is measured once.
fn cpu() -> OpenDevice {
    static CPU: OnceLock<OpenDevice> = OnceLock::new();
    CPU.get_or_init(|| open(DeviceChoice::Cpu).unwrap()).clone()
}

/// Does a part; where the next begins.
fn run_part(folder: &Path, run: &Path, part: &Part) -> u64 {
    let settings = [format!("parallel.stages={}", part.stages), format!("limits.steps={}", part.until)];
    let config = TrainConfig::read(&folder.join("config.toml"), &settings).unwrap();
    let mut devices = vec![cpu(); part.devices];
    devices.iter_mut().enumerate().for_each(|(rank, device)| device.name = format!("device {rank}"));
    if let End::Lost { rank, step, point } = part.end {
        devices[rank] = devices[rank].clone().with_probe(Probe::lose_device(step, point));
    }
    let mut devices = devices.into_iter();
    let first = devices.next().unwrap();
    let done = Run::new(config, first, run).others(devices.collect()).begin(Start::Auto).go();
    match (&part.end, done) {
        (End::Lost { rank, step, .. }, done) => {
            // Copies that failed in the run's last step may have been asked for by no one.
            if let Err(error) = done {
                assert!(error.to_string().starts_with(&format!("device {rank}: ")), "{part:?}: {error}");
            }
            // A checkpoint is written when the loss of its step is known, at the step after that one.
            let least = step.saturating_sub(2) / EVERY * EVERY;
            assert!(newest(run) >= least, "{part:?}: {:?}", checkpoints(run));
        }
        (_, Err(error)) => panic!("{part:?}: {error}"),
        (End::Limit, Ok(summary)) => assert_eq!((summary.steps, newest(run)), (part.until, part.until), "{part:?}"),
        (End::Killed { at }, Ok(_)) => {
            for step in checkpoints(run).into_iter().filter(|step| step > at) {
                fs::remove_dir_all(checkpoint(run, step)).unwrap();
            }
            let half = checkpoint(run, at + EVERY).with_extension("part");
            fs::create_dir_all(&half).unwrap();
            fs::write(half.join("state.json"), "{").unwrap();
            fs::remove_file(run.join("model.safetensors")).unwrap();
        }
    }
    newest(run)
}

/// Parts until a checkpoint of the last step is there.
fn history(folder: &Path, run: &Path, draw: &mut Draw) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut at = 0;
    while parts.len() < 3 && at < STEPS {
        let part = draw.part(at);
        parts.push(part.clone());
        at = run_part(folder, run, &part);
    }
    if at < STEPS {
        let last = Part { until: STEPS, end: End::Limit, ..draw.part(at) };
        parts.push(last.clone());
        run_part(folder, run, &last);
    }
    parts
}

/// None is refused, none loses more than what came after its last checkpoint, and each step is in the curve; the same history
/// has the same bits.
#[test]
fn every_history_comes_to_its_end() {
    let folder = folder();
    for number in 0..30 {
        let run = folder.path().join(format!("run-{number}"));
        let parts = history(folder.path(), &run, &mut Draw(number));
        let steps: Vec<u64> = losses(&run).into_keys().collect();
        assert_eq!(steps, (0..STEPS).collect::<Vec<_>>(), "{parts:?}");
        if number % 3 == 0 {
            let again = folder.path().join(format!("again-{number}"));
            for part in &parts {
                run_part(folder.path(), &again, part);
            }
            let [one, other] = [&run, &again].map(|run| state_of(&checkpoint(run, STEPS)));
            assert!(one == other, "{parts:?}");
        }
    }
}
