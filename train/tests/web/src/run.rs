//! A session of a small model on the CPU.

use std::{cell::RefCell, future::ready, pin::Pin, rc::Rc, sync::Arc, time::Duration};

use burn::tensor::Device;
use hearth_data::Tokenizer;
use hearth_train::{
    Event, Home, Origin, Session, TrainConfig, TrainError,
    checkpoint::{Store, clean, newest},
    engine::{Alone, Data},
    plan::DeviceLimits,
    session::{Common, DirectSaver, Identity, Wish, same_run},
};

/// What is trained, with everything that a resumption must carry on: dropout, accumulation, clipping, a warm-up.
pub const CONFIG: &str = r#"
seed = 3
[data]
text = "input.txt"
tokenizer = "char"
[model]
preset = "shakespeare-cpu"
layers = 2
width = 32
heads = 2
context_length = 32
dropout = 0.1
[batch]
micro_batch = 2
accumulation = 2
[optimizer]
clip_norm = 0.5
[schedule]
kind = "constant"
warmup_steps = 3
[evaluation]
every = 5
batches = 2
[checkpoint]
every = 5
[sample]
tokens = 8
"#;

/// The text that is learned.
pub fn text() -> &'static str {
    &include_str!("../../../../examples/shakespeare/input.txt")[..20_000]
}

/// The configuration of a run of so many steps.
///
/// # Panics
/// Never: the text is right.
pub fn config(steps: u64) -> TrainConfig {
    let mut config = TrainConfig::parse(CONFIG, "CONFIG", &[format!("limits.steps={steps}")]).expect("it is right");
    config.model.vocab_size = Tokenizer::chars_of(text()).expect("it has characters").vocab_size();
    config
}

/// Trains until `steps`, from the newest checkpoint in `store` if there is one, and leaves one there. Returns the losses of
/// the steps that were taken, and that of the validation at the end.
///
/// # Errors
/// Those of sessions.
pub async fn train(store: &Arc<dyn Store>, steps: u64) -> Result<(Vec<f64>, f64), TrainError> {
    let config = Arc::new(config(steps));
    let tokenizer = Tokenizer::chars_of(text())?;
    let (data, hash) = Data::of_text(&config, &tokenizer, text())?;
    let identity = Identity::new(&tokenizer, hash);
    clean(store)?;
    let origin = match newest(store, |_, _| ())? {
        None => Origin::Seed,
        Some(checkpoint) => {
            same_run(&checkpoint, &config, &identity, false)?;
            Origin::open(checkpoint, &config)?
        }
    };
    const ADAPTER: &str = "CPU";
    let limits = DeviceLimits::of_host();
    let cut = origin.kept(&config, ADAPTER, 1, 1).cut;
    let engine = Alone::new(config.clone(), data, &Device::flex(), &limits, 0.0, cut)?;
    let saver = DirectSaver::new(
        store.clone(),
        Common {
            config: config.to_toml().into_bytes(),
            tokenizer: serde_json::to_vec(&tokenizer).expect("a tokenizer is plain values"),
            identity,
            adapter: ADAPTER.into(),
            settings: config.checkpoint.clone(),
        },
    );
    let page = Page::default();
    let losses = page.losses.clone();
    let mut session = Session::new(config, tokenizer, Box::new(engine), Box::new(saver), Box::new(page));
    let outcome = session.train(&origin, origin.state()).await?;
    Ok((losses.take(), outcome.val_loss.expect("there are validation batches")))
}

/// A page's part: it keeps the losses, and its clock stands still.
#[derive(Default)]
struct Page {
    losses: Rc<RefCell<Vec<f64>>>,
}

impl Home for Page {
    /// Trouble ends the test: nothing is to go wrong.
    fn event(&mut self, event: Event) -> Result<(), TrainError> {
        match event {
            Event::Step(metrics) => self.losses.borrow_mut().extend(metrics.train_loss),
            Event::Trouble(text) => return Err(TrainError::Internal(text)),
            _ => {}
        }
        Ok(())
    }

    fn now(&self) -> Duration {
        Duration::ZERO
    }

    fn wish(&mut self) -> Pin<Box<dyn Future<Output = Wish> + '_>> {
        Box::pin(ready(Wish::Continue))
    }

    fn is_stopping(&self) -> bool {
        false
    }
}
