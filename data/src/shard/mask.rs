//! Which tokens of a shard are trained.

/// A bit for each token, the lowest of a byte first: 1 where the token is trained. Bits behind the last token are 0.
#[derive(Debug, Default)]
pub(super) struct Mask {
    bytes: Vec<u8>,
    tokens: u64,
    /// Tokens whose bit is 0.
    untrained: u64,
}

impl Mask {
    /// One of `tokens` tokens that are all trained.
    pub(super) fn of_trained(tokens: u64) -> Self {
        let mut mask = Self::default();
        (0..tokens).for_each(|_| mask.push(true));
        mask
    }

    pub(super) fn push(&mut self, trained: bool) {
        if self.tokens.is_multiple_of(8) {
            self.bytes.push(0);
        }
        if let Some(last) = self.bytes.last_mut() {
            *last |= u8::from(trained) << (self.tokens % 8);
        }
        self.tokens += 1;
        self.untrained += u64::from(!trained);
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn untrained(&self) -> u64 {
        self.untrained
    }
}

/// Reads the bits of the tokens from `start` on out of a mask's bytes.
pub(super) fn read(bytes: &[u8], start: usize, out: &mut [bool]) {
    for (trained, token) in out.iter_mut().zip(start..) {
        *trained = bytes[token / 8] >> (token % 8) & 1 == 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_come_back_from_any_place() {
        let bits: Vec<bool> = (0..37).map(|token| token % 3 == 0 || token > 30).collect();
        let mut mask = Mask::of_trained(2);
        bits[2..].iter().for_each(|&bit| mask.push(bit));
        assert_eq!((mask.bytes().len(), mask.bytes()[4]), (5, 0b1_1111));
        let expected: Vec<bool> = [true; 2].into_iter().chain(bits[2..].iter().copied()).collect();
        assert_eq!(mask.untrained(), expected.iter().filter(|bit| !**bit).count() as u64);
        for start in 0..37 {
            let mut out = vec![false; 37 - start];
            read(mask.bytes(), start, &mut out);
            assert_eq!(out, expected[start..], "from {start}");
        }
    }
}
