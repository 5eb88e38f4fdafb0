//! The worker: one run at a time, begun, gone on with, kept and given away as the page asks.

use std::{ops::ControlFlow, rc::Rc, sync::Arc};

use burn::module::Module;
use hearth_model::Transformer;
use hearth_train::{
    Origin, Session, StepOptions, TrainError, Trainer, Walk,
    certify::{Model, certify_model},
    checkpoint::{newest, restore_weights, with_averages},
    engine::Alone,
    plan::{Rates, choose},
    session::{Common, DirectSaver},
};

use crate::{
    answers,
    device::{self, WorkerDevice},
    drive::Drive,
    fault,
    front::Front,
    home::Tab,
    inbox::{Inbox, Mail},
    messages::{
        CertificateInfo, CertificateRow, Reply, Request, Settings, State, StorageState, TokenizerName, Trouble,
        TroubleKind, count,
    },
    plan,
    platform::Platform,
    probe,
    run::Run,
    text::Text,
    trouble,
};

/// Kinds of characters of a text that is not there yet.
const SOME_CHARACTERS: usize = 65;

/// A worker between two requests.
pub struct Worker {
    platform: Rc<dyn Platform>,
    inbox: Inbox,
    front: Front,
    device: WorkerDevice,
    drive: Option<Rc<Drive>>,
    text: Option<Rc<str>>,
    run: Option<Run>,
    model: Option<Transformer>,
}

/// Serves the page for the worker's life.
///
/// # Errors
/// There is no device.
pub async fn serve(platform: Rc<dyn Platform>, inbox: Inbox) -> Result<(), TrainError> {
    let mut worker = Worker::open(platform, inbox).await?;
    loop {
        let mail = worker.inbox.next().await;
        worker.answer(mail).await;
    }
}

impl Worker {
    /// Opens the device and the browser's file system, and says so.
    async fn open(platform: Rc<dyn Platform>, inbox: Inbox) -> Result<Self, TrainError> {
        let device = device::open(&*platform).await?;
        let front = Front::new(platform.clone());
        let storage = platform.lock().await;
        let mut worker = Self { platform, inbox, front, device, drive: None, text: None, run: None, model: None };
        let (storage, trouble) = match storage {
            StorageState::Ready => worker.open_drive().await?,
            other => (other, None),
        };
        let notes = trouble.iter().map(|(_, words)| words.clone()).collect();
        let info = match &worker.run {
            Some(run) => run.info(notes).ok(),
            None => None,
        };
        worker.front.post(Reply::Ready { device: worker.device.info.clone(), storage, run: info });
        if let (None, Some((kind, words))) = (&worker.run, trouble) {
            worker.front.trouble(None, kind, words);
        }
        Ok(worker)
    }

    /// Finds the run that is kept, and what is wrong with it.
    ///
    /// # Errors
    /// It is one for the large module.
    async fn open_drive(&mut self) -> Result<(StorageState, Option<(TroubleKind, String)>), TrainError> {
        let drive = match Drive::open(self.platform.clone()).await {
            Ok(drive) => drive,
            Err(error) => return Ok((StorageState::Unavailable, Some(trouble::of_drive(&error)))),
        };
        let mut found = None;
        match drive.read().await.map(Run::of_files) {
            Ok(Ok(Some((run, notes)))) => {
                drive.adopt(&run);
                self.text = run.text.clone();
                self.run = Some(run);
                found = (!notes.is_empty()).then(|| (TroubleKind::BadCheckpoint, notes.join(" ")));
            }
            Ok(Ok(None)) => {}
            Ok(Err(error)) if trouble::kind(&error) == TroubleKind::LargeModule => return Err(error),
            Ok(Err(error)) => {
                let words = format!(
                    "The run that this browser keeps cannot be read: {error}. It is left as it is until a new one starts."
                );
                found = Some((TroubleKind::BadCheckpoint, words));
            }
            Err(error) => found = Some(trouble::of_drive(&error)),
        }
        self.drive = Some(Rc::new(drive));
        Ok((StorageState::Ready, found))
    }

    async fn answer(&mut self, mail: Mail) {
        let id = mail.request.id();
        let answered = self.try_answer(mail).await;
        match (fault::first(), answered) {
            // What ended a run was told where it ended.
            (Some(_), Ok(())) if id.is_none() => {}
            (Some((kind, words)), _) => {
                let can_continue = self.run.as_ref().is_some_and(|run| !run.checkpoints.names().is_empty());
                self.front.post(Reply::Trouble { trouble: Trouble { id, kind, words, can_continue } });
            }
            (None, Err(error)) => self.front.error(id, &error),
            (None, Ok(())) => {}
        }
    }

    async fn try_answer(&mut self, Mail { request, mut parts }: Mail) -> Result<(), TrainError> {
        match request {
            Request::Text { id, name } => self.take_text(id, Text::new(name, parts.pop().unwrap_or_default())?)?,
            Request::Plan { id, settings } => {
                let config = settings.config(self.vocabulary(&settings))?;
                self.front.post(Reply::Plan { id, plan: plan::plan(&config, &self.device.limits) });
            }
            Request::Probe { id, settings } => {
                let config = Arc::new(settings.config(self.vocabulary(&settings))?);
                let seconds = probe::seconds_per_step(&config, &self.device, &*self.platform).await?;
                let tokens_per_second = config.tokens_per_step() as f64 / seconds;
                self.front.post(Reply::Probe { id, seconds_per_step: seconds, tokens_per_second });
            }
            Request::Certify { id } => self.certify(id).await?,
            Request::Start { settings } => self.start(&settings).await?,
            Request::Import { id, names } => self.import(id, names.into_iter().zip(parts).collect()).await?,
            Request::Continue { steps } => match self.run.take() {
                Some(mut run) => {
                    run.config.limits.steps = steps.into();
                    run.config.limits.tokens = 0;
                    self.train(run).await;
                }
                None => self.front.trouble(None, TroubleKind::NotNow, "There is no run to go on with."),
            },
            Request::Export { id } => answers::export(&*self.platform, &self.front, id, self.run.as_ref()),
            Request::Forget { id } => {
                self.clear_drive().await;
                (self.run, self.model) = (None, None);
                self.front.set_all(State::Idle, 0, 0);
                self.front.post(Reply::Run { id, run: None });
            }
            request @ (Request::Generate { .. } | Request::Look { .. }) => self.answer_by_model(request).await?,
            // Nothing is training that they could be meant for: they were late.
            Request::Pause
            | Request::Resume
            | Request::Step { .. }
            | Request::Stop
            | Request::Save
            | Request::Cancel { .. } => {}
        }
        Ok(())
    }

    /// A text to learn from, which may be that of the run that is there.
    fn take_text(&mut self, id: u32, text: Text) -> Result<(), TrainError> {
        self.front.post(Reply::Text { id, text: text.info() });
        let text: Rc<str> = text.content.into();
        self.text = Some(text.clone());
        if let Some(run) = self.run.as_mut().filter(|run| run.text.is_none()) {
            match run.adopt(&text)? {
                true => self.front.post(Reply::Run { id, run: Some(run.info(Vec::new())?) }),
                false => self.front.note("This text is not the one that the run has learned from."),
            }
        }
        Ok(())
    }

    /// A new run on the text.
    async fn start(&mut self, settings: &Settings) -> Result<(), TrainError> {
        let Some(text) = self.text.clone() else {
            self.front.trouble(None, TroubleKind::NotNow, "Choose a text first.");
            return Ok(());
        };
        let run = Run::new(settings, &text)?;
        // A run that cannot begin is no reason to remove another.
        run.open()?;
        choose(&run.config, &self.device.limits, &Rates::default())?;
        self.clear_drive().await;
        self.train(run).await;
        Ok(())
    }

    /// Kinds of tokens of a run of these settings.
    fn vocabulary(&self, settings: &Settings) -> usize {
        match (settings.tokenizer, &self.text) {
            (TokenizerName::Byte, _) => 256,
            (TokenizerName::Char, None) => SOME_CHARACTERS,
            (TokenizerName::Char, Some(text)) => text.chars().collect::<std::collections::HashSet<_>>().len(),
        }
    }

    async fn certify(&mut self, id: u32) -> Result<(), TrainError> {
        let mut rows = Vec::new();
        for (done, model) in Model::ALL.into_iter().enumerate() {
            self.front.post(Reply::Progress { id, done: count(done), of: count(Model::ALL.len()) });
            self.platform.breathe().await;
            let certificate = certify_model(model, &self.device.device).await?;
            let (gradient, gradient_error) = certificate.worst_gradient();
            let finite = |error: f64| error.is_finite().then_some(error);
            rows.push(CertificateRow {
                model: model.to_string(),
                loss_error: finite(certificate.loss_error()),
                gradient: gradient.into(),
                gradient_error: finite(gradient_error),
                passed: certificate.passed(),
            });
        }
        let passed = rows.iter().all(|row| row.passed);
        self.front.post(Reply::Certificate { id, certificate: CertificateInfo { passed, rows } });
        Ok(())
    }

    /// Takes the files of a run in, and keeps them.
    async fn import(&mut self, id: u32, files: Vec<(String, Vec<u8>)>) -> Result<(), TrainError> {
        let Some((mut run, notes)) = Run::of_files(files)? else {
            let reason =
                "there is no checkpoint in it: choose the folder of a run, which holds folders named step-".into();
            return Err(TrainError::Resume { path: "the run".into(), reason });
        };
        if let (None, Some(text)) = (&run.text, &self.text) {
            run.adopt(text)?;
        }
        let info = run.info(notes)?;
        self.clear_drive().await;
        if let Some(drive) = &self.drive
            && let Err(error) = drive.keep(&run).await
        {
            let (kind, words) = trouble::of_drive(&error);
            self.front.trouble(None, kind, words);
        }
        (self.run, self.model) = (Some(run), None);
        self.front.set_all(State::Idle, 0, 0);
        self.front.post(Reply::Run { id, run: Some(info) });
        Ok(())
    }

    async fn clear_drive(&self) {
        let Some(drive) = &self.drive else { return };
        if let Err(error) = drive.clear().await {
            let (kind, words) = trouble::of_drive(&error);
            self.front.trouble(None, kind, words);
        }
    }

    /// Trains `run` from its newest checkpoint, or from its beginning, to its end.
    async fn train(&mut self, run: Run) {
        self.model = None;
        let tab =
            Tab::new(self.platform.clone(), self.front.clone(), self.inbox.clone(), run.clone(), self.drive.clone());
        self.front.set_all(State::Starting, 0, run.config.total_steps());
        run.log.borrow_mut().reserve(run.config.total_steps());
        let trained = self.attempts(&run, &tab).await;
        tab.settle().await;
        let can_continue = !run.checkpoints.names().is_empty();
        self.run = Some(run);
        match trained {
            Ok(model) => {
                self.model = Some(model);
                self.front.set(State::Done);
            }
            Err(error) => {
                self.front.set(State::Failed);
                let (kind, words) = fault::first().unwrap_or_else(|| (trouble::kind(&error), trouble::words(&error)));
                self.front.post(Reply::Trouble { trouble: Trouble { id: None, kind, words, can_continue } });
            }
        }
        tab.left().into_iter().for_each(|mail| self.inbox.put(mail));
    }

    async fn attempts(&self, run: &Run, tab: &Tab) -> Result<Transformer, TrainError> {
        let config = Arc::new(run.config.clone());
        let (data, identity, mut origin) = run.open()?;
        let adapter = self.device.adapter();
        let cut = origin.kept(&config, &adapter, 1, 1).cut;
        let engine =
            Alone::new(config.clone(), data, &self.device.device, &self.device.limits, self.device.flops, cut)?;
        let saver = DirectSaver::new(
            run.store(),
            Common {
                config: config.to_toml().into_bytes(),
                tokenizer: serde_json::to_vec(&run.tokenizer).expect("a tokenizer has a JSON form"),
                identity,
                adapter,
                settings: config.checkpoint.clone(),
            },
        );
        let parts = (Box::new(engine), Box::new(saver), Box::new(tab.clone()));
        let mut session = Session::new(config.clone(), run.tokenizer.clone(), parts.0, parts.1, parts.2);
        let mut state = origin.state();
        loop {
            match session.train(&origin, state).await {
                Ok(outcome) => return Ok(outcome.model),
                Err(TrainError::GoBack { bad, data }) => {
                    let restores = session.state().restores + 1;
                    let checkpoint = newest(&run.store(), |_, _| ())?.filter(|_| restores <= config.guard.restores);
                    let Some(checkpoint) = checkpoint else { return Err(TrainError::GoBack { bad, data }) };
                    origin = Origin::open(checkpoint, &config)?;
                    state = origin.state();
                    (state.data, state.restores) = (data, restores);
                    self.front
                        .note(format!("{bad}: back to step {}, and on with the data that comes next", state.step));
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn answer_by_model(&mut self, request: Request) -> Result<(), TrainError> {
        let Some(run) = self.run.clone() else {
            self.front.trouble(request.id(), TroubleKind::NotNow, "There is no model yet: train one first.");
            return Ok(());
        };
        let model = match self.model.clone() {
            Some(model) => model,
            None => self.load(&run)?,
        };
        self.model = Some(model.clone());
        let breathe = async || {
            self.platform.breathe().await;
            ControlFlow::Continue(())
        };
        answers::of_model(&model, &run.tokenizer, &self.front, &self.inbox, &request, breathe).await;
        Ok(())
    }

    /// The model of the newest checkpoint.
    fn load(&self, run: &Run) -> Result<Transformer, TrainError> {
        let Some(checkpoint) = newest(&run.store(), |_, _| ())? else {
            let reason = "there is no model yet: train one first".into();
            return Err(TrainError::Config { source_name: "settings".into(), reason });
        };
        let (config, device) = (&run.config, &self.device.device);
        let model = config.model.init(config.seed, &device.clone().autodiff())?;
        let walk = Walk::new(&config.model, config.model.context_length, device);
        let mut trainer = Trainer::new(model, walk, StepOptions::new(1));
        restore_weights(&mut trainer, &checkpoint)?;
        let model = trainer.model().valid();
        match config.optimizer.average > 0.0 {
            true => Ok(with_averages(model, &**checkpoint.store(), checkpoint.name())?),
            false => Ok(model),
        }
    }
}
