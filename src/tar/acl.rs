//! POSIX ACLs: from the text of `SCHILY.acl.access` and `.default` to the form `getxattr` gives.

/// The form's version (kernel, `include/uapi/linux/posix_acl_xattr.h`).
const VERSION: u32 = 2;
/// The id of entries that have none.
const UNDEFINED_ID: u32 = u32::MAX;

/// Gives an access ACL of [`Acl::to_xattr`]'s form these permission bits, as `chmod` does: the group's
/// are the mask's where there is one. What is no such ACL stays as it is.
pub(super) fn set_permissions(value: &mut [u8], mode: u16) {
    let Some((version, entries)) = value.split_first_chunk_mut::<4>() else {
        return;
    };
    if u32::from_le_bytes(*version) != VERSION {
        return;
    }
    let tag_of = |entry: &[u8]| u16::from_le_bytes([entry[0], entry[1]]);
    let has_mask = entries
        .chunks_exact(8)
        .any(|entry| tag_of(entry) == Tag::Mask as u16);
    let group = match has_mask {
        true => Tag::Mask,
        false => Tag::OwningGroup,
    };
    for entry in entries.chunks_exact_mut(8) {
        let tag = tag_of(entry);
        for (of, shift) in [(Tag::Owner, 6), (group, 3), (Tag::Other, 0)] {
            if tag == of as u16 {
                entry[2..4].copy_from_slice(&(mode >> shift & 7).to_le_bytes());
            }
        }
    }
}

/// In the order in which the kernel wants them; the number is the entry's tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u16)]
enum Tag {
    Owner = 0x01,
    User = 0x02,
    OwningGroup = 0x04,
    Group = 0x08,
    Mask = 0x10,
    Other = 0x20,
}

/// One ACL, ordered and without duplicates.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Acl(Vec<(Tag, u32, u16)>);

impl Acl {
    /// Reads the long or short text form (`user::rwx,user:1000:r-x,g::r-x,…`) with an optional
    /// fourth field, the number behind a name, as star and libarchive write it.
    ///
    /// `None` for what names an owner without a number, and for what the kernel would not accept.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        let mut entries = Vec::new();
        for line in text.split([',', '\n']) {
            // `#effective:` remarks of getfacl.
            let entry = line.split('#').next().unwrap_or_default().trim();
            if !entry.is_empty() {
                entries.push(parse_entry(entry)?);
            }
        }
        entries.sort_unstable();
        let count = |wanted| entries.iter().filter(|(tag, ..)| *tag == wanted).count();
        let needs_mask = count(Tag::User) + count(Tag::Group) > 0;
        let whole = [Tag::Owner, Tag::OwningGroup, Tag::Other]
            .into_iter()
            .all(|tag| count(tag) == 1)
            && (usize::from(needs_mask)..=1).contains(&count(Tag::Mask));
        let unique = entries
            .windows(2)
            .all(|pair| (pair[0].0, pair[0].1) != (pair[1].0, pair[1].1));
        (whole && unique).then_some(Self(entries))
    }

    /// The permission bits of a file that has this as access ACL; the group's are the mask where
    /// there is one, as the kernel shows it.
    pub(super) fn permissions(&self) -> u16 {
        let of = |wanted| {
            let entry = self.0.iter().find(|(tag, ..)| *tag == wanted);
            entry.map(|(.., permissions)| *permissions)
        };
        let group = of(Tag::Mask).or_else(|| of(Tag::OwningGroup));
        [of(Tag::Owner), group, of(Tag::Other)]
            .into_iter()
            .fold(0, |bits, permissions| bits << 3 | permissions.unwrap_or(0))
    }

    /// Whether it says no more than permission bits can.
    pub(super) fn is_minimal(&self) -> bool {
        self.0.len() == 3
    }

    /// The value of `system.posix_acl_access` or `system.posix_acl_default`.
    pub(super) fn to_xattr(&self) -> Vec<u8> {
        let mut value = VERSION.to_le_bytes().to_vec();
        for (tag, id, permissions) in &self.0 {
            value.extend_from_slice(&(*tag as u16).to_le_bytes());
            value.extend_from_slice(&permissions.to_le_bytes());
            value.extend_from_slice(&id.to_le_bytes());
        }
        value
    }
}

fn parse_entry(entry: &str) -> Option<(Tag, u32, u16)> {
    let fields: Vec<_> = entry.split(':').map(str::trim).collect();
    let (tag, qualifier, permissions, number) = match fields[..] {
        [tag, permissions] => (tag, "", permissions, None),
        [tag, qualifier, permissions] => (tag, qualifier, permissions, None),
        [tag, qualifier, permissions, number] => (tag, qualifier, permissions, Some(number)),
        _ => return None,
    };
    let tag = match (tag, qualifier.is_empty()) {
        ("user" | "u", true) => Tag::Owner,
        ("user" | "u", false) => Tag::User,
        ("group" | "g", true) => Tag::OwningGroup,
        ("group" | "g", false) => Tag::Group,
        ("mask" | "m", true) => Tag::Mask,
        ("other" | "o", true) => Tag::Other,
        _ => return None,
    };
    let id = match tag {
        Tag::User | Tag::Group => {
            let id = number.unwrap_or(qualifier).parse().ok()?;
            (id != UNDEFINED_ID).then_some(id)?
        }
        _ => UNDEFINED_ID,
    };
    Some((tag, id, parse_permissions(permissions)?))
}

fn parse_permissions(text: &str) -> Option<u16> {
    let mut permissions = 0;
    for letter in text.chars() {
        permissions |= match letter {
            'r' => 4,
            'w' => 2,
            'x' => 1,
            '-' => 0,
            _ => return None,
        };
    }
    Some(permissions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_acl_text_becomes_what_getxattr_returns() {
        // setfacl -m u:1000:rw,g:7:x f; getfattr -e hex -n system.posix_acl_access f
        let expected = [
            &[2, 0, 0, 0][..],
            &[1, 0, 6, 0, 255, 255, 255, 255],
            &[2, 0, 6, 0, 0xe8, 3, 0, 0],
            &[4, 0, 4, 0, 255, 255, 255, 255],
            &[8, 0, 1, 0, 7, 0, 0, 0],
            &[16, 0, 7, 0, 255, 255, 255, 255],
            &[32, 0, 4, 0, 255, 255, 255, 255],
        ]
        .concat();
        for text in [
            "user::rw-,user:1000:rw-,group::r--,group:7:--x,mask::rwx,other::r--",
            "user::rw-\nuser:1000:rw-\t#effective:rw-\ngroup::r--\ngroup:7:--x\nmask::rwx\nother::r--\n",
            "o:r,m:rwx,g:bin:x:7,u:lisa:rw-:1000,g::r--,u::rw",
        ] {
            assert_eq!(
                Acl::parse(text.as_bytes()).unwrap().to_xattr(),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn permission_bits_follow_the_acl_as_the_kernel_has_it() {
        let acl = Acl::parse(b"user::rwx,group::r-x,other::--x").unwrap();
        assert_eq!((acl.permissions(), acl.is_minimal()), (0o751, true));
        let acl = Acl::parse(b"user::rw-,user:1:r--,group::--x,mask::rwx,other::---").unwrap();
        assert_eq!((acl.permissions(), acl.is_minimal()), (0o670, false));
    }

    #[test]
    fn what_the_kernel_would_refuse_or_nobody_can_number_is_not_taken() {
        for text in [
            "",
            "user::rwx,group::r-x",
            "user::rwx,user::r-x,group::r-x,other::r-x",
            "user::rwx,user:1:r-x,group::r-x,other::r-x",
            "user::rwx,user:1:r-x,user:1:r-x,group::r-x,mask::r-x,other::r-x",
            "user::rwx,user:lisa:r-x,group::r-x,mask::r-x,other::r-x",
            "user::rwx,user:4294967295:r-x,group::r-x,mask::r-x,other::r-x",
            "user::rwz,group::r-x,other::r-x",
            "user:rwx,group::r-x,other:1:r-x",
            "everyone@:rwx:allow",
        ] {
            assert_eq!(Acl::parse(text.as_bytes()), None, "{text}");
        }
    }
}
