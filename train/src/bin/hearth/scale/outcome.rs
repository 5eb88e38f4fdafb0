//! What a ladder came to.

use hearth_train::scale::{Advice, Budget, Check, Fit, Measured};

/// What a ladder came to.
pub struct Outcome {
    /// What each run came to.
    pub measured: Vec<Measured>,
    /// The law of all of them.
    pub fit: Fit,
    /// What the law without the largest size says of it.
    pub check: Option<Check>,
    /// What is advised for.
    pub target: Budget,
    /// What is advised.
    pub advice: Advice,
}

impl Outcome {
    /// The law in one line.
    pub fn law(&self) -> String {
        let law = self.fit.law;
        format!("L(N, D) = {:.3} + {:.4} / N^{:.3} + {:.4} / D^{:.3}", law.e, law.a, law.alpha, law.b, law.beta)
    }
}
