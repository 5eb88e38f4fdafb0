//! Numbers for people.

/// 1234567 as `1,234,567`.
pub fn with_separators(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().map(|group| std::str::from_utf8(group).expect("digits")).collect();
    groups.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_get_separators() {
        let texts = [0, 999, 1000, 124_439_808].map(with_separators);
        assert_eq!(texts, ["0", "999", "1,000", "124,439,808"]);
    }
}
