//! A run is tried, and tried again after an error that need not be its end.

use std::sync::Arc;

use hearth_data::Tokenizer;

use super::{RunFolder, crew::Crew, home::NativeHome, saver::ThreadSaver, start::newest};
use crate::{
    TrainConfig, TrainError,
    checkpoint::KernelChoices,
    config::OnLoss,
    devices::{OpenDevice, PinnedKernels},
    engine::surviving,
    guard::{BadSteps, Divergence},
    session::{Common, DirectSaver, Event, Home, Origin, Outcome, RunState, Saver, Session},
};

/// What an attempt needs besides its session.
pub(super) struct Attempts {
    crew: Crew,
    folder: RunFolder,
    common: Common,
    home: NativeHome,
    /// Kernels of this process' devices; there is one such value at a time in a process.
    kernels: Option<Arc<PinnedKernels>>,
    device_losses: u64,
}

/// What decides about another attempt.
#[derive(Clone, Copy, Debug, Default)]
struct History {
    /// Times that the run went back to a checkpoint.
    restores: u64,
    /// Times that its device was lost.
    device_losses: u64,
    /// Whether other devices have failed, so that those are known which are left.
    has_failed: bool,
    /// Whether its ranks can be started again: threads can, processes cannot.
    may_restart: bool,
}

/// What is done about an error.
#[derive(Debug, PartialEq)]
enum Remedy {
    /// Less memory.
    Shrink { reason: String },
    /// Back to the last checkpoint, and on with the data that comes after that of the steps that went wrong.
    GoBack { bad: BadSteps, data: u64, restores: u64 },
    /// The device is opened again.
    Reopen { reason: String },
    /// On with the devices that are left.
    GoOnWithout { reason: String },
}

/// # Errors
/// The error itself, or what it comes to, if there is nothing more to try.
fn remedy(error: TrainError, config: &TrainConfig, history: History) -> Result<Remedy, TrainError> {
    let guard = &config.guard;
    // Ranks that only wait for orders go back with the first; others have to be started again.
    let waits = matches!(error, TrainError::GoBack { .. }) && config.parallel.local_steps == 0;
    if !history.may_restart && !waits {
        return Err(error);
    }
    match error {
        TrainError::Rank { .. } if config.parallel.on_loss == OnLoss::Continue && history.has_failed => {
            Ok(Remedy::GoOnWithout { reason: error.to_string() })
        }
        TrainError::OutOfMemory { .. } => Ok(Remedy::Shrink { reason: error.to_string() }),
        TrainError::GoBack { bad, data } => match history.restores + 1 {
            restores if restores > guard.restores => {
                Err(TrainError::Diverged { reason: Divergence::BackTooOften { bad, restores: guard.restores } })
            }
            restores => Ok(Remedy::GoBack { bad, data, restores }),
        },
        TrainError::DeviceLost { reason, .. } if history.device_losses >= guard.device_losses => {
            Err(TrainError::DeviceLost { reason, before: history.device_losses })
        }
        TrainError::DeviceLost { reason, .. } => Ok(Remedy::Reopen { reason }),
        error => Err(error),
    }
}

impl Attempts {
    pub fn new(crew: Crew, folder: RunFolder, common: Common, home: NativeHome) -> Self {
        Self { crew, folder, common, home, kernels: None, device_losses: 0 }
    }

    /// A session that has not begun, whose devices run the kernels of the origin's run.
    pub fn session(&mut self, tokenizer: Tokenizer, origin: &Origin) -> Result<Session, TrainError> {
        let saver = self.saver(&origin.kernels()?);
        let engine = self.crew.engine(origin)?;
        Ok(Session::new(self.crew.members.config.clone(), tokenizer, engine, saver, Box::new(self.home.clone())))
    }

    /// A saver; from here on the devices of this process run the kernels of `choices`.
    fn saver(&mut self, choices: &KernelChoices) -> Box<dyn Saver> {
        let kernels = Arc::new(self.crew.pin(self.folder.kernels(), choices));
        self.kernels = Some(kernels.clone());
        Box::new(ThreadSaver::new(self.folder.store(), self.common.clone(), kernels))
    }

    /// Trains from `origin` to the end, through what can be survived.
    pub fn train(&mut self, session: &mut Session, mut origin: Origin) -> Result<Outcome, TrainError> {
        let mut state = origin.state();
        loop {
            let planned = session.engine.planned_bytes();
            let attempt = surviving(planned, || pollster::block_on(session.train(&origin, state.clone())));
            match attempt {
                Ok(outcome) => return Ok(outcome),
                Err(error) => (origin, state) = self.recover(error, session, origin)?,
            }
        }
    }

    /// Prepares another attempt; where it begins.
    fn recover(
        &mut self,
        error: TrainError,
        session: &mut Session,
        origin: Origin,
    ) -> Result<(Origin, RunState), TrainError> {
        let history = History {
            restores: session.state().restores,
            device_losses: self.device_losses,
            has_failed: !session.engine.failed().is_empty(),
            may_restart: self.crew.may_restart(),
        };
        let config = session.config().clone();
        let remedy = remedy(error, &config, history)?;
        session.finish_writing()?;
        let origin = self.go_back(&config, origin)?;
        let mut state = origin.state();
        let note = match remedy {
            Remedy::Shrink { reason } => {
                let plan = session.engine.shrink();
                let plan = plan.ok_or_else(|| TrainError::OutOfMemory {
                    bytes: session.engine.planned_bytes(),
                    reason: format!("{reason}; there is no smaller plan"),
                })?;
                format!("{reason}; starting again with less: {plan}")
            }
            Remedy::GoBack { bad, data, restores } => {
                if state.step == 0 {
                    return Err(TrainError::Diverged { reason: Divergence::NothingToGoBackTo { bad } });
                }
                (state.data, state.restores) = (data, restores);
                if config.parallel.local_steps > 0 {
                    session.engine = self.crew.engine(&origin)?;
                }
                let (step, times) = (state.step, config.guard.restores);
                format!(
                    "{bad}: back to step {step}, and on with the data that comes next ({restores} of {times} times)"
                )
            }
            Remedy::Reopen { reason } => {
                self.device_losses += 1;
                self.reopen(session, &origin)?;
                let (step, losses, times) = (state.step, self.device_losses, config.guard.device_losses);
                format!("the device was lost ({reason}): opened again, on from step {step} ({losses} of {times} times)")
            }
            Remedy::GoOnWithout { reason } => {
                self.crew.remove(&session.engine.failed());
                session.engine = self.crew.engine(&origin)?;
                let (step, left) = (state.step, self.crew.count());
                format!("{reason}; on from step {step} with the {left} devices that are left")
            }
        };
        self.home.event(Event::Trouble(note))?;
        Ok((origin, state))
    }

    /// The newest whole checkpoint, or where the run began.
    fn go_back(&mut self, config: &TrainConfig, origin: Origin) -> Result<Origin, TrainError> {
        let mut told = Vec::new();
        let found = newest(&self.folder.store(), &mut told)?;
        told.into_iter().try_for_each(|text| self.home.event(Event::Note(text)))?;
        found.map_or(Ok(origin), |checkpoint| Origin::open(checkpoint, config))
    }

    /// A new logical device on the same adapter, with the kernels that the lost one ran.
    fn reopen(&mut self, session: &mut Session, origin: &Origin) -> Result<(), TrainError> {
        let choices = self.kernels.take().map(|kernels| kernels.choices()).unwrap_or_default();
        // Its thread has the lost device's kernels, which have to go before others come.
        session.saver = Box::new(DirectSaver::new(self.folder.store(), self.common.clone()));
        self.crew.members.device = self.crew.members.device.reopen()?;
        if session.config().parallel.experts {
            // The lost one may be any of those that have experts.
            let others = self.crew.members.others.iter().map(OpenDevice::reopen);
            self.crew.members.others = others.collect::<Result<_, _>>()?;
        }
        self.home.set_device(self.crew.members.device.clone());
        session.saver = self.saver(&choices);
        session.engine = self.crew.engine(origin)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::Figures;

    fn config(settings: &[&str]) -> TrainConfig {
        let text = "[data]\ntext = \"a.txt\"\n[model]\npreset = \"stories260k\"\n[limits]\nsteps = 1\n";
        let settings: Vec<String> = settings.iter().map(ToString::to_string).collect();
        TrainConfig::parse(text, "test", &settings).unwrap()
    }

    fn lost() -> TrainError {
        TrainError::DeviceLost { reason: "reset".into(), before: 0 }
    }

    fn bad() -> BadSteps {
        BadSteps { last: Figures { step: 9, loss: f32::NAN, grad_norm: 1.0 }, in_a_row: 3 }
    }

    fn back() -> TrainError {
        TrainError::GoBack { bad: bad(), data: 7 }
    }

    fn said(error: TrainError, settings: &[&str], history: History) -> String {
        match remedy(error, &config(settings), history) {
            Ok(remedy) => format!("{remedy:?}"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn each_error_has_its_remedy_as_often_as_is_set() {
        let fresh = History { may_restart: true, ..History::default() };
        let often = History { restores: 3, device_losses: 3, ..fresh };
        assert_eq!(said(back(), &[], fresh), format!("GoBack {{ bad: {:?}, data: 7, restores: 1 }}", bad()));
        assert_eq!(said(lost(), &[], fresh), "Reopen { reason: \"reset\" }");
        assert!(said(back(), &[], often).contains("the run has gone back 3 times: the run has diverged"));
        assert!(said(lost(), &[], often).contains("it was lost 3 times before"));
        let refused = TrainError::OutOfMemory { bytes: 5 << 20, reason: "no".into() };
        assert!(said(refused, &[], fresh).starts_with("Shrink"));
        assert_eq!(said(TrainError::Internal("x".into()), &[], fresh), TrainError::Internal("x".into()).to_string());
    }

    #[test]
    fn processes_go_back_and_nothing_else() {
        let processes = History::default();
        assert!(said(back(), &[], processes).starts_with("GoBack"));
        assert!(said(lost(), &[], processes).starts_with("the device was lost"));
        let alone = ["parallel.local_steps=1", "checkpoint.every=1"];
        assert_eq!(said(back(), &alone, processes), bad().to_string());
    }

    #[test]
    fn a_lost_rank_is_left_behind_where_that_is_asked_for() {
        let failed = History { has_failed: true, may_restart: true, ..History::default() };
        let rank = || TrainError::Rank { rank: 1, device: "a card".into(), reason: "gone".into() };
        assert!(said(rank(), &["parallel.on_loss=continue"], failed).starts_with("GoOnWithout"));
        assert!(said(rank(), &[], failed).starts_with("a card"));
    }
}
