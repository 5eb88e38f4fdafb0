//! Faults that a test asks for, where hardware and data would bring them about.

/// What goes wrong in a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum InjectedFault {
    /// Its loss and gradients are multiplied: by NaN, or by much for a spike.
    Scale(f64),
    /// The device is lost before it.
    LoseDevice,
}

/// Asked before each step, with its number; for tests of the guards.
pub type InjectedFaults = Box<dyn FnMut(u64) -> Option<InjectedFault> + Send>;
