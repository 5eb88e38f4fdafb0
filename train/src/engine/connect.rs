//! The ranks of a run are started, or found, and say what they are.

use super::{
    Members,
    follow::Follower,
    pipes::{self, pipes},
    protocol::{Greeting, read_greetings, to_bytes},
    work::{Seat, Site},
    workers::Workers,
};
use crate::{
    TrainConfig, TrainError,
    config::OnLoss,
    parallel::{Exchange, Links, Local},
};

/// # Errors
/// What ranks that are processes cannot do.
pub(super) fn refuse_of_processes(config: &TrainConfig) -> Result<(), TrainError> {
    if config.parallel.on_loss == OnLoss::End {
        return Ok(());
    }
    let reason = "parallel.on_loss = \"continue\": mpirun ends all processes with the first that is lost; leave it out, and \
                  start them again with --resume auto";
    Err(TrainError::Config { source_name: "several devices".into(), reason: reason.into() })
}

/// Starts the ranks that are threads; the first one's links to all, or the `line` that is there.
pub(super) fn connect(members: &Members, line: Option<Exchange>, workers: &mut Workers) -> Result<Links, TrainError> {
    let config = &members.config;
    let world = line.as_ref().map_or(members.others.len() + 1, Exchange::world);
    pipes::check(config, world)?;
    if let Some(line) = line {
        return Ok(Links { line, pipe: pipes::of_process(config)? });
    }
    let mut links = Local::group(world).into_iter().zip(pipes(config, world));
    let mut next = || links.next().map(|(rank, pipe)| Links { line: Exchange::new(rank), pipe });
    let own = next().expect("the first is always there");
    for (number, device) in members.others.iter().enumerate() {
        let links = next().expect("one a device");
        let (config, train, device) = (config.clone(), members.data.train.clone(), device.clone());
        let site = Site { config, train, device, speed: 0.0 };
        let validation = if links.pipe.is_some() { members.data.validation.clone() } else { Vec::new() };
        workers.spawn(number + 1, Follower::new(site, members.identity.clone(), validation, links));
    }
    Ok(own)
}

/// What each rank is.
pub(super) fn greet(members: &Members, seat: &mut Seat) -> Result<Vec<Greeting>, TrainError> {
    let own = Greeting::new(&members.config, &members.identity, &members.device);
    read_greetings(&seat.line()?.all_gather(to_bytes(&own))?)
}
