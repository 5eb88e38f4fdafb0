//! What the first rank tells the others, and what all tell one another at the start.

use std::ops::Range;

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    TrainConfig, TrainError,
    checkpoint::KernelChoices,
    devices::OpenDevice,
    plan::DeviceLimits,
    session::{Identity, StepOrder, differences},
};

/// What every rank does next.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Order {
    /// Make a model, and take the first rank's state.
    Begin(Division),
    /// From here on each has other rows.
    Rebalance(Division),
    /// Run the kernels of these choices: said to processes.
    Pin(KernelChoices),
    /// Say which kernels were chosen: asked of processes.
    Kernels,
    /// Take the first rank's state again.
    Synchronize,
    /// A step together.
    Step(StepOrder),
    /// So many steps alone, and then the average.
    LocalSteps {
        /// The first of them.
        from: StepOrder,
        /// Number of steps.
        count: u64,
    },
    /// Give all the moments that each alone has.
    GatherMoments,
    /// Take these validation batches through the stages.
    Evaluate(Range<usize>),
    /// Give the first rank the stages.
    GatherModel,
    /// The run is over.
    End,
}

/// Who has what of a step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Division {
    /// Rows of each global batch that each rank has, by rank.
    pub rows: Vec<Range<usize>>,
    /// Blocks of each stage; none where each rank has the whole model.
    pub blocks: Vec<Range<usize>>,
}

/// How a rank takes its steps.
#[derive(Serialize, Deserialize)]
pub(super) struct Duty {
    /// Rows of its micro-batches.
    pub micro_rows: usize,
    /// Its plan, for people.
    pub plan: String,
}

/// What a rank says of itself at the start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Greeting {
    version: String,
    config: String,
    tokenizer: String,
    data: String,
    /// Name of its device, for people.
    pub device: String,
    /// Name of its device to the bit; those of one kind are as fast as one another.
    pub adapter: String,
    /// Matrix rate of its device, FLOP/s.
    pub speed: f64,
    /// What its device can hold and bind.
    pub limits: DeviceLimits,
}

impl Greeting {
    pub fn new(config: &TrainConfig, identity: &Identity, device: &OpenDevice) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").into(),
            config: config.to_toml(),
            tokenizer: identity.tokenizer.clone(),
            data: identity.data.clone(),
            device: device.name.clone(),
            adapter: device.adapter.clone(),
            speed: device.flops(),
            limits: device.limits.clone(),
        }
    }

    /// # Errors
    /// What rank number `rank`, which says `other`, has otherwise than the first.
    fn check(&self, rank: usize, other: &Self) -> Result<(), String> {
        if self.version != other.version {
            return Err(format!(
                "rank {rank} is hearth {}, and rank 0 is {}: install one",
                other.version, self.version
            ));
        }
        let read = |text: &str| toml::from_str::<TrainConfig>(text).map_err(|error| error.message().to_string());
        let fields = differences(&read(&self.config)?, &read(&other.config)?);
        if let Some((field, [first, other])) = fields.first_key_value() {
            return Err(format!("rank {rank} has {field} = {other}, and rank 0 has {first}: start all with one"));
        }
        for (what, first, other) in
            [("tokenizer", &self.tokenizer, &other.tokenizer), ("tokens", &self.data, &other.data)]
        {
            if first != other {
                return Err(format!("rank {rank} has other {what} than rank 0: give all the same files"));
            }
        }
        Ok(())
    }
}

/// All ranks' greetings, by rank; each rank checks all.
pub(super) fn read_greetings(all: &[Vec<u8>]) -> Result<Vec<Greeting>, TrainError> {
    let refuse = |reason: String| TrainError::Config { source_name: "several ranks".into(), reason };
    let mut greetings: Vec<Greeting> = Vec::new();
    for (rank, bytes) in all.iter().enumerate() {
        let other_version = |_| refuse(format!("rank {rank} is another version of hearth than rank 0: install one"));
        let greeting: Greeting = from_bytes(bytes).map_err(other_version)?;
        greetings.first().unwrap_or(&greeting).check(rank, &greeting).map_err(refuse)?;
        greetings.push(greeting);
    }
    Ok(greetings)
}

/// The speeds of ranks, those of one kind being equal: what was measured of them differs by chance.
pub(super) fn speeds(greetings: &[Greeting]) -> Vec<f64> {
    let of_kind = |adapter: &str| {
        let alike = greetings.iter().filter(|it| it.adapter == adapter).map(|it| it.speed);
        alike.clone().sum::<f64>() / alike.count() as f64
    };
    greetings.iter().map(|it| of_kind(&it.adapter)).collect()
}

/// CBOR, which unlike JSON has words for infinity and NaN.
pub(super) fn to_bytes(value: &impl Serialize) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).expect("plain values go into memory");
    bytes
}

pub(super) fn from_bytes<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    ciborium::from_reader(bytes).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::Ceiling;

    fn config(learning_rate: f64) -> TrainConfig {
        let text = format!(
            "[data]\ntext = \"a.txt\"\n[model]\npreset = \"stories260k\"\n[limits]\nsteps = 1\n[optimizer]\n\
             learning_rate = {learning_rate}"
        );
        TrainConfig::parse(&text, "test", &[]).unwrap()
    }

    fn greeting(learning_rate: f64, version: &str, data: &str) -> Greeting {
        let [tokenizer, device, adapter] = [(); 3].map(|()| String::from("a"));
        let (version, data) = (version.into(), data.into());
        let (config, limits) = (config(learning_rate).to_toml(), DeviceLimits::of_host());
        Greeting { version, config, tokenizer, data, device, adapter, speed: 1.0, limits }
    }

    #[test]
    fn ranks_that_differ_are_told_where() {
        let first = greeting(0.1, "1", "a");
        let said = |other: Greeting| match read_greetings(&[to_bytes(&first), to_bytes(&other)]) {
            Ok(_) => String::new(),
            Err(error) => error.to_string(),
        };
        assert_eq!(said(first.clone()), "");
        assert_eq!(
            said(greeting(0.2, "1", "a")),
            "several ranks: rank 1 has optimizer.learning_rate = 0.2, and rank 0 has 0.1: start all with one"
        );
        assert_eq!(said(greeting(0.1, "2", "a")), "several ranks: rank 1 is hearth 2, and rank 0 is 1: install one");
        assert_eq!(
            said(greeting(0.1, "1", "b")),
            "several ranks: rank 1 has other tokens than rank 0: give all the same files"
        );
    }

    #[test]
    fn those_of_one_kind_are_as_fast_as_one_another() {
        let of = |adapter: &str, speed| Greeting { adapter: adapter.into(), speed, ..greeting(0.1, "1", "a") };
        assert_eq!(speeds(&[of("x", 2.0), of("y", 7.0), of("x", 4.0)]), [3.0, 7.0, 3.0]);
    }

    #[test]
    fn orders_come_over_whole() {
        let ceiling = Ceiling { loss: f32::INFINITY, grad_norm: 1.5 };
        let order = Order::Step(StepOrder { step: 1, data: 2, ceiling, loss_factor: f64::INFINITY });
        assert_eq!(from_bytes::<Order>(&to_bytes(&order)).unwrap(), order);
    }
}
