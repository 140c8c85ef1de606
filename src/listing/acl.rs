//! POSIX ACLs: the form on an ext disk and the form in an extended attribute are two.

/// Tags whose entries carry a user's or group's id (Linux `posix_acl.h`: ACL_USER, ACL_GROUP).
const TAGS_WITH_ID: [u16; 2] = [0x02, 0x08];

/// Tags whose entries on disk are four bytes (ACL_USER_OBJ, ACL_GROUP_OBJ, ACL_MASK, ACL_OTHER).
const TAGS_WITHOUT_ID: [u16; 4] = [0x01, 0x04, 0x10, 0x20];

/// What the kernel gives as the id of an entry that has none.
const UNDEFINED_ID: u32 = u32::MAX;

/// An ACL as `getxattr` returns it (version 2, eight bytes an entry, no stray ids), from that form
/// or from ext's own (version 1, four or eight bytes an entry). `None` where it is neither.
pub(super) fn user_form(value: &[u8]) -> Option<Vec<u8>> {
    let (version, mut rest) = value.split_first_chunk::<4>()?;
    let on_disk = match u32::from_le_bytes(*version) {
        1 => true,
        2 => false,
        _ => return None,
    };
    let mut user_form = 2_u32.to_le_bytes().to_vec();
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

    // setfacl -m u:1000:rw,g:5:r on a file: what debugfs shows and what getfattr shows.
    const ON_DISK: &str =
        "01000000010006000200 0600e8030000040004000800 040005000000100006002000 0400";
    const IN_USER_SPACE: &str = "0200000001000600ffffffff02000600e803000004000400ffffffff080004000500000010000600ffffffff20000400ffffffff";

    fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<_> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
        digits
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
    }

    #[test]
    fn the_form_on_disk_becomes_what_the_kernel_shows() {
        assert_eq!(user_form(&bytes(ON_DISK)), Some(bytes(IN_USER_SPACE)));
    }

    #[test]
    fn stray_ids_in_user_space_form_are_what_the_kernel_would_give_back() {
        let with_zero_ids = IN_USER_SPACE.replace("ffffffff", "00000000");
        assert_eq!(
            user_form(&bytes(&with_zero_ids)),
            Some(bytes(IN_USER_SPACE))
        );
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
            assert_eq!(user_form(&bytes(wrong)), None, "{wrong}");
        }
    }
}
