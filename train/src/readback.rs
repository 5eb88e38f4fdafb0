//! Reading a tensor back without making the device wait.

use std::{
    cell::RefCell,
    fmt,
    pin::Pin,
    sync::Weak,
    task::{Context, Poll, Waker},
};

use burn::{
    backend::ExecutionError,
    tensor::{Tensor, TensorData, Transaction},
};

thread_local! {
    /// While it lives, copies that this thread asks for fail.
    static LOSS: RefCell<Weak<()>> = const { RefCell::new(Weak::new()) };
}

/// From here on, while `life` has not ended, every copy that this thread asks for fails as those of a lost device do: for
/// tests, for the CPU cannot be lost.
#[cfg(not(target_family = "wasm"))]
pub(crate) fn fail_copies(life: &std::sync::Arc<()>) {
    LOSS.set(std::sync::Arc::downgrade(life));
}

/// Takes [`fail_copies`] back: this thread has another device.
#[cfg(not(target_family = "wasm"))]
pub(crate) fn restore_copies() {
    LOSS.set(Weak::new());
}

fn copies_fail() -> bool {
    LOSS.with_borrow(|life| life.strong_count() > 0)
}

type Copied = Result<Vec<TensorData>, ExecutionError>;

/// A copy of a tensor on its way to host memory.
///
/// The copy is queued where the tensor is handed over, behind what made it and before what comes after. Burn's
/// `into_data` would queue it at the first look at the bytes instead, behind everything queued in between, and hold on to
/// the device's memory until then.
pub struct Readback(State);

enum State {
    Queued(Pin<Box<dyn Future<Output = Copied> + Send>>),
    /// Still in what the device mapped for it.
    Arrived(Copied),
    Settled(Copied),
}

impl Readback {
    /// Queues the copy and lets go of the tensor. Nothing waits.
    pub fn new<const D: usize>(tensor: Tensor<D>) -> Self {
        if copies_fail() {
            let reason = "The device is poisoned. Caused by: a test lost it".into();
            return Self(State::Settled(Err(ExecutionError::WithContext { reason })));
        }
        let mut copy: Pin<Box<dyn Future<Output = Copied> + Send>> =
            Box::pin(Transaction::default().register(tensor).execute_async());
        // The first poll queues the copy.
        Self(match copy.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(copied) => State::Arrived(copied),
            Poll::Pending => State::Queued(copy),
        })
    }

    /// Waits for the copy and moves it into ordinary memory; what the device mapped for it is free again.
    pub fn settle(&mut self) {
        if cfg!(target_family = "wasm") {
            return;
        }
        let copied = match std::mem::replace(&mut self.0, State::Settled(Ok(Vec::new()))) {
            State::Queued(copy) => pollster::block_on(copy),
            State::Arrived(copied) => copied,
            settled @ State::Settled(_) => {
                self.0 = settled;
                return;
            }
        };
        let own =
            |data: TensorData| TensorData::from_bytes_vec(data.bytes().to_vec(), data.shape().clone(), data.dtype());
        self.0 = State::Settled(copied.map(|tensors| tensors.into_iter().map(own).collect()));
    }

    /// The values, once they have arrived.
    ///
    /// # Errors
    /// A device that is lost, or that could not make the tensor.
    pub async fn data(mut self) -> Result<TensorData, ExecutionError> {
        let copied = match std::mem::replace(&mut self.0, State::Settled(Ok(Vec::new()))) {
            State::Queued(copy) => copy.await,
            State::Arrived(copied) | State::Settled(copied) => copied,
        };
        Ok(copied?.pop().expect("one tensor was registered"))
    }

    /// As [`Readback::data`], waiting; not in a browser.
    ///
    /// # Errors
    /// As [`Readback::data`].
    pub fn wait(self) -> Result<TensorData, ExecutionError> {
        pollster::block_on(self.data())
    }
}

/// A copy that no one waited for is waited for now: CubeCL 0.11 would use the buffer that it is mapped to again, and the
/// next submission would be refused. In a browser, where nothing can wait, none may be dropped.
impl Drop for Readback {
    fn drop(&mut self) {
        self.settle();
    }
}

impl fmt::Debug for Readback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            State::Queued(_) => "Readback(queued)",
            State::Arrived(_) => "Readback(arrived)",
            State::Settled(_) => "Readback(settled)",
        })
    }
}
