//! Permissions, owners and who becomes whom.

use std::fmt;

use super::text::{Typed, from_typed, number, text_alone, told};

/// Permission, setuid, setgid and sticky bits: `0o7777` at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mode(u16);

impl Mode {
    /// Of the bits; `None` beyond `0o7777`.
    pub fn new(bits: u16) -> Option<Self> {
        (bits <= 0o7777).then_some(Self(bits))
    }

    /// The bits.
    pub fn bits(self) -> u16 {
        self.0
    }
}

impl Typed for Mode {
    const FORM: &'static str = "MODE, three to five octal digits, as in \"0755\"";

    fn typed(bytes: &[u8]) -> Result<Self, String> {
        let is_octal = (3..=5).contains(&bytes.len())
            && bytes.iter().all(|digit| (b'0'..=b'7').contains(digit));
        let text = std::str::from_utf8(bytes).ok().filter(|_| is_octal);
        let bits = text.and_then(|text| u16::from_str_radix(text, 8).ok());
        bits.and_then(Self::new).ok_or_else(|| {
            format!(
                "'{}': expected a mode of three to five octal digits up to 7777, as in 0755",
                told(bytes)
            )
        })
    }
}

/// Four octal digits.
impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04o}", self.0)
    }
}

/// A user and a group, by number; each at most 4,294,967,294.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner {
    /// The user.
    pub uid: u32,
    /// The group.
    pub gid: u32,
}

impl Owner {
    pub(super) fn of(uid: &[u8], gid: &[u8]) -> Option<Self> {
        Some(Self {
            uid: number(uid)?,
            gid: number(gid)?,
        })
    }
}

impl Typed for Owner {
    const FORM: &'static str = "UID:GID";

    fn typed(bytes: &[u8]) -> Result<Self, String> {
        let fields: Vec<_> = bytes.split(|byte| *byte == b':').collect();
        let owner = match fields[..] {
            [uid, gid] => Self::of(uid, gid),
            _ => None,
        };
        owner.ok_or_else(|| {
            format!(
                "'{}': expected an owner of the form UID:GID, two numbers up to {}",
                told(bytes),
                u32::MAX - 1
            )
        })
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.uid, self.gid)
    }
}

/// Who is meant by one side of a mapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Owners {
    /// The user of this number, and the group of this number, each for itself.
    Number(u32),
    /// This user together with this group.
    Pair(Owner),
}

impl fmt::Display for Owners {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Pair(owner) => write!(f, "{owner}"),
        }
    }
}

/// Who becomes whom: a number another number, a pair another pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OwnerMapping {
    /// The user `from` becomes the user `to`, and the group `from` the group `to`.
    Number {
        /// Before.
        from: u32,
        /// After.
        to: u32,
    },
    /// What belongs to exactly this user and group.
    Pair {
        /// Before.
        from: Owner,
        /// After.
        to: Owner,
    },
}

impl OwnerMapping {
    /// Who is mapped.
    pub fn from(self) -> Owners {
        match self {
            Self::Number { from, .. } => Owners::Number(from),
            Self::Pair { from, .. } => Owners::Pair(from),
        }
    }
}

impl Typed for OwnerMapping {
    const FORM: &'static str = "FROM:TO, both a number or both UID:GID";

    fn typed(bytes: &[u8]) -> Result<Self, String> {
        let fields: Vec<_> = bytes.split(|byte| *byte == b':').collect();
        let mapping = match fields[..] {
            [from, to] => number(from)
                .zip(number(to))
                .map(|(from, to)| Self::Number { from, to }),
            [uid, gid, to_uid, to_gid] => Owner::of(uid, gid)
                .zip(Owner::of(to_uid, to_gid))
                .map(|(from, to)| Self::Pair { from, to }),
            _ => None,
        };
        mapping.ok_or_else(|| {
            format!(
                "'{}': expected FROM:TO, two numbers as in 1000:0 or four as in 1000:1000:0:0, each up to {}, found {} fields",
                told(bytes),
                u32::MAX - 1,
                fields.len()
            )
        })
    }
}

impl fmt::Display for OwnerMapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number { from, to } => write!(f, "{from}:{to}"),
            Self::Pair { from, to } => write!(f, "{from}:{to}"),
        }
    }
}

from_typed!(Mode, Owner, OwnerMapping);
text_alone!(Mode, Owner, OwnerMapping);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_octal_and_hold_twelve_bits() {
        for (typed, bits) in [
            ("755", 0o755),
            ("0755", 0o755),
            ("01777", 0o1777),
            ("7777", 0o7777),
        ] {
            let mode: Mode = typed.parse().unwrap();
            assert_eq!(mode.bits(), bits);
            assert_eq!(mode.to_string().parse::<Mode>().unwrap(), mode);
        }
        for typed in [
            "", "7", "75", "0o755", "+755", "rwx", "0888", "10000", "077777", "075500",
        ] {
            typed.parse::<Mode>().unwrap_err();
        }
        assert_eq!(Mode::new(0o10000), None);
    }

    #[test]
    fn owners_are_two_numbers() {
        let owner: Owner = "4294967294:0".parse().unwrap();
        assert_eq!(owner.to_string(), "4294967294:0");
        for typed in [
            "",
            "0",
            ":",
            "0:",
            "0:0:0",
            "root:root",
            "-1:0",
            "4294967295:0",
            "0:0 ",
        ] {
            typed.parse::<Owner>().unwrap_err();
        }
    }

    #[test]
    fn a_mapping_is_of_numbers_or_of_pairs_and_never_of_both() {
        for typed in ["1000:0", "1:2:3:4"] {
            assert_eq!(typed.parse::<OwnerMapping>().unwrap().to_string(), typed);
        }
        for typed in ["", "1000", "1:2:3", "1:2:3:4:5", "a:b", "1000:", "1-9:0"] {
            typed.parse::<OwnerMapping>().unwrap_err();
        }
    }
}
