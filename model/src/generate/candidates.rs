//! The ids that may be drawn, from the likeliest on, sorted only as far as they are looked at.

/// Ids that are sorted at first: mostly enough, and a small vocabulary as a whole.
const FIRST: usize = 256;

/// Ids with their logits; those of equal logits are in the order of their ids, so that a choice does not depend on the sort.
pub struct Candidates {
    /// In rising order from the likeliest on: what a logit lacks to the largest there could be, above the id.
    keys: Vec<u64>,
    /// So many of them are the likeliest, in their order.
    sorted: usize,
}

impl Candidates {
    /// All ids but those of `never`, which are in rising order. A NaN counts as less than every number.
    pub fn new(logits: &[f32], never: &[u32]) -> Self {
        let mut never = never.iter().copied().peekable();
        let ids = (0..logits.len() as u32).filter(|id| never.next_if_eq(id).is_none());
        Self { keys: ids.map(|id| key(logits[id as usize], id)).collect(), sorted: 0 }
    }

    /// The likeliest id.
    ///
    /// # Panics
    /// If there is none.
    pub fn likeliest(&self) -> u32 {
        *self.keys.iter().min().expect("an id may be drawn") as u32
    }

    /// Forgets all but the `count` likeliest.
    pub fn truncate(&mut self, count: usize) {
        self.sort(count);
        self.keys.truncate(count);
        self.sorted = self.sorted.min(count);
    }

    /// How likely each id is beside the likeliest, not in order but for the first few; their sum is what they are shares of.
    pub fn total(&mut self, temperature: f64) -> f64 {
        self.sort(FIRST);
        let most = self.keys.first().map_or(0.0, |key| logit(*key));
        self.keys.iter().map(|key| weight(logit(*key), most, temperature)).sum()
    }

    /// The ids with their weights, from the likeliest on, until `stop` says that one is the last; the last that there was.
    ///
    /// # Panics
    /// If there is none.
    pub fn descend(&mut self, temperature: f64, mut stop: impl FnMut(f64) -> bool) -> u32 {
        self.sort(FIRST);
        let most = logit(self.keys[0]);
        for at in 0..self.keys.len() {
            if at == self.sorted {
                self.sort(4 * at);
            }
            if stop(weight(logit(self.keys[at]), most, temperature)) {
                return self.keys[at] as u32;
            }
        }
        *self.keys.last().expect("an id may be drawn") as u32
    }

    /// Sorts so far that the first `count` are in their places.
    fn sort(&mut self, count: usize) {
        let count = count.min(self.keys.len());
        if count > self.sorted {
            let rest = &mut self.keys[self.sorted..];
            let more = count - self.sorted;
            if more < rest.len() {
                rest.select_nth_unstable(more);
            }
            rest[..more].sort_unstable();
            self.sorted = count;
        }
    }
}

/// `e^((logit - most) / temperature)`.
fn weight(logit: f32, most: f32, temperature: f64) -> f64 {
    (f64::from(logit - most) / temperature).exp()
}

/// A number that falls as the logit rises, as `total_cmp` orders them, and below it the id.
fn key(logit: f32, id: u32) -> u64 {
    let bits = if logit.is_nan() { f32::NEG_INFINITY } else { logit }.to_bits();
    let falling = if bits >> 31 == 1 { bits } else { !(bits | 1 << 31) };
    u64::from(falling) << 32 | u64::from(id)
}

/// The logit of a key.
fn logit(key: u64) -> f32 {
    let falling = (key >> 32) as u32;
    f32::from_bits(if falling >> 31 == 1 { falling } else { !falling & !(1 << 31) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_fall_as_logits_rise_and_give_them_back() {
        let rising = [f32::NEG_INFINITY, f32::MIN, -2.5, -1e-41, -0.0, 0.0, 1e-41, 1.0, f32::MAX, f32::INFINITY];
        for pair in rising.windows(2) {
            assert!(key(pair[0], 0) > key(pair[1], u32::MAX), "{} is less than {}", pair[0], pair[1]);
        }
        assert!(
            rising.iter().all(|value| logit(key(*value, 7)).to_bits() == value.to_bits() && key(*value, 7) as u32 == 7)
        );
        assert_eq!(logit(key(f32::NAN, 7)), f32::NEG_INFINITY);
    }
}
