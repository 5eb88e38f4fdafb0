//! Which ranks failed, by what each of them ended with.

use crate::{TrainError, error::DeviceError, parallel::CollectiveError};

/// A rank, and what is wrong with it.
type Cause = (usize, String);

/// What the error that rank 0 `met` comes to, and the ranks that failed, by what the other ranks `ended` with: a failure of its
/// own device is told as that of a device which is alone, that of another by the `name` of its device.
pub(super) fn verdict(
    met: TrainError,
    ended: Vec<(usize, TrainError)>,
    name: impl Fn(usize) -> String,
) -> (TrainError, Vec<usize>) {
    let mut errors = vec![(0, met)];
    errors.extend(ended);
    let causes = causes(&errors);
    let (_, met) = errors.swap_remove(0);
    let own = causes.iter().find(|(rank, _)| *rank == 0);
    match (own, met, causes.first()) {
        (Some((_, reason)), TrainError::Collective(_), _) => (DeviceError::failed(reason.clone()).into(), Vec::new()),
        (None, TrainError::Collective(_), Some((rank, reason))) => {
            let more = causes[1..].iter().map(|(rank, reason)| format!("; {}: {reason}", name(*rank)));
            let reason = [reason.clone()].into_iter().chain(more).collect();
            let failed = causes.iter().map(|(rank, _)| *rank).collect();
            (TrainError::Rank { rank: *rank, device: name(*rank), reason }, failed)
        }
        (_, met, _) => (met, Vec::new()),
    }
}

/// The ranks that failed, by the errors that ranks ended with, each with the rank that met it; the first is rank 0's.
///
/// What a rank says of itself or of another's device is certain. That a rank is gone says little, for those leave too who miss
/// another: it counts where nothing is certain, and then what rank 0 has seen.
fn causes(errors: &[(usize, TrainError)]) -> Vec<Cause> {
    let mut certain: Vec<Cause> = Vec::new();
    let mut missed = Vec::new();
    for (speaker, error) in errors {
        match error {
            TrainError::Collective(CollectiveError::Device { rank, reason }) => certain.push((*rank, reason.clone())),
            TrainError::Collective(
                error @ (CollectiveError::Lost { rank, .. } | CollectiveError::Late { rank, .. }),
            ) => {
                missed.push((*rank, error.to_string()));
            }
            TrainError::Collective(CollectiveError::Start(_)) => {}
            TrainError::DeviceLost { reason, .. } => {
                certain.push((*speaker, format!("the device was lost: {reason}")));
            }
            error => certain.push((*speaker, error.to_string())),
        }
    }
    if certain.is_empty() {
        certain.extend(missed.into_iter().next());
    }
    let mut causes: Vec<Cause> = Vec::new();
    for cause in certain {
        if causes.iter().all(|(rank, _)| *rank != cause.0) {
            causes.push(cause);
        }
    }
    causes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lost(rank: usize) -> TrainError {
        CollectiveError::Lost { rank, world: 4 }.into()
    }

    fn device(rank: usize) -> TrainError {
        CollectiveError::Device { rank, reason: "poisoned".into() }.into()
    }

    fn ranks(errors: Vec<(usize, TrainError)>) -> Vec<usize> {
        causes(&errors).into_iter().map(|(rank, _)| rank).collect()
    }

    #[test]
    fn who_failed_is_told_from_those_who_missed_it() {
        let own = || TrainError::DeviceLost { reason: "reset".into(), before: 0 };
        assert_eq!(ranks(vec![(0, lost(2)), (1, lost(0)), (2, own())]), [2]);
        // The copy that fails is the sender's.
        assert_eq!(ranks(vec![(0, device(1)), (1, lost(0)), (2, lost(0))]), [1]);
        assert_eq!(ranks(vec![(0, lost(1)), (1, device(0))]), [0]);
        assert_eq!(ranks(vec![(0, device(1)), (1, own()), (3, own())]), [1, 3]);
        assert_eq!(ranks(vec![(0, lost(3)), (1, lost(3))]), [3]);
        assert_eq!(ranks(vec![(0, CollectiveError::Start("ended".into()).into())]), [0; 0]);
        let (error, failed) = verdict(lost(1), vec![(1, own()), (3, own())], |rank| format!("card {rank}"));
        let told = "card 1: the device was lost: reset; card 3: the device was lost: reset; checkpoints are whole";
        assert!(error.to_string().starts_with(told) && failed == [1, 3], "{error}");
        assert!(matches!(verdict(lost(1), vec![(1, device(0))], |_| String::new()).0, TrainError::Device(_)));
        let data = TrainError::Internal("rank 0's own".into());
        assert!(matches!(verdict(data, vec![(1, lost(0))], |_| String::new()).0, TrainError::Internal(_)));
        assert_eq!(causes(&[(1, own())]), [(1, "the device was lost: reset".into())]);
    }
}
