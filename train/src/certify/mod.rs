//! Whether a device computes the right numbers: training steps of small models against plain operations on the CPU.
//!
//! wgpu drivers, kernel fusion and autotune have silently produced wrong gradients before; so can the CPU's own kernels, which
//! are a device's like any other here. The [`Model`]s here are small,
//! and between them have every kind of operation and what kernels are specialised by: heads of 16, 64 and 128 channels,
//! rows of several documents, a vocabulary in shards, logits in chunks, blocks that are run again. Both sides start from
//! the same weights and data.
//!
//! ```
//! use burn::tensor::Device;
//! use hearth_train::certify::{Model, certify_model};
//!
//! # fn main() -> Result<(), hearth_train::TrainError> {
//! let certificate = pollster::block_on(certify_model(Model::Wide, &Device::flex()))?;
//! assert!(certificate.passed());
//! # Ok(())
//! # }
//! ```

mod certificate;
mod models;
mod trained;

use burn::tensor::Device;
use hearth_wgsl::{Kernel, without_kernels};

pub use certificate::Certificate;
pub use models::Model;

use crate::TrainError;
use trained::train;

/// Trains every [`Model`] on `device`, and on the CPU by plain operations, and compares. Waits for the device without blocking the
/// thread.
///
/// # Errors
/// A device that is lost.
pub async fn certify(device: &Device) -> Result<Vec<Certificate>, TrainError> {
    let mut certificates = Vec::with_capacity(Model::ALL.len());
    for model in Model::ALL {
        certificates.push(certify_model(model, device).await?);
    }
    Ok(certificates)
}

/// As [`certify`], with one model.
///
/// # Errors
/// A device that is lost.
pub async fn certify_model(model: Model, device: &Device) -> Result<Certificate, TrainError> {
    let case = model.case()?;
    // The CPU has done what it is asked when it answers: nothing blocks.
    let plain = without_kernels(|| pollster::block_on(train(&case, &Device::flex())))?;
    Ok(Certificate::compare(model, plain, train(&case, device).await?))
}

/// The kernels without which a device computes the right numbers, where it does not with all of them; `passes` certifies
/// it with those that it is given switched off. Several only where no single one will do; empty where all will not.
pub fn faulty_kernels(mut passes: impl FnMut(&[Kernel]) -> bool) -> Vec<Kernel> {
    if !passes(&Kernel::ALL) {
        return Vec::new();
    }
    match Kernel::ALL.into_iter().find(|kernel| passes(&[*kernel])) {
        Some(kernel) => vec![kernel],
        None => Kernel::ALL.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_faulty_kernel_is_named() {
        for faulty in Kernel::ALL {
            assert_eq!(faulty_kernels(|off| off.contains(&faulty)), [faulty]);
        }
        assert_eq!(faulty_kernels(|_| false), []);
        assert_eq!(faulty_kernels(|off| off.len() > 1), Kernel::ALL);
    }
}
