//! `certify` finds the devices of this machine right.

use hearth_train::certify::{Certificate, certify};
use hearth_wgsl::each_device;

each_device! {
    fn passes(device) {
        let certificates = certify(&device).unwrap();
        assert_eq!(certificates.len(), 2);
        assert!(certificates.iter().all(Certificate::passed), "{certificates:#?}");
        // It compares something: a gradient for each parameter, and ten losses that move.
        assert!(certificates.iter().all(|certificate| certificate.gradients.len() >= 25));
        assert!(certificates.iter().all(|certificate| certificate.losses.len() == 10));
        for pair in certificates.iter().flat_map(|certificate| certificate.losses.windows(2)) {
            assert_ne!(pair[0][1], pair[1][1]);
        }
    }
}
