//! How large a model a budget should train: a ladder of small runs, the law that their losses follow, and what it says of a
//! larger budget.
//!
//! [`Ladder::plan`] chooses sizes of one shape whose runs stay within a budget, a [`Runner`] trains them, [`fit()`] fits
//! Chinchilla's [`ScalingLaw`] (Hoffmann et al. 2022, arXiv 2203.15556, approach 3) to their validation losses, [`Check`] holds the
//! largest size against what the others predict, and [`Choices`] finds the best run for another budget. `hearth scale` does all
//! of it.

mod advice;
mod budget;
mod family;
mod fit;
mod huber;
mod ladder;
mod law;
mod machine;
mod measure;
mod rung;

pub use advice::{Advice, Check, Choices};
pub use budget::{Budget, duration};
pub use family::{Family, Member};
pub use fit::{Fit, Point, fit};
pub use ladder::{Ladder, LadderOptions};
pub use law::ScalingLaw;
pub use machine::Machine;
pub use measure::{Measured, Runner};
pub use rung::{Rung, model_name};

/// The constants that the paper published.
#[cfg(test)]
const CHINCHILLA: ScalingLaw = ScalingLaw { e: 1.69, a: 406.4, b: 410.7, alpha: 0.34, beta: 0.28 };
