use burn::tensor::Tensor;
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
        text.to_string(),
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

/// The default guard after 130 steps of losses 2.9, 3.1, 2.9, .. and norms 0.5, 1.5, 0.5, ..: means 3 and 1, standard
/// deviations 0.1 and 0.5.
fn steady(config: &GuardConfig) -> Guard {
    let mut guard = Guard::default();
    for step in 0..130 {
        let up = (step % 2) as f32;
        assert_eq!(guard.observe(config, figures(step, 2.9 + 0.2 * up, 0.5 + up), true), Verdict::Fine);
    }
    guard
}

fn assert_near(found: Ceiling, expected: Ceiling) {
    let near = |found: f32, expected: f32| (found - expected).abs() < 1e-4 * expected;
    assert!(near(found.loss, expected.loss) && near(found.grad_norm, expected.grad_norm), "{found:?}");
}

/// llm.c: "don't let bad outliers affect the threshold for detecting future outliers, otherwise the detector will get less
/// picky", and "we do update on the 3rd consecutive outlier, to avoid getting stuck completely".
#[test]
fn a_spike_that_is_left_out_does_not_blind_the_guard() {
    let config = GuardConfig::default();
    let calm = Ceiling { loss: 4.0, grad_norm: 6.0 };
    let mut guard = steady(&config);
    assert_near(guard.ceiling(&config, 130), calm);
    let mut step = 130;
    let spike = |guard: &mut Guard, step: &mut u64| {
        let verdict = guard.observe(&config, figures(*step, 100.0, 50.0), false);
        assert!(matches!(verdict, Verdict::LeftOut(_)), "{verdict:?}");
        *step += 1;
    };
    // One spike, and two in a row.
    for spikes in 1..=2 {
        (0..spikes).for_each(|_| spike(&mut guard, &mut step));
        for (loss, grad_norm) in [(2.9, 0.5), (3.1, 1.5)] {
            guard.observe(&config, figures(step, loss, grad_norm), true);
            step += 1;
        }
        (step..step + 200).for_each(|later| assert_near(guard.ceiling(&config, later), calm));
    }
    // A third in a row is what the loss is like now: the mean of the window is 3 + 97 / 128.
    (0..3).for_each(|_| spike(&mut guard, &mut step));
    let Ceiling { loss, .. } = guard.ceiling(&config, step + 1);
    let deviation = (0.01f64 * 127.0 / 128.0 + 97.0 * 97.0 * 127.0 / (128.0 * 128.0)).sqrt();
    assert!((f64::from(loss) - (3.0 + 97.0 / 128.0 + 10.0 * deviation)).abs() < 0.02, "{loss}");
}

/// As in llm.c, where the score is 0 if the standard deviation is. By the next larger number nothing has moved.
#[test]
fn equal_values_rule_nothing_out() {
    let config = config();
    for value in [0.1f32, 3.0, 0.0, 1e-20] {
        let mut guard = Guard::default();
        (0..6).for_each(|step| drop(guard.observe(&config, figures(step, value, value.next_up()), true)));
        assert_eq!(guard.ceiling(&config, 8), Ceiling::FINITE, "{value}");
    }
    // Half of them one rounding step higher.
    let mut guard = Guard::default();
    let value = |step: u64| if step.is_multiple_of(2) { 0.1f32 } else { 0.1f32.next_up() };
    (0..6).for_each(|step| drop(guard.observe(&config, figures(step, value(step), value(step)), true)));
    assert_eq!(guard.ceiling(&config, 8), Ceiling::FINITE);
}

/// The host of a run that goes on knows one step less than one that was resumed from a checkpoint, which waited.
#[test]
fn a_resumed_run_decides_the_same() {
    let config = config();
    let loss = |step: u64| if step % 7 == 5 || step % 11 < 2 { 50.0 } else { 3.0 + (step % 3) as f32 };
    let (mut early, mut late) = (Guard::default(), Guard::default());
    let mut not_read_yet: Vec<(Figures, bool)> = Vec::new();
    let mut left_out = 0;
    for step in 0..200 {
        let ceiling = early.ceiling(&config, step);
        assert_eq!(late.ceiling(&config, step), ceiling, "step {step}");
        let figures = figures(step, loss(step), 1.0 + (step % 2) as f32);
        let wanted = figures.loss <= ceiling.loss;
        left_out += u64::from(!wanted);
        early.observe(&config, figures, wanted);
        not_read_yet.push((figures, wanted));
        if not_read_yet.len() > 1 {
            let (figures, wanted) = not_read_yet.remove(0);
            late.observe(&config, figures, wanted);
        }
        // As a checkpoint keeps it.
        early = serde_json::from_str(&serde_json::to_string(&early).unwrap()).unwrap();
    }
    assert!((20..100).contains(&left_out), "{left_out} updates were left out");
}

#[test]
fn the_state_of_earlier_checkpoints_is_read() {
    let json = r#"{"recent":[{"step":7,"loss":3.5,"grad_norm":0.25},{"step":8,"loss":2.5,"grad_norm":0.75}],
        "bad_in_a_row":1,"lowest_median":2.75}"#;
    let guard: Guard = serde_json::from_str(json).unwrap();
    assert_eq!(guard.last_loss(), Some(2.5));
    let config = GuardConfig { window: 2, loss_z: 4.0, norm_z: 2.0, ..GuardConfig::default() };
    assert_eq!(guard.ceiling(&config, 10), Ceiling { loss: 5.0, grad_norm: 1.0 });
}
