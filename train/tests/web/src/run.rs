//! A session of a small model on the CPU.

use std::{cell::RefCell, future::ready, pin::Pin, rc::Rc, sync::Arc, time::Duration};

use burn::tensor::Device;
use hearth_data::{Batches, Rows, TokenStream, Tokenizer, Tokens};
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
    let (data, identity) = data(&config, &tokenizer)?;
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

/// Batches of the text, and what tells it from others: as a native run has them.
fn data(config: &TrainConfig, tokenizer: &Tokenizer) -> Result<(Data, Identity), TrainError> {
    let (train, validation) = Tokens::new(tokenizer.encode(text())?)?.split(config.data.validation_fraction)?;
    let mut content = blake3::Hasher::new();
    content.update(&train.content_hash()).update(&validation.content_hash());
    let hex = |hash: [u8; 32]| blake3::Hash::from(hash).to_hex().to_string();
    let identity = Identity { tokenizer: hex(tokenizer.hash()), data: hex(content.finalize().into()) };
    let context = config.model.context_length;
    let rows = |stream, stride| Rows::windows(Arc::new(stream), context, stride, config.seed);
    let batches = |rows| Batches::mixed(vec![(1.0, rows)]);
    let validation = batches(rows(validation, 0)?)?;
    let validation = validation.evaluation(config.batch.micro_batch, config.evaluation.batches)?;
    Ok((Data { train: batches(rows(train, config.data.stride)?)?, validation }, identity))
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
