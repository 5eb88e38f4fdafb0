//! `certify` finds the devices of this machine right, and a kernel that is wrong.

use std::sync::{Mutex, PoisonError};

use burn::tensor::Device;
use hearth_train::certify::{Certificate, Model, certify, certify_model, faulty_kernels};
use hearth_wgsl::{
    Kernel, each_device,
    testing::{ShaderFault, inject, wgpu_device},
};

/// Kernels are switched for the whole process.
static KERNELS: Mutex<()> = Mutex::new(());

each_device! {
    fn passes(device) {
        let _kernels = KERNELS.lock().unwrap_or_else(PoisonError::into_inner);
        let certificates = pollster::block_on(certify(&device)).unwrap();
        assert_eq!(certificates.iter().map(|it| it.model).collect::<Vec<_>>(), Model::ALL);
        assert!(certificates.iter().all(Certificate::passed), "{certificates:#?}");
        // It compares something: a gradient for each parameter, and losses that move.
        let gradients: Vec<usize> = certificates.iter().map(|it| it.gradients.len()).collect();
        assert_eq!(gradients, [25, 36, 12]);
        assert_eq!(certificates.iter().map(|it| it.losses.len()).collect::<Vec<_>>(), [10, 10, 3]);
        // And no device with itself.
        assert!(certificates.iter().any(|certificate| certificate.worst_gradient().1 > 0.0));
        for pair in certificates.iter().flat_map(|certificate| certificate.losses.windows(2)) {
            assert_ne!(pair[0][1], pair[1][1]);
        }
    }
}

fn passes(model: Model, device: &Device, off: &[Kernel]) -> bool {
    off.iter().for_each(|kernel| kernel.switch(false));
    let certificate = pollster::block_on(certify_model(model, device));
    off.iter().for_each(|kernel| kernel.switch(true));
    certificate.unwrap().passed()
}

/// A hundredth too much in the scores of attention, in the kernels for heads of 128 channels alone; and in rotations.
#[test]
fn a_wrong_kernel_is_found_and_named() {
    let Some(device) = wgpu_device() else { return };
    let _kernels = KERNELS.lock().unwrap_or_else(PoisonError::into_inner);
    let scores = ShaderFault {
        only_in: "const CHANNELS: u32 = 4u;",
        text: "scores[j] * info.scale;",
        becomes: "scores[j] * info.scale * 1.01;",
    };
    inject(Some(scores));
    let found = [Model::Gpt2, Model::Wide].map(|model| passes(model, &device, &[]));
    let faulty = faulty_kernels(|off| passes(Model::Wide, &device, off));
    inject(None);
    assert_eq!(found, [true, false], "heads of 16 channels have other kernels");
    assert_eq!(faulty, [Kernel::Attention]);
    assert!(passes(Model::Wide, &device, &[]), "the fault is gone");
}
