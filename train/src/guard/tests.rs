use hearth_wgsl::each_device;

use super::*;

fn config() -> GuardConfig {
    GuardConfig { window: 4, loss_z: 3.0, norm_z: 2.0, ..GuardConfig::default() }
}

fn figures(step: u64, loss: f32, grad_norm: f32) -> Figures {
    Figures { step, loss, grad_norm }
}

/// Steps 0 to 5 with losses 3, 1, 3, 1, .. and norms 2, 4, 2, 4, ..
fn calm() -> Guard {
    let mut guard = Guard::default();
    for step in 0..6 {
        let up = (step % 2) as f32;
        let verdict = guard.observe(&config(), figures(step, 3.0 - 2.0 * up, 2.0 + 2.0 * up), true);
        assert_eq!(verdict, Verdict::Fine);
    }
    guard
}

each_device! {
    fn a_ceiling_admits_what_is_below_it(device) {
        let ceiling = Ceiling { loss: 2.0, grad_norm: 5.0 };
        let admits = |loss: f32, grad_norm: f32| {
            let one = |value: f32| Tensor::<1>::from_floats([value], &device);
            ceiling.admits(&one(loss), &one(grad_norm)).into_data().iter::<bool>().next().unwrap()
        };
        assert!(admits(2.0, 5.0) && admits(-1.0, 0.0));
        for (loss, norm) in [(2.1, 1.0), (1.0, 5.1), (f32::NAN, 1.0), (1.0, f32::NAN), (f32::INFINITY, 1.0), (1.0, f32::INFINITY)] {
            assert!(!admits(loss, norm), "{loss}, {norm}");
        }
    }
}

#[test]
fn the_window_is_that_of_steps_known_for_sure() {
    let guard = calm();
    // Mean 2 and standard deviation 1; mean 3 and standard deviation 1.
    assert_eq!(guard.ceiling(&config(), 7), Ceiling { loss: 5.0, grad_norm: 5.0 });
    // Steps 0 to 3 alone: the figures of step 4 may not be there when step 5 is queued.
    let mut knows_less = Guard::default();
    (0..4).for_each(|step| {
        let up = (step % 2) as f32;
        knows_less.observe(&config(), figures(step, 3.0 - 2.0 * up, 2.0 + 2.0 * up), true);
    });
    assert_eq!(guard.ceiling(&config(), 5), knows_less.ceiling(&config(), 5));
    assert_eq!(knows_less.ceiling(&config(), 4), Ceiling::FINITE);
    let off = GuardConfig { loss_z: 0.0, norm_z: 0.0, ..config() };
    assert_eq!(guard.ceiling(&off, 7), Ceiling::FINITE);
}

#[test]
fn a_spike_is_told_with_its_ceiling() {
    let Verdict::LeftOut(text) = calm().observe(&config(), figures(6, 9.0, 3.0), false) else { panic!("a spike") };
    assert_eq!(
        text,
        "step 6: a spike of the loss, 9.0000, over 5.0000 (guard.loss_z = 3 of the last 4 steps): the update is left out"
    );
    let Verdict::LeftOut(text) = calm().observe(&config(), figures(6, 2.0, 8.5), false) else { panic!("a spike") };
    assert!(text.contains("gradient's norm, 8.500, over 5.000 (guard.norm_z = 2"), "{text}");
}

#[test]
fn bad_steps_in_a_row_lead_back() {
    let mut guard = calm();
    let bad = |step| figures(step, f32::NAN, 1.0);
    let text = |verdict| match verdict {
        Verdict::LeftOut(text) => text,
        other => panic!("{other:?}"),
    };
    assert!(text(guard.observe(&config(), bad(6), false)).ends_with("left out (1 of 3 in a row)"));
    assert!(text(guard.observe(&config(), figures(7, 1.0, f32::INFINITY), false)).ends_with("(2 of 3 in a row)"));
    assert_eq!(guard.observe(&config(), figures(8, 2.0, 3.0), true), Verdict::Fine);
    (9..11).for_each(|step| assert!(matches!(guard.observe(&config(), bad(step), false), Verdict::LeftOut(_))));
    assert!(matches!(guard.observe(&config(), bad(11), false), Verdict::GoBack(_)));
    let patient = GuardConfig { bad_steps: 0, ..config() };
    assert!(matches!(guard.observe(&patient, bad(12), false), Verdict::LeftOut(_)));
}

#[test]
fn a_median_far_above_the_lowest_is_divergence() {
    // The upper median of 3, 1, 3, 1 is 3.
    let mut guard = calm();
    assert_eq!(guard.observe(&config(), figures(6, 900.0, 3.0), true), Verdict::Fine);
    assert_eq!(guard.observe(&config(), figures(7, 1.0, 3.0), true), Verdict::Fine);
    let verdicts: Vec<_> = (8..10).map(|step| guard.observe(&config(), figures(step, 5.5, 3.0), true)).collect();
    let [Verdict::Diverged(text), Verdict::Diverged(_)] = &verdicts[..] else { panic!("{verdicts:?}") };
    assert_eq!(
        text,
        "step 8: the median loss of 4 steps is 5.5000, and was 3.0000: more than guard.divergence = 2 above"
    );
}

#[test]
fn what_is_remembered_survives_json() {
    let mut guard = calm();
    guard.observe(&config(), figures(6, 1.0 / 3.0, 0.1), true);
    let json = serde_json::to_string(&guard).unwrap();
    assert_eq!(serde_json::from_str::<Guard>(&json).unwrap(), guard);
}
