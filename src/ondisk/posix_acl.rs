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

/// What the kernel gives as the id of an entry that has none.
const UNDEFINED_ID: u32 = u32::MAX;

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

/// An ACL as `getxattr` returns it (version 2, eight bytes an entry, no stray ids), from that form
/// or from ext's own (version 1, four or eight bytes an entry). `None` where it is neither.
pub fn to_user_space(value: &[u8]) -> Option<Vec<u8>> {
    let (version, mut rest) = value.split_first_chunk::<4>()?;
    let on_disk = match u32::from_le_bytes(*version) {
        ON_DISK_VERSION => true,
        USER_SPACE_VERSION => false,
        _ => return None,
    };
    let mut user_form = USER_SPACE_VERSION.to_le_bytes().to_vec();
    while !rest.is_empty() {
        let (tag, after) = rest.split_first_chunk::<2>()?;
        let (permissions, after) = after.split_first_chunk::<2>()?;
        let tag_number = u16::from_le_bytes(*tag);
        let has_id = TAGS_WITH_ID.contains(&tag_number);
        if !has_id && !TAGS_WITHOUT_ID.contains(&tag_number) {
            return None;
        }
        let mut id = UNDEFINED_ID;
        rest = after;
        if has_id || !on_disk {
            let (stored, after) = after.split_first_chunk::<4>()?;
            rest = after;
            if has_id {
                id = u32::from_le_bytes(*stored);
            }
        }
        user_form.extend_from_slice(tag);
        user_form.extend_from_slice(permissions);
        user_form.extend_from_slice(&id.to_le_bytes());
    }
    Some(user_form)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::parse_hex;

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

    // setfacl -m u:1000:rw,g:5:r on a file: what debugfs shows and what getfattr shows.
    const ON_DISK: &str =
        "01000000010006000200 0600e8030000040004000800 040005000000100006002000 0400";
    const IN_USER_SPACE: &str = "0200000001000600ffffffff02000600e803000004000400ffffffff080004000500000010000600ffffffff20000400ffffffff";

    fn bytes(hex: &str) -> Vec<u8> {
        parse_hex(hex.replace(' ', "").as_bytes()).unwrap()
    }

    #[test]
    fn the_form_on_disk_and_stray_ids_become_what_the_kernel_shows() {
        let with_stray_ids = IN_USER_SPACE.replace("ffffffff", "00000000");
        for form in [ON_DISK, &with_stray_ids] {
            assert_eq!(to_user_space(&bytes(form)), Some(bytes(IN_USER_SPACE)));
        }
    }

    #[test]
    fn what_is_no_acl_stays_as_it_is() {
        for wrong in [
            "",
            "010000",
            "03000000",
            "0100000001",
            "0100000002000600e803",
            "0200000001000600",
            "0100000003000600",
        ] {
            assert_eq!(to_user_space(&bytes(wrong)), None, "{wrong}");
        }
    }
}
