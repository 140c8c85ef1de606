//! POSIX ACLs: the form `setxattr` takes and the form ext keeps.
//!
//! In user space (`linux/posix_acl_xattr.h`): a version of 2 and entries of tag, permissions and
//! id, 8 bytes each. On ext (`fs/ext4/acl.h`): a version of 1, and entries without a named user or
//! group are cut to 4 bytes.

use super::{get_u16, get_u32};

const USER_SPACE_VERSION: u32 = 2;
const ON_DISK_VERSION: u32 = 1;

/// Tags with an id behind them: a named user, a named group.
const TAGS_WITH_ID: [u16; 2] = [0x02, 0x08];
/// Tags without: the owner, the owning group, the mask, everybody else.
const TAGS_WITHOUT_ID: [u16; 4] = [0x01, 0x04, 0x10, 0x20];

/// The on-disk form of a user-space ACL; what is wrong with it otherwise.
///
/// # Errors
/// A sentence about what was expected and found.
pub fn to_on_disk(value: &[u8]) -> Result<Vec<u8>, String> {
    if value.len() < 4 || !(value.len() - 4).is_multiple_of(8) {
        return Err(format!(
            "expected a POSIX ACL of 4 bytes and 8 for each entry, found {} bytes",
            value.len()
        ));
    }
    let version = get_u32(value, 0);
    if version != USER_SPACE_VERSION {
        return Err(format!(
            "expected a POSIX ACL of version 2, found version {version}"
        ));
    }
    expect_valid(value)?;
    let mut on_disk = ON_DISK_VERSION.to_le_bytes().to_vec();
    for entry in value[4..].chunks_exact(8) {
        let tag = get_u16(entry, 0);
        if TAGS_WITH_ID.contains(&tag) {
            on_disk.extend_from_slice(entry);
        } else if TAGS_WITHOUT_ID.contains(&tag) {
            on_disk.extend_from_slice(&entry[..4]);
        } else {
            return Err(format!("expected a tag of a POSIX ACL, found {tag:#x}"));
        }
    }
    Ok(on_disk)
}

/// What the kernel's `posix_acl_valid` asks for; an ACL that fails it would lock a file for
/// everybody.
fn expect_valid(value: &[u8]) -> Result<(), String> {
    let entries: Vec<_> = value[4..]
        .chunks_exact(8)
        .map(|entry| (get_u16(entry, 0), get_u16(entry, 2), get_u32(entry, 4)))
        .collect();
    // The id counts for named users and groups only.
    let order =
        |&(tag, _, id): &(u16, u16, u32)| (tag, if TAGS_WITH_ID.contains(&tag) { id } else { 0 });
    if !entries.is_sorted_by(|one, next| order(one) < order(next)) {
        return Err("expected the entries of a POSIX ACL in ascending order, each once".to_owned());
    }
    if let Some((_, permissions, _)) = entries.iter().find(|(_, permissions, _)| *permissions > 7) {
        return Err(format!(
            "expected permissions of at most 7 in a POSIX ACL, found {permissions}"
        ));
    }
    let has = |wanted: u16| entries.iter().any(|(tag, _, _)| *tag == wanted);
    for (tag, name) in [
        (0x01, "the owner"),
        (0x04, "the owning group"),
        (0x20, "everybody else"),
    ] {
        if !has(tag) {
            return Err(format!(
                "expected an entry for {name} in a POSIX ACL, found none"
            ));
        }
    }
    if TAGS_WITH_ID.into_iter().any(has) && !has(0x10) {
        return Err(
            "expected a mask in a POSIX ACL that names users or groups, found none".to_owned(),
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(tag: u16, permissions: u16, id: u32) -> Vec<u8> {
        [
            &tag.to_le_bytes()[..],
            &permissions.to_le_bytes(),
            &id.to_le_bytes(),
        ]
        .concat()
    }

    fn acl(entries: &[(u16, u16)]) -> Vec<u8> {
        let entries = entries
            .iter()
            .flat_map(|&(tag, permissions)| entry(tag, permissions, 7));
        2_u32.to_le_bytes().into_iter().chain(entries).collect()
    }

    #[test]
    fn entries_without_a_name_lose_their_id_and_the_version_becomes_1() {
        let nobody = u32::MAX;
        let value = [
            2_u32.to_le_bytes().to_vec(),
            entry(0x01, 6, nobody),
            entry(0x02, 4, 1000),
            entry(0x04, 4, nobody),
            entry(0x08, 5, 70_000),
            entry(0x10, 7, nobody),
            entry(0x20, 0, nobody),
        ]
        .concat();
        let expected = [
            vec![1, 0, 0, 0, 1, 0, 6, 0],
            entry(0x02, 4, 1000),
            vec![4, 0, 4, 0],
            entry(0x08, 5, 70_000),
            vec![0x10, 0, 7, 0, 0x20, 0, 0, 0],
        ]
        .concat();
        assert_eq!(expected.len(), 36);
        assert_eq!(to_on_disk(&value), Ok(expected));
    }

    #[test]
    fn malformed_acls_are_refused_with_what_was_found() {
        for (value, found) in [
            (vec![], "found 0 bytes"),
            (vec![2, 0, 0, 0, 1], "found 5 bytes"),
            (vec![1, 0, 0, 0], "found version 1"),
            (acl(&[(1, 6), (3, 0), (4, 4), (0x20, 4)]), "found 0x3"),
            (acl(&[(1, 6), (4, 4)]), "everybody else"),
            (acl(&[(1, 6), (2, 4), (4, 4), (0x20, 4)]), "a mask"),
            (acl(&[(4, 6), (1, 4), (0x20, 4)]), "ascending"),
            (acl(&[(1, 6), (1, 6), (4, 4), (0x20, 4)]), "ascending"),
            (acl(&[(1, 9), (4, 4), (0x20, 4)]), "found 9"),
        ] {
            let error = to_on_disk(&value).unwrap_err();
            assert!(error.contains(found), "{error}");
        }
    }
}
