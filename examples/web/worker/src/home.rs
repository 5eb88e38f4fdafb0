//! The session's home in a tab: what the page wishes reaches it between steps, and what happens is told to the page.

use std::{cell::RefCell, collections::VecDeque, ops::ControlFlow, rc::Rc, time::Duration};

use hearth_data::Tokenizer;
use hearth_model::Transformer;
use hearth_train::{
    Event, Home, TrainError,
    session::{Record, TextEnd, Wish},
};

use crate::{
    answers,
    drive::Drive,
    fault,
    front::Front,
    inbox::{Inbox, Mail},
    log::step_figures,
    messages::{Reply, Request, Sample, State, StepFigures, TroubleKind, count},
    platform::{Platform, Soon},
    run::Run,
    trouble,
};

/// Figures of steps are told at most so often.
const TELL_EVERY: Duration = Duration::from_millis(100);

/// The home of one session. A clone is the same.
#[derive(Clone)]
pub struct Tab(Rc<RefCell<Inner>>);

struct Inner {
    platform: Rc<dyn Platform>,
    front: Front,
    inbox: Inbox,
    run: Run,
    drive: Option<Rc<Drive>>,
    /// Figures that the page has not been told.
    untold: Vec<StepFigures>,
    tokens_per_second: Option<f64>,
    told: Duration,
    /// The step of a checkpoint that is not in the browser's file system yet.
    unkept: Option<u64>,
    /// Requests that need the model.
    jobs: VecDeque<Mail>,
    /// Requests that wait for the run's end: a plan that was asked for as it began.
    later: Vec<Mail>,
    /// What the page wants.
    paused: bool,
    settled: bool,
    stopping: bool,
    wants_checkpoint: bool,
    /// Steps until a pause, where they are counted.
    steps_left: Option<u32>,
    is_started: bool,
}

impl Tab {
    /// A home of `run`, whose files go to `drive` where there is one.
    pub fn new(platform: Rc<dyn Platform>, front: Front, inbox: Inbox, run: Run, drive: Option<Rc<Drive>>) -> Self {
        Self(Rc::new(RefCell::new(Inner {
            told: platform.now(),
            platform,
            front,
            inbox,
            run,
            drive,
            untold: Vec::new(),
            tokens_per_second: None,
            unkept: None,
            jobs: VecDeque::new(),
            later: Vec::new(),
            paused: false,
            settled: false,
            stopping: false,
            wants_checkpoint: false,
            steps_left: None,
            is_started: false,
        })))
    }

    /// Tells the page what it has not been told, and carries the newest checkpoint to the browser's file system.
    pub async fn settle(&self) {
        self.0.borrow_mut().tell_steps();
        self.keep().await;
    }

    /// Requests that nobody has answered.
    pub fn left(&self) -> Vec<Mail> {
        let mut inner = self.0.borrow_mut();
        let jobs = std::mem::take(&mut inner.jobs);
        jobs.into_iter().chain(std::mem::take(&mut inner.later)).collect()
    }

    async fn breathe_once(&self) {
        let platform = self.0.borrow().platform.clone();
        platform.breathe().await;
        self.0.borrow().show_wishes();
    }

    /// Carries the newest checkpoint to the browser's file system.
    async fn keep(&self) {
        let (step, run, drive, front) = {
            let mut inner = self.0.borrow_mut();
            let Some(step) = inner.unkept.take() else { return };
            (step, inner.run.clone(), inner.drive.clone(), inner.front.clone())
        };
        let bytes = run.bytes_of(&format!("step-{step:08}"));
        let mut stored = false;
        if let Some(drive) = drive {
            match drive.keep(&run).await {
                Ok(()) => stored = true,
                Err(error) => {
                    let (kind, words) = trouble::of_drive(&error);
                    front.trouble(None, kind, words);
                }
            }
        }
        front.post(Reply::Saved { step: count(step), bytes, stored });
    }

    async fn wish_now(&self) -> Wish {
        self.keep().await;
        loop {
            self.breathe_once().await;
            if let Some(wish) = self.0.borrow_mut().decide() {
                return wish;
            }
            let inbox = self.0.borrow().inbox.clone();
            let mail = inbox.next().await;
            self.0.borrow_mut().take(mail);
        }
    }
}

impl Inner {
    /// What is wished next; `None` in a pause, until there is mail.
    fn decide(&mut self) -> Option<Wish> {
        while let Some(mail) = self.inbox.take() {
            self.take(mail);
        }
        if self.stopping {
            self.front.set(State::Stopping);
            return Some(Wish::Continue);
        }
        if !self.jobs.is_empty() {
            return Some(Wish::Look);
        }
        if self.steps_left == Some(0) {
            (self.steps_left, self.paused) = (None, true);
        }
        if self.paused {
            if !std::mem::replace(&mut self.settled, true) {
                return Some(Wish::Settle);
            }
            if std::mem::take(&mut self.wants_checkpoint) {
                return Some(Wish::Save);
            }
            self.tell_steps();
            self.front.set(State::Paused);
            return None;
        }
        self.settled = false;
        if std::mem::take(&mut self.wants_checkpoint) {
            return Some(Wish::Checkpoint);
        }
        self.steps_left = self.steps_left.map(|left| left - 1);
        self.front.set(if self.is_started { State::Training } else { State::Starting });
        Some(Wish::Continue)
    }

    /// Takes a request in.
    fn take(&mut self, mail: Mail) {
        match &mail.request {
            Request::Pause if !self.paused => (self.paused, self.wants_checkpoint) = (true, self.is_started),
            Request::Pause => {}
            Request::Resume => (self.paused, self.steps_left) = (false, None),
            Request::Step { count } => (self.paused, self.steps_left) = (false, Some((*count).max(1))),
            Request::Stop => self.stopping = true,
            Request::Save => self.wants_checkpoint = true,
            Request::Generate { .. } | Request::Look { .. } => self.jobs.push_back(mail),
            Request::Plan { .. } => self.later.push(mail),
            Request::Cancel { id } => self.cancel(*id),
            Request::Export { id } => answers::export(&*self.platform, &self.front, *id, Some(&self.run)),
            other => {
                let words = "A run is under way: stop it first.";
                self.front.trouble(other.id(), TroubleKind::NotNow, words);
            }
        }
    }

    /// Gives a text up that nobody has begun to draw.
    fn cancel(&mut self, id: u32) {
        let before = self.jobs.len();
        self.jobs.retain(|job| job.request.id() != Some(id));
        if self.jobs.len() < before {
            self.front.post(Reply::Generated { id, tokens: 0, end: TextEnd::Interrupted.name().into() });
        }
    }

    /// Shows that a wish was heard, before the boundary at which it is met.
    fn show_wishes(&self) {
        if self.inbox.has(|request| *request == Request::Stop) {
            self.front.set(State::Stopping);
        } else if !self.paused && self.inbox.has(|request| *request == Request::Pause) {
            self.front.set(State::Pausing);
        }
    }

    fn tell_steps(&mut self) {
        if self.untold.is_empty() {
            return;
        }
        self.told = self.platform.now();
        self.front.post(Reply::Steps {
            steps: std::mem::take(&mut self.untold),
            tokens_per_second: self.tokens_per_second,
            memory_bytes: self.platform.memory_bytes(),
        });
    }

    fn hear(&mut self, event: Event) {
        self.run.log.borrow_mut().hear(&event);
        match event {
            Event::Step(metrics) => {
                self.is_started = true;
                self.tokens_per_second = metrics.tokens_per_second;
                self.front.at_step(metrics.steps_done());
                self.untold.extend(step_figures(&Record::Figures(metrics)));
                if self.platform.now() - self.told >= TELL_EVERY {
                    self.tell_steps();
                }
            }
            Event::Evaluation(metrics) => {
                self.tell_steps();
                if let Some(loss) = metrics.val_loss {
                    self.front.post(Reply::Evaluation { step: count(metrics.step), loss });
                }
            }
            Event::Sample { step, prompt, text } => {
                self.front.post(Reply::Sample { sample: Sample { step: count(step), prompt, text } });
            }
            Event::Checkpoint { step, .. } => self.unkept = Some(step),
            Event::Rewind { step, .. } => self.front.at_step(step),
            // How a step is cut stands in the plan that the page shows.
            Event::Plan(_) => {}
            Event::Note(words) | Event::Trouble(words) => self.front.note(words),
            _ => {}
        }
    }
}

impl Home for Tab {
    fn event(&mut self, event: Event) -> Result<(), TrainError> {
        self.0.borrow_mut().hear(event);
        fault::check()
    }

    fn now(&self) -> Duration {
        self.0.borrow().platform.now()
    }

    fn wish(&mut self) -> Soon<'_, Wish> {
        Box::pin(self.wish_now())
    }

    fn breathe(&mut self) -> Soon<'_, ()> {
        Box::pin(self.breathe_once())
    }

    fn is_stopping(&self) -> bool {
        let inner = self.0.borrow();
        inner.stopping || inner.inbox.has(|request| *request == Request::Stop)
    }

    fn look(&mut self, model: Transformer) -> Soon<'_, Result<(), TrainError>> {
        Box::pin(async move {
            let (tokenizer, front, inbox, platform): (Tokenizer, _, _, _) = {
                let inner = self.0.borrow();
                (inner.run.tokenizer.clone(), inner.front.clone(), inner.inbox.clone(), inner.platform.clone())
            };
            loop {
                let Some(job) = self.0.borrow_mut().jobs.pop_front() else { return Ok(()) };
                let breathe = async || {
                    platform.breathe().await;
                    self.0.borrow().show_wishes();
                    let is_stopping = inbox.has(|request| *request == Request::Stop);
                    if is_stopping { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
                };
                answers::of_model(&model, &tokenizer, &front, &inbox, &job.request, breathe).await;
            }
        })
    }
}
