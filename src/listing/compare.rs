//! Two listings held against each other.

use std::collections::BTreeMap;
use std::fmt;

use super::line::{Body, Field, Line, Links};
use super::{Kind, Listing};
use crate::error::escape_path;

/// A name in which two listings differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The expected line; `None` where the name should not be there.
    pub expected: Option<Line>,
    /// The line found; `None` where the name is missing.
    pub found: Option<Line>,
    /// What differs, where both are there.
    pub fields: Vec<Field>,
}

impl Difference {
    /// The name's path.
    pub fn path(&self) -> &[u8] {
        let line = self.expected.as_ref().or(self.found.as_ref());
        line.map_or(&[], |line| &line.path)
    }
}

/// The path with what differs, then the line expected after `- ` and the line found after `+ `.
impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}: ", escape_path(self.path()))?;
        match (&self.expected, &self.found) {
            (Some(_), None) => f.write_str("missing")?,
            (None, _) => f.write_str("not expected")?,
            (Some(_), Some(_)) => {
                for (index, field) in self.fields.iter().enumerate() {
                    let separator = if index == 0 { "" } else { ", " };
                    write!(f, "{separator}{field}")?;
                }
                let verb = if self.fields.len() == 1 {
                    "differs"
                } else {
                    "differ"
                };
                write!(f, " {verb}")?;
            }
        }
        if let Some(expected) = &self.expected {
            write!(f, "\n- {expected}")?;
        }
        if let Some(found) = &self.found {
            write!(f, "\n+ {found}")?;
        }
        Ok(())
    }
}

/// Where `found` is not as `expected`, ascending by path. What either does not know is equal.
///
/// Hard links are compared as a partition of the names that both have, so that a missing name is
/// one difference and not one for each of its other names.
pub fn compare(expected: &Listing, found: &Listing) -> Vec<Difference> {
    let pairs = pair_up(expected.lines(), found.lines());
    let both = || pairs.iter().filter_map(|pair| pair.0.zip(pair.1));
    let expected_groups = smallest_names(both().map(|(line, _)| line));
    let found_groups = smallest_names(both().map(|(_, line)| line));
    let mut differences = Vec::new();
    for (one, other) in pairs {
        let fields = match (one, other) {
            (Some(one), Some(other)) => {
                let mut fields = differing_fields(one, other);
                let group = group_name(one, &expected_groups);
                let other_group = group_name(other, &found_groups);
                if group
                    .zip(other_group)
                    .is_some_and(|(one, other)| one != other)
                {
                    fields.push(Field::Links);
                }
                if fields.is_empty() {
                    continue;
                }
                fields
            }
            (Some(missing), None) if found.is_hidden(&missing.path) => continue,
            (None, Some(extra)) if expected.is_hidden(&extra.path) => continue,
            _ => Vec::new(),
        };
        differences.push(Difference {
            expected: one.cloned(),
            found: other.cloned(),
            fields,
        });
    }
    differences
}

type Pair<'a> = (Option<&'a Line>, Option<&'a Line>);

fn pair_up<'a>(mut expected: &'a [Line], mut found: &'a [Line]) -> Vec<Pair<'a>> {
    use std::cmp::Ordering;
    let mut pairs = Vec::with_capacity(expected.len());
    loop {
        let order = match (expected.first(), found.first()) {
            (None, None) => return pairs,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(one), Some(other)) => one.path.cmp(&other.path),
        };
        let take = |lines: &mut &'a [Line], wanted: bool| {
            let (first, rest) = lines.split_first().filter(|_| wanted)?;
            *lines = rest;
            Some(first)
        };
        pairs.push((
            take(&mut expected, order.is_le()),
            take(&mut found, order.is_ge()),
        ));
    }
}

/// For each hard-link group the smallest of its names among `lines`, which come ascending by path:
/// those that both listings have.
pub fn smallest_names<'a>(lines: impl Iterator<Item = &'a Line>) -> BTreeMap<&'a [u8], &'a [u8]> {
    let mut smallest = BTreeMap::new();
    for line in lines {
        if let Links::Group(group) = &line.links {
            smallest.entry(&**group).or_insert(&*line.path);
        }
    }
    smallest
}

fn group_name<'a>(line: &'a Line, groups: &BTreeMap<&[u8], &'a [u8]>) -> Option<&'a [u8]> {
    match &line.links {
        Links::Unknown => None,
        Links::Alone => Some(&line.path),
        Links::Group(group) => groups.get(&**group).copied(),
    }
}

fn differing_fields(one: &Line, other: &Line) -> Vec<Field> {
    fn differ<T: PartialEq>(one: &Option<T>, other: &Option<T>) -> bool {
        one.is_some() && other.is_some() && one != other
    }
    let bodies = [&one.body, &other.body];
    // Of two types the bodies differ as a matter of course, and the sizes mean two things.
    let kinds_differ = differ::<Kind>(&one.kind, &other.kind);
    [
        (Field::Kind, kinds_differ),
        (Field::Mode, differ(&one.mode, &other.mode)),
        (Field::Owner, differ(&one.owner, &other.owner)),
        (Field::Mtime, differ(&one.mtime, &other.mtime)),
        (Field::LinkCount, differ(&one.link_count, &other.link_count)),
        (
            Field::Size,
            !kinds_differ && differ(&one.size_bytes, &other.size_bytes),
        ),
        (
            Field::Body,
            !kinds_differ && !bodies.contains(&&Body::Unknown) && one.body != other.body,
        ),
        (Field::Xattrs, differ(&one.xattrs, &other.xattrs)),
        (Field::Flags, differ(&one.file_flags, &other.file_flags)),
    ]
    .into_iter()
    .filter_map(|(field, differs)| differs.then_some(field))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listing::{Attribute, ContentHasher, Owner};
    use crate::units::{FileFlags, Timestamp};

    fn file(path: &str) -> Line {
        Line {
            kind: Some(Kind::Regular),
            mode: Some(0o644),
            owner: Some(Owner { uid: 0, gid: 0 }),
            mtime: Some(Timestamp::from_seconds(1)),
            link_count: Some(1),
            size_bytes: Some(1),
            xattrs: Some(Box::default()),
            body: Body::Content(ContentHasher::digest(b"x")),
            file_flags: Some(FileFlags::default()),
            ..Line::unknown(path.as_bytes())
        }
    }

    fn listing(lines: impl IntoIterator<Item = (Line, u64)>) -> Listing {
        Listing::new(lines.into_iter().map(|(line, inode)| (line, Some(inode))))
    }

    #[test]
    fn every_field_is_compared_and_named() {
        let expected = listing([(file("a"), 1)]);
        type Change = fn(&mut Line);
        let changes: [(Field, Change); 9] = [
            (Field::Kind, |line| line.kind = Some(Kind::Fifo)),
            (Field::Mode, |line| line.mode = Some(0o4644)),
            (Field::Owner, |line| {
                line.owner = Some(Owner { uid: 0, gid: 1 })
            }),
            (Field::Mtime, |line| {
                line.mtime = Some(Timestamp {
                    seconds: 1,
                    nanoseconds: 1,
                })
            }),
            (Field::LinkCount, |line| line.link_count = Some(2)),
            (Field::Size, |line| line.size_bytes = Some(2)),
            (Field::Body, |line| {
                line.body = Body::Content(ContentHasher::digest(b"y"))
            }),
            (Field::Xattrs, |line| {
                line.xattrs = Some(Box::new([Attribute::new(b"user.a", b"")]))
            }),
            (Field::Flags, |line| {
                line.file_flags = Some(FileFlags::IMMUTABLE)
            }),
        ];
        for (field, change) in changes {
            let mut found = file("a");
            change(&mut found);
            let differences = compare(&expected, &listing([(found, 1)]));
            assert_eq!(differences.len(), 1);
            assert_eq!(differences[0].fields, [field]);
        }
        assert_eq!(compare(&expected, &expected), []);
    }

    #[test]
    fn what_is_unknown_equals_everything_on_either_side() {
        let expected = listing([(file("a"), 1)]);
        let unknown = Listing::new([(Line::unknown(b"a"), None)]);
        assert_eq!(compare(&expected, &unknown), []);
        assert_eq!(compare(&unknown, &expected), []);
    }

    #[test]
    fn missing_and_extra_names_are_told_and_hidden_ones_are_not() {
        let expected = listing([(file("a"), 1), (file("b/c"), 2)]);
        let mut found = listing([(file("a"), 1), (file("b"), 3)]);
        let shown: Vec<_> = compare(&expected, &found)
            .iter()
            .map(ToString::to_string)
            .collect();
        assert!(
            shown[0].starts_with("/b: not expected\n+ /b file 0644"),
            "{shown:?}"
        );
        assert!(
            shown[1].starts_with("/b/c: missing\n- /b/c file 0644"),
            "{shown:?}"
        );
        found.leave_unlisted(b"b");
        assert_eq!(compare(&expected, &found).len(), 1);
    }

    #[test]
    fn a_name_found_twice_is_one_too_many() {
        let expected = listing([(file("a"), 1)]);
        let found = listing([(file("a"), 1), (file("a"), 2)]);
        assert_eq!(compare(&expected, &found).len(), 1);
    }

    #[test]
    fn groups_are_compared_as_partitions_of_the_common_names() {
        let group =
            |names: &[(&str, u64)]| listing(names.iter().map(|(name, inode)| (file(name), *inode)));
        let expected = group(&[("a", 1), ("b", 1), ("c", 1), ("d", 2), ("e", 2)]);
        let renumbered = group(&[("a", 9), ("b", 9), ("c", 9), ("d", 5), ("e", 5)]);
        assert_eq!(compare(&expected, &renumbered), []);
        let without_smallest = group(&[("b", 9), ("c", 9), ("d", 5), ("e", 5)]);
        assert_eq!(compare(&expected, &without_smallest).len(), 1);
        let moved = group(&[("a", 1), ("b", 1), ("c", 2), ("d", 2), ("e", 2)]);
        let fields: Vec<_> = compare(&expected, &moved)
            .into_iter()
            .map(|difference| (difference.path().to_vec(), difference.fields))
            .collect();
        assert!(
            fields.contains(&(b"c".to_vec(), vec![Field::Links])),
            "{fields:?}"
        );
        let split = group(&[("a", 1), ("b", 3), ("c", 1), ("d", 2), ("e", 2)]);
        assert_eq!(compare(&expected, &split)[0].path(), b"b");
    }
}
