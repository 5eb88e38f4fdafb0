//! What a device does in a second.

/// What a device does in a second.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Rates {
    /// Floating-point operations a second of a large matrix product.
    pub flops: f64,
    /// Bytes a second between host and device memory.
    pub link: f64,
    /// Kernels that the host launches in a second.
    pub launches: f64,
}

impl Default for Rates {
    /// A middling GPU on PCIe 3.0 x16.
    fn default() -> Self {
        Self { flops: 5e12, link: 8e9, launches: 1e5 }
    }
}

impl Rates {
    /// The rates of a device whose matrix products reach `flops` floating-point operations a second; the others are the
    /// default's.
    pub fn of_flops(flops: f64) -> Self {
        Self { flops, ..Self::default() }
    }
}
