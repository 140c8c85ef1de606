//! Pax extended header records: parsed by length, kept as bytes (POSIX pax, "pax Extended Header").

use std::collections::BTreeMap;

use crate::error::{Error, Result, escape_path};

/// What a record takes beside its bytes, so that empty ones are not for nothing.
const RECORD_BYTES: u64 = 32;

/// GNU sparse 0.0 spells its map as many records of two keywords; here they become the one record
/// of 0.1.
const SPARSE_OFFSET: &[u8] = b"GNU.sparse.offset";
const SPARSE_LENGTH: &[u8] = b"GNU.sparse.numbytes";
const SPARSE_MAP: &[u8] = b"GNU.sparse.map";

/// Keywords and values of one extended header, or of all global ones so far. How many bytes they
/// have is kept, never counted anew: there may be a hundred thousand, and as many headers that add
/// one more.
#[derive(Debug, Default)]
pub(super) struct Records {
    records: BTreeMap<Box<[u8]>, Box<[u8]>>,
    /// Of all.
    bytes: u64,
    /// Of those whose values every entry takes a copy of.
    copied_bytes: u64,
}

impl Records {
    /// Parses a whole extended header: `LENGTH KEYWORD=VALUE\n`, again and again. A value may hold
    /// any byte; where a keyword comes twice the later one counts.
    ///
    /// # Errors
    /// [`Error::BadImage`] for a record that breaks this form, or NUL in a keyword or a name.
    pub(super) fn parse(payload: &[u8]) -> Result<Self> {
        let mut records = Self::default();
        let mut sparse_map: Vec<&[u8]> = Vec::new();
        let mut rest = payload;
        while !rest.is_empty() {
            let (keyword, value);
            (keyword, value, rest) = split_record(rest).ok_or_else(|| {
                Error::bad_image(format!(
                    "expected a pax record ('LENGTH KEYWORD=VALUE' and a newline), found '{}'",
                    escape_path(&rest[..rest.len().min(40)])
                ))
            })?;
            let is_name = matches!(keyword, b"path" | b"linkpath" | b"GNU.sparse.name");
            if keyword.contains(&0) || (is_name && value.contains(&0)) {
                return Err(Error::bad_image(format!(
                    "expected no NUL byte in a name, found one in pax record '{}'",
                    escape_path(keyword)
                )));
            }
            if keyword == SPARSE_OFFSET || keyword == SPARSE_LENGTH {
                // Offset and length take turns; anything else is no map.
                if sparse_map.len().is_multiple_of(2) != (keyword == SPARSE_OFFSET) {
                    return Err(Error::bad_image(
                        "expected GNU.sparse.offset and GNU.sparse.numbytes to take turns in a pax header",
                    ));
                }
                sparse_map.push(value);
            } else {
                records.insert(keyword.into(), value.into());
            }
        }
        if !sparse_map.is_empty() {
            records.insert(SPARSE_MAP.into(), sparse_map.join(&b","[..]).into());
        }
        Ok(records)
    }

    fn insert(&mut self, keyword: Box<[u8]>, value: Box<[u8]>) {
        visits::count();
        let (keyword_bytes, value_bytes) = (keyword.len() as u64, value.len() as u64);
        let is_copied = is_copied(&keyword);
        let before = self.records.insert(keyword, value);
        let (gone, come, record) = match before {
            Some(before) => (before.len() as u64, value_bytes, 0),
            None => (0, keyword_bytes + value_bytes, RECORD_BYTES),
        };
        self.bytes = self.bytes - gone + come;
        if is_copied {
            self.copied_bytes = self.copied_bytes - gone + come + record;
        }
    }

    /// A later global header's records over the earlier ones'.
    pub(super) fn merge(&mut self, later: Self) {
        for (keyword, value) in later.records {
            self.insert(keyword, value);
        }
    }

    pub(super) fn keywords(&self) -> impl Iterator<Item = &[u8]> {
        let keywords = self.records.keys().inspect(|_| visits::count());
        keywords.map(AsRef::as_ref)
    }

    /// How much memory the keywords and values take, roughly.
    pub(super) fn size_bytes(&self) -> u64 {
        self.bytes
    }

    /// How many bytes an entry copies of what stands in a global header.
    pub(super) fn copied_bytes(&self) -> u64 {
        self.copied_bytes
    }

    fn with_prefix<'a>(&'a self, prefix: &'a [u8]) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        self.records
            .range::<[u8], _>((
                std::ops::Bound::Included(prefix),
                std::ops::Bound::Unbounded,
            ))
            .inspect(|_| visits::count())
            .map_while(move |(keyword, value)| Some((keyword.strip_prefix(prefix)?, &**value)))
    }
}

fn split_record(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = bytes.iter().take(20).position(|byte| *byte == b' ')?;
    let length = usize::try_from(super::number::decimal(&bytes[..space])?).ok()?;
    let record = bytes.get(space + 1..length)?.strip_suffix(b"\n")?;
    let equals = record.iter().position(|byte| *byte == b'=')?;
    let (keyword, value) = (&record[..equals], &record[equals + 1..]);
    (!keyword.is_empty()).then_some((keyword, value, &bytes[length..]))
}

/// What extended headers say about one entry: its own header over the global ones.
pub(super) struct Extended<'a> {
    pub(super) own: &'a Records,
    pub(super) global: &'a Records,
}

impl<'a> Extended<'a> {
    /// A keyword's value; an empty one takes back what was said before, so that the tar header's
    /// own field counts.
    pub(super) fn get(&self, keyword: &str) -> Option<&'a [u8]> {
        let keyword = keyword.as_bytes();
        let value = self
            .own
            .records
            .get(keyword)
            .or_else(|| self.global.records.get(keyword))?;
        (!value.is_empty()).then_some(value)
    }

    /// A number that a tar header field may be too small for.
    ///
    /// # Errors
    /// [`Error::BadImage`] for what is no decimal number of at most `max`.
    pub(super) fn number(&self, keyword: &str, max: u64) -> Result<Option<u64>> {
        let Some(value) = self.get(keyword) else {
            return Ok(None);
        };
        match super::number::decimal(value) {
            Some(number) if number <= max => Ok(Some(number)),
            _ => Err(Error::bad_image(format!(
                "expected a decimal number from 0 to {max} in pax record '{keyword}', found '{}'",
                escape_path(&value[..value.len().min(40)])
            ))),
        }
    }

    /// As [`Self::number`], for the 32 bits that owners and device numbers have; where nothing is
    /// said, what the tar header says.
    pub(super) fn number_32(
        &self,
        keyword: &str,
        header: impl FnOnce() -> Result<u32>,
    ) -> Result<u32> {
        let number = self.number(keyword, u32::MAX.into())?;
        let number = number.and_then(|number| u32::try_from(number).ok());
        number.map_or_else(header, Ok)
    }

    /// Whether anything is said about a sparse file.
    pub(super) fn is_sparse(&self) -> bool {
        self.with_prefix("GNU.sparse.").next().is_some()
    }

    /// All keywords that start so, without this start, and their values. An empty value is a value.
    pub(super) fn with_prefix(
        &self,
        prefix: &'a str,
    ) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        let prefix = prefix.as_bytes();
        self.global
            .with_prefix(prefix)
            .chain(self.own.with_prefix(prefix))
    }
}

/// Keywords that say nothing about the files themselves, or nothing that an inode could hold.
const WITHOUT_CONSEQUENCE: [&str; 14] = [
    "comment",
    "charset",
    "atime",
    "ctime",
    "uname",
    "gname",
    "GNU.volume.label",
    "GNU.dumpdir",
    "LIBARCHIVE.creationtime",
    "LIBARCHIVE.symlinktype",
    "SCHILY.dev",
    "SCHILY.ino",
    "SCHILY.nlink",
    "SCHILY.offset",
];

/// Keywords that are acted on, here or where extended attributes are collected.
const KNOWN: [&str; 13] = [
    "path",
    "linkpath",
    "size",
    "uid",
    "gid",
    "mtime",
    "hdrcharset",
    "SCHILY.devmajor",
    "SCHILY.devminor",
    "SCHILY.acl.access",
    "SCHILY.acl.default",
    "SCHILY.fflags",
    "RHT.security.selinux",
];

const KNOWN_PREFIXES: [&str; 4] = [
    "SCHILY.xattr.",
    "LIBARCHIVE.xattr.",
    "GNU.sparse.",
    "MSWINDOWS.",
];

/// Whether an entry takes a copy of a keyword's value.
fn is_copied(keyword: &[u8]) -> bool {
    matches!(keyword, b"path" | b"linkpath" | b"RHT.security.selinux")
        || [&b"SCHILY.xattr."[..], b"SCHILY.acl.", b"LIBARCHIVE.xattr."]
            .iter()
            .any(|prefix| keyword.starts_with(prefix))
}

/// Records looked at, for tests: work must grow with the tar, not with its square.
pub(super) mod visits {
    #[cfg(test)]
    thread_local! {
        static VISITS: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
    }

    pub(super) fn count() {
        #[cfg(test)]
        VISITS.set(VISITS.get() + 1);
    }

    /// How many since it was last asked.
    #[cfg(test)]
    pub(in super::super) fn taken() -> u64 {
        VISITS.take()
    }
}

/// Whether a keyword is understood, or harmless to ignore.
pub(super) fn is_known(keyword: &[u8]) -> bool {
    let is = |known: &&str| known.as_bytes() == keyword;
    KNOWN.iter().any(is)
        || WITHOUT_CONSEQUENCE.iter().any(is)
        || KNOWN_PREFIXES
            .iter()
            .any(|prefix| keyword.starts_with(prefix.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;

    fn extended<'a>(own: &'a Records, global: &'a Records) -> Extended<'a> {
        Extended { own, global }
    }

    #[test]
    fn values_are_taken_by_length_whatever_bytes_they_hold() {
        let payload = testing::records(&[
            ("SCHILY.xattr.a", b""),
            ("path", b"30 mtime=1\n=\n\n"),
            ("mtime", b"1"),
            ("mtime", b"2"),
        ]);
        let records = Records::parse(&payload).unwrap();
        let none = Records::default();
        let extended = extended(&records, &none);
        assert_eq!(extended.get("path"), Some(&b"30 mtime=1\n=\n\n"[..]));
        assert_eq!(extended.get("mtime"), Some(&b"2"[..]));
        let xattrs: Vec<_> = extended.with_prefix("SCHILY.xattr.").collect();
        assert_eq!(xattrs, [(&b"a"[..], &b""[..])]);
    }

    #[test]
    fn the_own_header_overrides_the_global_one_and_an_empty_value_takes_it_back() {
        let records = |records| Records::parse(&testing::records(records)).unwrap();
        let mut global = records(&[("uid", b"11"), ("gid", b"22"), ("mtime", b"3")]);
        global.merge(records(&[("gid", b"33")]));
        let own = records(&[("uid", b"44"), ("mtime", b"")]);
        let extended = extended(&own, &global);
        assert_eq!(extended.get("uid"), Some(&b"44"[..]));
        assert_eq!(extended.get("gid"), Some(&b"33"[..]));
        assert_eq!(extended.get("mtime"), None);
    }

    #[test]
    fn records_that_break_the_form_are_refused() {
        for payload in [
            &b"path=a\n"[..],
            b"9 path=a\n9",
            b"8 path=a\n",
            b"11 path=a\n",
            b"9 path=a ",
            b"9 patha \n",
            b"5 =a\n",
            b"-9 path=a\n",
            b"+9 path=a\n",
            b"0 path=a\n",
            b"1 path=a\n",
            b"99999999999999999999 path=a\n",
            b"9 path=a\n\0\0",
            b"11 path=a\0\n",
            b"11 pa\0th=a\n",
            b"25 GNU.sparse.numbytes=1\n",
        ] {
            assert!(Records::parse(payload).is_err(), "{payload:?}");
        }
    }

    #[test]
    fn numbers_in_records_are_decimal_and_bounded() {
        let none = Records::default();
        let of = |value: &str| {
            let records = Records::parse(&testing::record("uid", value)).unwrap();
            extended(&records, &none).number_32("uid", || Ok(7))
        };
        assert_eq!(of("4294967295").unwrap(), u32::MAX);
        assert_eq!(of("").unwrap(), 7);
        for value in ["4294967296", "-1", "1.0", "ten"] {
            assert!(of(value).is_err(), "{value}");
        }
    }
}
