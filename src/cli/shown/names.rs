//! Names for a terminal: quoted as a shell would take them, nothing in them acting on it.

use crate::error::{is_unprintable, quote};

/// How names are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names {
    /// Their bytes as they are, unless something in them would act on a terminal further on: those are
    /// quoted, too. In a list of lines such a name could stand for several.
    Raw,
    /// Where needed in quotes, control characters and stray bytes as `$'\n'`.
    Quoted,
}

impl Names {
    /// What suits a person, or a program.
    pub fn for_terminal(is_terminal: bool) -> Self {
        if is_terminal { Self::Quoted } else { Self::Raw }
    }

    /// A name as it is to be written.
    pub fn show(self, name: &[u8]) -> Vec<u8> {
        match self {
            Self::Raw if !acts_on_terminals(name) => name.to_vec(),
            Self::Raw | Self::Quoted => quote(name).into_bytes(),
        }
    }
}

fn acts_on_terminals(name: &[u8]) -> bool {
    name.utf8_chunks()
        .any(|chunk| chunk.valid().contains(is_unprintable))
}

/// Columns of a terminal that a text takes, near enough: one for each character.
pub fn width(shown: &[u8]) -> usize {
    String::from_utf8_lossy(shown).chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_for_a_program_are_raw_but_for_those_that_would_act_on_a_terminal() {
        let raw = |name: &str| String::from_utf8(Names::Raw.show(name.as_bytes())).unwrap();
        assert_eq!(raw("a b'\\$"), "a b'\\$");
        assert_eq!(Names::Raw.show(b"\xe4\xff"), b"\xe4\xff");
        assert_eq!(raw("a\u{9b}b\n"), r"'a'$'\302\233''b'$'\n'");
        assert_eq!(raw("\u{e0041}"), r"''$'\363\240\201\201'");
    }
}
