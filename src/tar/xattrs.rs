//! Extended attributes out of pax records.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};

use super::acl::{self, Acl};
use super::entry::Xattr;
use super::pax::Extended;
use crate::error::{Error, Result, escape_path};
use crate::limits::Limits;
use crate::units::parse_hex;
use crate::warnings::Warnings;

/// Base64 (RFC 4648), with or without the `=` at its end: libarchive leaves it out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

const ACCESS: &str = "system.posix_acl_access";

/// Lets the access ACL among them, if there is one, say what a mode says that is given anew.
pub fn set_permissions(xattrs: &mut [Xattr], mode: u16) {
    let found = xattrs.iter_mut();
    for xattr in found.filter(|xattr| *xattr.name == *ACCESS.as_bytes()) {
        acl::set_permissions(&mut xattr.value, mode);
    }
}

/// Collects one entry's extended attributes, sorted by name; an ACL in text form also sets the
/// permission bits of `mode`.
///
/// The same attribute may stand in several forms; the plainest wins: `SCHILY.xattr.` (GNU tar,
/// star, bsdtar, Go: the raw value) over `RHT.security.selinux` and `SCHILY.acl.` (GNU tar, as
/// text) over `LIBARCHIVE.xattr.` (bsdtar: base64 under a percent-encoded name).
pub(super) fn collect(
    extended: &Extended<'_>,
    mode: &mut u16,
    path: &[u8],
    limits: &Limits,
    warnings: &mut Warnings,
) -> Result<Box<[Xattr]>> {
    let mut found: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
    let mut libarchives = BTreeSet::new();
    for (name, value) in extended.with_prefix("LIBARCHIVE.xattr.") {
        libarchives.insert(name);
        let value = BASE64.decode(value).map_err(|_| {
            Error::bad_image(format!(
                "expected base64 as value of extended attribute '{}', found something else",
                escape_path(name)
            ))
        })?;
        found.insert(percent(name, |_| true), value);
    }
    for (keyword, name) in [
        ("SCHILY.acl.access", ACCESS),
        ("SCHILY.acl.default", "system.posix_acl_default"),
    ] {
        let Some(text) = extended.get(keyword) else {
            continue;
        };
        let Some(acl) = Acl::parse(text) else {
            // GNU tar with --acls and --xattrs writes it in both forms: the other has the numbers.
            if has_binary_form(name, &found, extended) {
                continue;
            }
            warnings.count(
                "ACL not kept: it names owners without their numbers, or is not valid",
                path,
            );
            continue;
        };
        if name == ACCESS {
            // What the kernel does when it is set; libarchive leaves the mask out of the mode.
            *mode = *mode & !0o777 | acl.permissions();
            if acl.is_minimal() {
                continue;
            }
        }
        found.insert(name.into(), acl.to_xattr());
    }
    if let Some(context) = extended.get("RHT.security.selinux") {
        // The attribute's value ends in a NUL, the record's does not.
        found.insert(b"security.selinux".into(), [context, b"\0"].concat());
    }
    for (name, value) in extended.with_prefix("SCHILY.xattr.") {
        // A keyword cannot hold '='; GNU tar writes %3D for it, and %25 for '%'. libarchive writes
        // more of them so, and has the same name in a record of its own.
        let is_libarchives = libarchives.contains(name);
        let name = percent(name, |byte| is_libarchives || byte == b'=' || byte == b'%');
        found.insert(name, value.to_vec());
    }
    let mut bytes = 0;
    for (name, value) in &found {
        if name.is_empty() || name.contains(&0) {
            return Err(Error::bad_image(format!(
                "expected the name of an extended attribute, found '{}'",
                escape_path(name)
            )));
        }
        bytes += (name.len() + value.len()) as u64;
    }
    if bytes > limits.max_xattr_bytes {
        return Err(Error::bad_image(format!(
            "expected at most {} bytes of extended attributes for one entry, found {bytes} (--max-xattr-bytes raises the limit)",
            limits.max_xattr_bytes
        )));
    }
    Ok(found
        .into_iter()
        .map(|(name, value)| Xattr {
            name: name.into(),
            value: value.into(),
        })
        .collect())
}

/// Whether an ACL is among the records, or what was found before, as an extended attribute.
fn has_binary_form(
    name: &str,
    found: &BTreeMap<Vec<u8>, Vec<u8>>,
    extended: &Extended<'_>,
) -> bool {
    let mut raw = extended.with_prefix("SCHILY.xattr.");
    found.contains_key(name.as_bytes()) || raw.any(|(raw, _)| raw == name.as_bytes())
}

/// Turns those `%XX` back for which `accept` holds; what else there is stays as it stands.
fn percent(text: &[u8], accept: impl Fn(u8) -> bool) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        let decoded = (*first == b'%')
            .then(|| parse_hex(after.get(..2)?)?.pop())
            .flatten()
            .filter(|byte| accept(*byte));
        match decoded {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::super::pax::Records;
    use super::super::testing;
    use super::*;

    type Found = Vec<(String, Vec<u8>)>;

    fn collect_with(records: &[(&str, &[u8])], limits: &Limits) -> (Result<Found>, Warnings) {
        let own = Records::parse(&testing::records(records)).unwrap();
        let global = Records::default();
        let extended = Extended {
            own: &own,
            global: &global,
        };
        let mut warnings = Warnings::default();
        let found = collect(&extended, &mut 0o4640, b"f", limits, &mut warnings).map(|xattrs| {
            xattrs
                .into_iter()
                .map(|xattr| {
                    (
                        String::from_utf8(xattr.name.to_vec()).unwrap(),
                        xattr.value.to_vec(),
                    )
                })
                .collect()
        });
        (found, warnings)
    }

    fn collected(records: &[(&str, &[u8])]) -> Found {
        let (found, warnings) = collect_with(records, &Limits::default());
        assert_eq!(warnings, Warnings::default());
        found.unwrap()
    }

    #[test]
    fn base64_is_decoded_with_and_without_its_padding() {
        for (text, bytes) in [
            (&b""[..], &b""[..]),
            (b"Zg==", b"f"),
            (b"Zg", b"f"),
            (b"Zm8=", b"fo"),
            (b"Zm8", b"fo"),
            (b"Zm9v", b"foo"),
            (b"AAECAwQF/+8=", b"\0\x01\x02\x03\x04\x05\xff\xef"),
        ] {
            assert_eq!(BASE64.decode(text).as_deref(), Ok(bytes), "{text:?}");
        }
        for text in [&b"Z"[..], b"Zm9vY", b"Zm9v====", b"Z=9v", b"Zm 9", b"Zm-_"] {
            assert!(BASE64.decode(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn only_whole_and_accepted_escapes_are_turned_back() {
        assert_eq!(
            percent(b"a%3Db%25%3d%20%", |byte| byte != b' '),
            b"a=b%=%20%"
        );
        assert_eq!(percent(b"%zz%+1%4", |_| true), b"%zz%+1%4");
    }

    #[test]
    fn every_spelling_of_an_attribute_is_read_and_the_raw_one_wins() {
        let found = collected(&[
            ("SCHILY.xattr.user.b", b"raw\n\0="),
            ("LIBARCHIVE.xattr.user.b", b"b3RoZXI"),
            ("LIBARCHIVE.xattr.user.%41", b"AAE="),
            ("SCHILY.xattr.user.c%3Dd%25%20", b""),
            ("RHT.security.selinux", b"u:r:t"),
        ]);
        let expected = [
            ("security.selinux", &b"u:r:t\0"[..]),
            ("user.A", b"\0\x01"),
            ("user.b", b"raw\n\0="),
            ("user.c=d%%20", b""),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_vec()));
        assert_eq!(found, expected);
    }

    // A bug: bsdtar writes an attribute in both spellings, the name percent-encoded in both, and the
    // second was read as another attribute of that name. Found by packing a tree with it.
    #[test]
    fn an_attribute_that_libarchive_writes_twice_is_one() {
        let found = collected(&[
            ("LIBARCHIVE.xattr.user.a%20b%C3%BC%3D%2520", b"YQ"),
            ("SCHILY.xattr.user.a%20b%C3%BC%3D%2520", b"a"),
            // Without the other spelling it is GNU tar's or Go's, who leave a blank as it is.
            ("SCHILY.xattr.user.c%20", b"b"),
        ]);
        let expected = [("user.a b\u{fc}=%20", &b"a"[..]), ("user.c%20", b"b")];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_vec()));
        assert_eq!(found, expected);
    }

    #[test]
    fn an_acl_sets_the_permission_bits_and_a_minimal_one_does_nothing_else() {
        for (text, mode, xattrs) in [
            (&b"user::rwx,group::r--,other::--x"[..], 0o4741, 0),
            (
                b"user::rw-,user:1:r--,group::---,mask::rwx,other::---",
                0o4670,
                1,
            ),
        ] {
            let own = Records::parse(&testing::record("SCHILY.acl.access", text)).unwrap();
            let global = Records::default();
            let extended = Extended {
                own: &own,
                global: &global,
            };
            let mut found_mode = 0o4600;
            let (limits, mut warnings) = (Limits::default(), Warnings::default());
            let found = collect(&extended, &mut found_mode, b"f", &limits, &mut warnings).unwrap();
            assert_eq!((found_mode, found.len()), (mode, xattrs));
        }
        let minimal = b"user::rw-,group::r--,other::---";
        assert_eq!(collected(&[("SCHILY.acl.default", minimal)]).len(), 1);
    }

    // A bug: GNU tar with --acls and --xattrs writes both forms, and the text, which has names only,
    // was told as not kept although the other was. Found by packing a tree as people do.
    #[test]
    fn an_acl_in_two_forms_is_kept_by_the_one_with_numbers_and_not_told() {
        let names_only = b"user::rw-,user:lisa:rw-,group::r--,mask::rw-,other::r--";
        let binary = b"\x02\0\0\0and so on";
        for keyword in [
            "SCHILY.xattr.system.posix_acl_access",
            "LIBARCHIVE.xattr.system.posix_acl_access",
        ] {
            let value: &[u8] = match keyword.starts_with("SCHILY") {
                true => binary,
                false => b"AgAAAGFuZCBzbyBvbg",
            };
            let found = collected(&[("SCHILY.acl.access", names_only), (keyword, value)]);
            assert_eq!(found, [(ACCESS.to_owned(), binary.to_vec())], "{keyword}");
        }
        // Another attribute is no other form of it.
        let records: [(&str, &[u8]); 2] = [
            ("SCHILY.acl.access", names_only),
            ("SCHILY.xattr.system.posix_acl_default", binary),
        ];
        let (_, warnings) = collect_with(&records, &Limits::default());
        assert_ne!(warnings, Warnings::default());
    }

    #[test]
    fn an_acl_that_cannot_be_kept_is_counted() {
        for (keyword, text) in [
            (
                "SCHILY.acl.access",
                &b"user::rw-,user:lisa:rw-,group::r--,mask::rw-,other::---"[..],
            ),
            ("SCHILY.acl.default", b"nonsense"),
        ] {
            let (found, warnings) = collect_with(&[(keyword, text)], &Limits::default());
            assert_eq!(found.unwrap(), []);
            assert_eq!(warnings.lines().count(), 1);
        }
    }

    #[test]
    fn names_that_are_none_bad_base64_and_too_many_bytes_are_refused() {
        let limits = Limits {
            max_xattr_bytes: 16,
            ..Limits::default()
        };
        for (keyword, value) in [
            ("SCHILY.xattr.", &b"x"[..]),
            ("LIBARCHIVE.xattr.user.%00", b""),
            ("LIBARCHIVE.xattr.user.a", b"*"),
            ("SCHILY.xattr.user.aa", b"1234567890"),
        ] {
            assert!(
                collect_with(&[(keyword, value)], &limits).0.is_err(),
                "{keyword}"
            );
        }
        let fits: &[(&str, &[u8])] = &[("SCHILY.xattr.user.aa", b"123456789")];
        let (found, _) = collect_with(
            fits,
            &Limits {
                max_xattr_bytes: 15,
                ..limits.clone()
            },
        );
        let error = found.unwrap_err().to_string();
        assert!(error.contains("--max-xattr-bytes"), "{error}");
        assert!(collect_with(fits, &limits).0.is_ok());
    }
}
