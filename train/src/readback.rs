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
    ///
    /// This is what a native thread uses. In a browser nothing can wait, and it does nothing: see [`Readback::arrive`].
    pub fn settle(&mut self) {
        if !cfg!(target_family = "wasm") {
            pollster::block_on(self.arrive());
        }
    }

    /// As [`Readback::settle`] for who is asynchronous: it lets others go on until the copy is there, in a browser, too.
    /// Nothing is lost if it is dropped before.
    pub async fn arrive(&mut self) {
        self.copied().await;
        self.0 = match std::mem::replace(&mut self.0, State::Settled(Ok(Vec::new()))) {
            State::Arrived(copied) => State::Settled(copied.map(|tensors| tensors.into_iter().map(own).collect())),
            settled => settled,
        };
    }

    /// Waits until the copy is there, in what the device mapped for it.
    async fn copied(&mut self) {
        if let State::Queued(copy) = &mut self.0 {
            self.0 = State::Arrived(copy.as_mut().await);
        }
    }

    /// The values, once they have arrived.
    ///
    /// # Errors
    /// A device that is lost, or that could not make the tensor.
    pub async fn data(mut self) -> Result<TensorData, ExecutionError> {
        self.copied().await;
        match std::mem::replace(&mut self.0, State::Settled(Ok(Vec::new()))) {
            State::Arrived(copied) | State::Settled(copied) => Ok(copied?.pop().expect("one tensor was registered")),
            State::Queued(_) => unreachable!("it has just arrived"),
        }
    }

    /// As [`Readback::data`], waiting; in a browser only after [`Readback::arrive`].
    ///
    /// # Errors
    /// As [`Readback::data`].
    ///
    /// # Panics
    /// In a browser, if the copy has not arrived.
    pub fn wait(self) -> Result<TensorData, ExecutionError> {
        pollster::block_on(self.data())
    }
}

/// The same values in ordinary memory.
fn own(data: TensorData) -> TensorData {
    TensorData::from_bytes_vec(data.bytes().to_vec(), data.shape().clone(), data.dtype())
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
