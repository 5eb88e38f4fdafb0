//! The thread that adds a replica's gradients up with the others', while its walk goes on.

use std::{
    sync::mpsc::{Receiver, Sender, channel},
    thread::JoinHandle,
};

use burn::tensor::Tensor;

use super::{Collective, CollectiveError};
use crate::{TrainError, readback::Readback};

/// A replica's line to the others. What is sent comes back summed over all ranks, in the order it was sent.
#[derive(Debug)]
pub(crate) struct Exchange {
    outgoing: Outgoing,
    sums: Receiver<Result<Vec<f32>, CollectiveError>>,
    /// Ends when the sender is gone.
    _thread: JoinHandle<()>,
}

/// Where values leave.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing(Sender<Values>);

#[derive(Debug)]
enum Values {
    OnDevice(Readback),
    OnHost(Vec<f32>),
}

impl Exchange {
    pub fn new(collective: impl Collective + 'static) -> Self {
        let (outgoing, arriving) = channel::<Values>();
        let (leaving, sums) = channel();
        let thread = std::thread::spawn(move || {
            for values in arriving {
                let mut values = match values {
                    Values::OnHost(values) => values,
                    Values::OnDevice(copy) => match copy.wait() {
                        Ok(data) => data.try_into_vec().expect("gradients are f32"),
                        Err(error) => {
                            let error = TrainError::of_device(error).to_string();
                            let _ = leaving.send(Err(CollectiveError::Device(error)));
                            return;
                        }
                    },
                };
                let summed = collective.all_reduce(&mut values).map(|()| values);
                let failed = summed.is_err();
                if leaving.send(summed).is_err() || failed {
                    return;
                }
            }
        });
        Self { outgoing: Outgoing(outgoing), sums, _thread: thread }
    }

    pub fn outgoing(&self) -> Outgoing {
        self.outgoing.clone()
    }

    /// The sums of what was sent and has not come back yet, the oldest first. Waits for all ranks.
    pub fn receive(&self) -> Result<Vec<f32>, CollectiveError> {
        self.sums.recv().expect("the thread ends after an error alone, which was returned")
    }

    /// A number, over all ranks.
    pub fn sum(&self, number: usize) -> Result<usize, CollectiveError> {
        // In two halves, for an f32 counts to 2^24.
        let halves = [number >> 16, number & 0xffff].map(|half| half as f32);
        self.outgoing.send_values(halves.to_vec());
        let sums = self.receive()?;
        Ok(((sums[0] as usize) << 16) + sums[1] as usize)
    }
}

impl Outgoing {
    /// Queues the copy to host memory; nothing waits.
    pub fn send(&self, values: Tensor<1>) {
        self.pass(Values::OnDevice(Readback::new(values)));
    }

    fn send_values(&self, values: Vec<f32>) {
        self.pass(Values::OnHost(values));
    }

    fn pass(&self, values: Values) {
        // A thread that has ended has said why, or will when its sums are asked for.
        let _ = self.0.send(values);
    }
}
