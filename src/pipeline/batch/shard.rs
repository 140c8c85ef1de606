//! One part of several that a list is made in.

use std::fmt;
use std::str::FromStr;

/// Part `index` of `count`: every `count`-th item of a list, beginning with item `index`, both counted
/// from 0. The parts of a list have each of its items once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    index: u64,
    count: u64,
}

impl Shard {
    /// `None` unless `index` is below `count`.
    pub fn new(index: u64, count: u64) -> Option<Self> {
        (index < count).then_some(Self { index, count })
    }

    /// Whether item `item` of the whole list, counted from 0, belongs to this part.
    pub fn holds(&self, item: u64) -> bool {
        item % self.count == self.index
    }
}

impl Default for Shard {
    /// The whole list.
    fn default() -> Self {
        Self { index: 0, count: 1 }
    }
}

impl FromStr for Shard {
    type Err = String;

    /// Reads `I/N`, digits alone.
    fn from_str(text: &str) -> Result<Self, String> {
        let number = |digits: &str| {
            let are_digits = digits.bytes().all(|byte| byte.is_ascii_digit());
            are_digits.then(|| digits.parse::<u64>().ok()).flatten()
        };
        let parts = text.split_once('/');
        let parts = parts.and_then(|(index, count)| Some((number(index)?, number(count)?)));
        parts
            .and_then(|(index, count)| Self::new(index, count))
            .ok_or_else(|| {
                format!("expected I/N, the parts counted from 0/N to N-1/N, found '{text}'")
            })
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_list_have_each_item_once() {
        for count in 1..=9 {
            let parts: Vec<Shard> = (0..count)
                .map(|index| format!("{index}/{count}").parse().unwrap())
                .collect();
            for item in 0..40 {
                let owners: Vec<_> = (0..count)
                    .filter(|index| parts[*index as usize].holds(item))
                    .collect();
                assert_eq!(owners, [item % count]);
            }
        }
        assert!((0..40).all(|item| Shard::default().holds(item)));
    }

    #[test]
    fn what_names_no_part_is_refused() {
        for text in [
            "1/1",
            "0/0",
            "2/2",
            "9/3",
            "-1/3",
            "+1/3",
            "1/-3",
            "1/+3",
            "",
            "/",
            "1",
            "1/",
            "/1",
            "1/2/3",
            " 1/3",
            "1 /3",
            "1/3 ",
            "0x1/3",
            "1.0/3",
            "٠/3",
            "0/99999999999999999999",
        ] {
            let error = text.parse::<Shard>().unwrap_err();
            assert!(error.contains(&format!("found '{text}'")), "{error}");
        }
        assert_eq!("07/010".parse::<Shard>().unwrap().to_string(), "7/10");
    }
}
