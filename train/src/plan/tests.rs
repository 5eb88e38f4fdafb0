use hearth_model::{TransformerConfig, preset};

use super::{Choice, Cut, DeviceLimits, KernelSet, Planner, Rates, Subject, choose};
use crate::{
    TrainConfig,
    optim::OptimizerConfig,
    walk::{Activations, Policy},
};

const UNLIMITED: DeviceLimits =
    DeviceLimits { memory: None, apart: true, tensor: None, watchdog: false, kernels: KernelSet::Plain };

/// GPT-2 124M, a batch of 8 times 2 windows of 256 tokens.
fn config(settings: &[&str]) -> TrainConfig {
    let text = "[data]\ntext = \"none\"\n[model]\npreset = \"gpt2\"\nvocab_size = 50257\ncontext_length = 256\n\
                [batch]\nmicro_batch = 8\naccumulation = 2\n[limits]\nsteps = 1\n";
    let settings: Vec<String> = settings.iter().map(ToString::to_string).collect();
    TrainConfig::parse(text, "test", &settings).unwrap()
}

fn chosen(settings: &[&str], limits: &DeviceLimits) -> Result<Choice, String> {
    choose(&config(settings), limits, &Rates::default()).map_err(|error| error.to_string())
}

#[test]
fn with_room_for_all_nothing_is_given_up() {
    let choice = chosen(&[], &UNLIMITED).unwrap();
    let cut = &choice.plan.cut;
    assert_eq!((cut.micro_batch, cut.accumulation), (8, 2));
    assert_eq!(cut.policy, Policy::keep(12));
    assert!(choice.faster().is_none());
}

#[test]
fn the_frontier_trades_memory_for_time_and_keeps_the_batch() {
    let choice = chosen(&[], &UNLIMITED).unwrap();
    assert!(choice.frontier.len() > 5, "{}", choice.frontier.len());
    for pair in choice.frontier.windows(2) {
        assert!(pair[0].peak_bytes() < pair[1].peak_bytes() && pair[0].seconds > pair[1].seconds);
    }
    for plan in &choice.frontier {
        assert_eq!(plan.cut.micro_batch * plan.cut.accumulation, 16);
        let blocks: Vec<usize> = plan.cut.policy.segments.iter().flat_map(|segment| segment.blocks.clone()).collect();
        assert_eq!(blocks, (0..12).collect::<Vec<_>>());
    }
}

#[test]
fn nothing_is_moved_to_the_host_where_the_host_computes() {
    let limits = DeviceLimits { apart: false, ..UNLIMITED };
    for plan in chosen(&[], &limits).unwrap().frontier {
        let segments = &plan.cut.policy.segments;
        assert!(!plan.cut.policy.uses_host() && segments.iter().all(|it| it.activations != Activations::Offload));
    }
}

#[test]
fn a_budget_is_kept_and_one_too_small_names_what_would_do() {
    let mut last = u64::MAX;
    for mib in [16_000, 4000, 2500, 1000] {
        let choice = chosen(&[&format!("memory.budget_mib={mib}")], &UNLIMITED).unwrap();
        let peak = choice.plan.peak_bytes();
        assert!(peak <= mib << 20 && peak <= last, "{peak} bytes of {mib} MiB");
        last = peak;
    }
    let error = chosen(&["memory.budget_mib=100"], &UNLIMITED).unwrap_err();
    assert!(
        error.starts_with("memory: no plan fits in 100 MiB: the smallest takes ") && !error.contains('\n'),
        "{error}"
    );
    let needed = error.split_once("memory.budget_mib = ").unwrap().1.split(' ').next().unwrap();
    assert!(chosen(&[&format!("memory.budget_mib={needed}")], &UNLIMITED).is_ok());
    let one_less = needed.parse::<u64>().unwrap() - 1;
    assert!(chosen(&[&format!("memory.budget_mib={one_less}")], &UNLIMITED).is_err());
}

#[test]
fn tensors_that_the_device_cannot_bind_are_avoided_or_named() {
    // Eight sequences' feed-forward activations are 24 MiB, one's 3; a shard of the token matrix is 74.
    let limits = |mib: u64| DeviceLimits { tensor: Some(mib << 20), ..UNLIMITED };
    assert_eq!(chosen(&[], &limits(128)).unwrap().plan.cut.micro_batch, 8);
    let small = &["model.vocab_size=4096"];
    assert_eq!(chosen(small, &limits(13)).unwrap().plan.cut.micro_batch, 4);
    let error = chosen(&[], &limits(64)).unwrap_err();
    assert!(error.contains("a shard of the token matrix of one sequence would take 74 MiB"), "{error}");
    let error = chosen(&["memory=keep", small[0]], &limits(13)).unwrap_err();
    assert!(error.contains("this device binds at most 13 MiB: lower batch.micro_batch = 8"), "{error}");
}

#[test]
fn a_policy_that_is_set_is_taken_or_refused() {
    let choice = chosen(&["memory=recompute", "memory.group=3"], &UNLIMITED).unwrap();
    assert_eq!(choice.plan.cut.policy.segments.len(), 4);
    let error = chosen(&["memory=keep", "memory.budget_mib=2500"], &UNLIMITED).unwrap_err();
    assert!(error.contains("the policy that is set takes") && error.contains("memory.policy = \"auto\""), "{error}");
}

#[test]
fn a_watched_device_gets_no_kernel_that_takes_too_long() {
    // A slow integrated GPU: eight sequences' feed-forward product is 9.7 GFLOP, 1 s; one's is 0.12 s.
    let rates = Rates { flops: 1e10, ..Rates::default() };
    let choice = |watchdog: bool| choose(&config(&[]), &DeviceLimits { watchdog, ..UNLIMITED }, &rates).unwrap();
    assert_eq!(choice(false).plan.cut.micro_batch, 8);
    let cut = choice(true).plan.cut;
    assert!(cut.micro_batch < 8 && cut.micro_batch * cut.accumulation == 16, "{cut}");
    let fast = choose(&config(&[]), &DeviceLimits { watchdog: true, ..UNLIMITED }, &Rates::default()).unwrap();
    assert_eq!(fast.plan.cut.micro_batch, 8);
}

/// 2^20 sequences of 2^20 tokens have 12 * 2^60 scores: 64 bits count them, and not their bytes. Such sizes are cut off.
#[test]
fn sizes_beyond_64_bits_do_not_wrap() {
    let model = TransformerConfig { context_length: 1 << 20, ..preset("gpt2").unwrap() };
    let cut = Cut::new(1 << 20, 1, usize::MAX, Policy::keep(12));
    let optimizer = OptimizerConfig::default();
    let planner = Planner::new(Subject::new(&model, &optimizer, 1 << 20), &UNLIMITED, &Rates::default());
    assert_eq!(planner.largest_tensor(&cut).1, 1 << 42);
    assert!(planner.plan(cut).peak_bytes() > 1 << 40);
    // 2^44 MiB are 2^64 bytes.
    assert!(chosen(&["memory.budget_mib=17592186044416"], &UNLIMITED).is_ok());
}

/// Heads of five channels, which no kernel in WGSL takes.
#[test]
fn the_cpu_has_no_scores_in_memory() {
    let odd = TransformerConfig { heads: 1, width: 5, ..preset("gpt2").unwrap() };
    let cut = Cut::new(1, 1, 1, Policy::keep(12));
    let optimizer = OptimizerConfig::default();
    let subject = Subject::new(&odd, &optimizer, 1 << 20);
    let largest =
        |limits: &DeviceLimits| Planner::new(subject.clone(), limits, &Rates::default()).largest_tensor(&cut).0;
    let scores = "the attention scores [B, H, T, T]";
    assert_eq!(largest(&UNLIMITED), scores);
    assert_eq!(largest(&DeviceLimits { kernels: KernelSet::Wgsl, ..UNLIMITED }), scores);
    assert_ne!(largest(&DeviceLimits::of_host()), scores);
}
