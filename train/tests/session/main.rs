//! Sessions without an operating system, and runs that a program of one's own feeds, hears and ends.

mod run;

use std::{
    cell::{Cell, RefCell},
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use burn::tensor::Device;
use hearth_data::{Batches, Rows, Tokenizer, Tokens};
use hearth_train::{
    Event, Home, Origin, Session, TrainConfig, TrainError,
    checkpoint::{Memory, Store, list, newest},
    engine::{Alone, Data},
    plan::DeviceLimits,
    session::{Common, DirectSaver, End, Identity, Outcome, Wish},
};

const CONFIG: &str = r#"
[data]
tokenizer = "byte"
[model]
preset = "stories260k"
vocab_size = 256
layers = 1
width = 16
heads = 2
kv_heads = 2
ffn_width = 32
context_length = 16
[batch]
micro_batch = 2
[limits]
steps = 4
[evaluation]
every = 0
batches = 1
[checkpoint]
every = 0
"#;

fn config(settings: &[&str]) -> TrainConfig {
    let settings: Vec<String> = settings.iter().map(ToString::to_string).collect();
    TrainConfig::parse(CONFIG, "CONFIG", &settings).unwrap()
}

/// A text with something to learn.
fn tokens() -> Tokens {
    Tokens::new((0..3000u32).map(|at| at * at % 61).collect()).unwrap()
}

/// What a test sees of a session, and says to it.
#[derive(Clone, Default)]
struct Watched {
    events: Rc<RefCell<Vec<Event>>>,
    /// Steps that the home was asked about.
    asked: Rc<RefCell<Vec<u64>>>,
    /// Steps after which the home pauses the session.
    pause_after: Rc<Cell<Option<usize>>>,
    /// Times that the home says that the session goes on, before it says that it is to end.
    stop_after: Rc<Cell<Option<usize>>>,
}

impl Watched {
    fn steps(&self) -> Vec<u64> {
        let of = |event: &Event| if let Event::Step(metrics) = event { Some(metrics.step) } else { None };
        self.events.borrow().iter().filter_map(of).collect()
    }

    fn evaluations(&self) -> Vec<(u64, f64)> {
        let of = |event: &Event| match event {
            Event::Evaluation(metrics) => Some((metrics.step, metrics.val_loss?)),
            _ => None,
        };
        self.events.borrow().iter().filter_map(of).collect()
    }
}

impl Home for Watched {
    fn event(&mut self, event: Event) -> Result<(), TrainError> {
        self.events.borrow_mut().push(event);
        Ok(())
    }

    fn now(&self) -> Duration {
        Duration::ZERO
    }

    fn wish(&mut self) -> Pin<Box<dyn Future<Output = Wish> + '_>> {
        Box::pin(std::future::poll_fn(|_| {
            let paused = self.pause_after.get().is_some_and(|steps| self.asked.borrow().len() >= steps);
            if paused { Poll::Pending } else { Poll::Ready(Wish::Continue) }
        }))
    }

    fn is_stopping(&self) -> bool {
        let left = self.stop_after.get();
        self.stop_after.set(left.map(|left| left.saturating_sub(1)));
        left == Some(0)
    }

    fn loss_factor(&mut self, step: u64) -> f64 {
        self.asked.borrow_mut().push(step);
        1.0
    }
}

fn session(config: TrainConfig, store: &Arc<dyn Store>, home: Watched) -> (Session, Origin) {
    let config = Arc::new(config);
    let batches = Batches::new(Rows::windows(Arc::new(tokens()), 16, 0, config.seed).unwrap());
    let data = Data { train: batches.clone(), validation: batches.evaluation(2, config.evaluation.batches).unwrap() };
    let engine = Alone::new(config.clone(), data, &Device::flex(), &DeviceLimits::of_host(), 0.0, None).unwrap();
    let common = Common {
        config: config.to_toml().into_bytes(),
        tokenizer: Vec::new(),
        identity: Identity::default(),
        adapter: "CPU".into(),
        settings: config.checkpoint.clone(),
    };
    let saver = DirectSaver::new(store.clone(), common);
    let origin = newest(store, |_, error| panic!("{error}")).unwrap();
    let origin = origin.map_or(Origin::Seed, |checkpoint| Origin::open(checkpoint, &config).unwrap());
    (Session::new(config, Tokenizer::byte(), Box::new(engine), Box::new(saver), Box::new(home)), origin)
}

fn memory() -> Arc<dyn Store> {
    Arc::new(Memory::new())
}

fn train(settings: &[&str], store: &Arc<dyn Store>) -> (Outcome, Watched, Session) {
    let home = Watched::default();
    let (mut session, origin) = session(config(settings), store, home.clone());
    let outcome = pollster::block_on(session.train(&origin, origin.state())).unwrap();
    (outcome, home, session)
}

/// Every step has its checkpoint, the first two as well, and the home is asked about every step.
#[test]
fn the_first_steps_are_like_the_others() {
    let store = memory();
    let (outcome, home, _) = train(&["checkpoint.every=1", "checkpoint.keep_last=9"], &store);
    assert_eq!((outcome.end, home.steps(), home.asked.take()), (End::Limit, vec![0, 1, 2, 3], vec![0, 1, 2, 3]));
    let kept: Vec<u64> = list(&store).unwrap().into_iter().map(|(step, _)| step).collect();
    assert_eq!(kept, [4, 3, 2, 1]);
    let told = home.events.borrow().iter().filter(|event| matches!(event, Event::Checkpoint { .. })).count();
    assert_eq!(told, 4);
}

/// The best of the first evaluations has a checkpoint too.
#[test]
fn the_best_evaluation_of_the_first_steps_is_kept() {
    let store = memory();
    let settings = ["evaluation.every=1", "schedule.warmup_steps=0", "limits.steps=2"];
    let (_, home, session) = train(&settings, &store);
    let found = home.evaluations();
    assert!(found.len() == 3 && found[2].1 < found[1].1 && found[1].1 < found[0].1, "{found:?}");
    assert!(list(&store).unwrap().iter().any(|(step, _)| *step == 1));
    // The evaluation at the end is one of those that the best is chosen from.
    assert_eq!(session.best().unwrap().step, 2);
}

#[test]
fn a_session_without_patience_takes_no_step_when_it_is_resumed() {
    let store = memory();
    let settings = ["evaluation.every=1", "evaluation.patience=1", "optimizer.learning_rate=0.0", "limits.steps=9"];
    let settings = [&settings[..], &["schedule.final_learning_rate=0.0", "optimizer.weight_decay=0.0"]].concat();
    let (outcome, home, _) = train(&settings, &store);
    assert_eq!((outcome.end, home.steps()), (End::OutOfPatience, vec![0]));
    let (outcome, home, _) = train(&settings, &store);
    assert_eq!((outcome.end, home.steps()), (End::OutOfPatience, vec![]));
}

/// Nothing happens while the home takes its time to answer, and nothing is lost.
#[test]
fn a_session_pauses_between_steps_and_goes_on() {
    let (_, whole, _) = train(&[], &memory());
    let (home, store) = (Watched::default(), memory());
    home.pause_after.set(Some(2));
    let (mut session, origin) = session(config(&[]), &store, home.clone());
    let mut training = Box::pin(session.train(&origin, origin.state()));
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..3 {
        assert!(training.as_mut().poll(&mut context).is_pending());
        assert_eq!(home.asked.borrow().len(), 2);
    }
    home.pause_after.set(None);
    assert!(training.as_mut().poll(&mut context).is_ready());
    assert_eq!(*home.events.borrow(), *whole.events.borrow());
}

/// A stop gives up an evaluation that is under way. Who goes on makes up for it, and comes to what an unstopped run does: at
/// every moment that a session is asked to end.
#[test]
fn an_evaluation_that_a_stop_cut_is_made_up_for() {
    let settings = ["evaluation.every=2", "evaluation.batches=20", "sample.every=2", "sample.tokens=3"];
    let (whole, told, session) = train(&settings, &memory());
    let expected = (whole.val_loss, session.state().best, session.state().evaluations_since_best);
    let mut cut = 0;
    for moment in 0.. {
        let store = memory();
        let stopped = stopped_after(moment, &settings, &store);
        if stopped.end == End::Limit && stopped.val_loss.is_some() {
            assert!(moment > 20 && cut > 6, "{moment} questions, {cut} of them in evaluations");
            return;
        }
        cut += usize::from(stopped.val_loss.is_none());
        let (outcome, home, session) = train(&settings, &store);
        assert_eq!((outcome.end, home.evaluations().last()), (End::Limit, told.evaluations().last()), "{moment}");
        let state = session.state();
        assert_eq!((outcome.val_loss, state.best, state.evaluations_since_best), expected, "{moment}");
    }
}

fn stopped_after(moment: usize, settings: &[&str], store: &Arc<dyn Store>) -> Outcome {
    let home = Watched::default();
    home.stop_after.set(Some(moment));
    let (mut session, origin) = session(config(settings), store, home);
    pollster::block_on(session.train(&origin, origin.state())).unwrap()
}

/// Nats per token are nats per token, whatever the training loss has beside them.
#[test]
fn the_z_loss_is_not_in_the_validation_loss() {
    let first = |z_loss: &str| {
        let (_, home, _) = train(&["evaluation.every=1", "limits.steps=1", z_loss], &memory());
        home.evaluations()[0]
    };
    assert_eq!(first("loss.z_loss=0.0"), first("loss.z_loss=0.1"));
}
