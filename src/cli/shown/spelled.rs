//! Extended attributes whose values mean something, in the words of those who set them.

use crate::listing::Attribute;

/// Names of capabilities by their numbers (`linux/capability.h`).
const CAPABILITIES: [&str; 41] = [
    "chown",
    "dac_override",
    "dac_read_search",
    "fowner",
    "fsetid",
    "kill",
    "setgid",
    "setuid",
    "setpcap",
    "linux_immutable",
    "net_bind_service",
    "net_broadcast",
    "net_admin",
    "net_raw",
    "ipc_lock",
    "ipc_owner",
    "sys_module",
    "sys_rawio",
    "sys_chroot",
    "sys_ptrace",
    "sys_pacct",
    "sys_admin",
    "sys_boot",
    "sys_nice",
    "sys_resource",
    "sys_time",
    "sys_tty_config",
    "mknod",
    "lease",
    "audit_write",
    "audit_control",
    "setfcap",
    "mac_override",
    "mac_admin",
    "syslog",
    "wake_alarm",
    "block_suspend",
    "audit_read",
    "perfmon",
    "bpf",
    "checkpoint_restore",
];

/// A value as getcap or, in its short form, getfacl spells it; `None` for any other attribute and for
/// a value that is not in their forms.
pub fn spelled(attribute: &Attribute) -> Option<String> {
    match &*attribute.name {
        b"security.capability" => capabilities(&attribute.value),
        b"system.posix_acl_access" | b"system.posix_acl_default" => acl(&attribute.value),
        _ => None,
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_le_bytes(*bytes))
}

/// `cap_net_raw=ep` (`struct vfs_cap_data` and `vfs_ns_cap_data` of `linux/capability.h`): those with
/// the same flags together.
fn capabilities(value: &[u8]) -> Option<String> {
    let head = word(value, 0)?;
    let (words, length) = match head >> 24 {
        1 => (1, 12),
        2 => (2, 20),
        3 => (2, 24),
        _ => return None,
    };
    if value.len() != length {
        return None;
    }
    let (mut permitted, mut inheritable) = (0_u64, 0_u64);
    for index in 0..words {
        permitted |= u64::from(word(value, 4 + 8 * index)?) << (32 * index);
        inheritable |= u64::from(word(value, 8 + 8 * index)?) << (32 * index);
    }
    let is_effective = head & 1 != 0;
    let mut groups: Vec<(String, Vec<String>)> = Vec::new();
    for number in 0..64 {
        let has = |set: u64| set >> number & 1 != 0;
        if !has(permitted) && !has(inheritable) {
            continue;
        }
        // As libcap writes it: effective, inheritable, permitted.
        let mut flags = String::new();
        flags.extend(is_effective.then_some('e'));
        flags.extend(has(inheritable).then_some('i'));
        flags.extend(has(permitted).then_some('p'));
        let name = match CAPABILITIES.get(number) {
            Some(name) => format!("cap_{name}"),
            None => number.to_string(),
        };
        match groups.iter_mut().find(|(known, _)| *known == flags) {
            Some((_, names)) => names.push(name),
            None => groups.push((flags, vec![name])),
        }
    }
    let texts: Vec<_> = groups
        .iter()
        .map(|(flags, names)| format!("{}={flags}", names.join(",")))
        .collect();
    let mut text = match texts.is_empty() {
        true => "=".to_owned(),
        false => texts.join(" "),
    };
    if length == 24 {
        text.push_str(&format!(" [rootid={}]", word(value, 20)?));
    }
    Some(text)
}

/// `u::rw-,u:1000:r--,g::r--,m::r--,o::r--` (`linux/posix_acl_xattr.h`), as `getfacl -c` with
/// `setfacl -m`'s short names.
fn acl(value: &[u8]) -> Option<String> {
    if word(value, 0)? != 2 || !(value.len() - 4).is_multiple_of(8) {
        return None;
    }
    let entries = value[4..].chunks_exact(8).map(|entry| {
        let (tag, permissions) = (word(entry, 0)? & 0xffff, word(entry, 0)? >> 16);
        let id = word(entry, 4)?;
        let who = match tag {
            0x01 => "u:".to_owned(),
            0x02 => format!("u:{id}"),
            0x04 => "g:".to_owned(),
            0x08 => format!("g:{id}"),
            0x10 => "m:".to_owned(),
            0x20 => "o:".to_owned(),
            _ => return None,
        };
        let letter = |bit: u32, letter: char| if permissions & bit != 0 { letter } else { '-' };
        let letters: String = [letter(4, 'r'), letter(2, 'w'), letter(1, 'x')]
            .iter()
            .collect();
        (permissions < 8).then(|| format!("{who}:{letters}"))
    });
    let entries: Option<Vec<_>> = entries.collect();
    entries.map(|entries| entries.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &[u8], value: &[u8]) -> Option<String> {
        spelled(&Attribute::new(name, value))
    }

    #[test]
    fn capabilities_are_spelled_as_getcap_does() {
        let caps = |head: u32, words: &[u32]| {
            let words = [&[head], words].concat();
            let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
            of(b"security.capability", &bytes)
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(
            caps(0x0200_0001, &[1 << 13, 0, 0, 0]),
            some("cap_net_raw=ep")
        );
        assert_eq!(caps(0x0100_0001, &[1 << 13, 0]), some("cap_net_raw=ep"));
        assert_eq!(
            caps(0x0200_0000, &[1 << 10 | 1 << 12, 1, 1 << 7, 0]),
            some("cap_chown=i cap_net_bind_service,cap_net_admin,cap_bpf=p")
        );
        assert_eq!(
            caps(0x0300_0001, &[0, 0, 1 << 31, 0, 100_000]),
            some("63=ep [rootid=100000]")
        );
        assert_eq!(caps(0x0200_0000, &[0; 4]), some("="));
        // What is none is shown as it stands.
        assert_eq!(caps(0x0400_0000, &[0; 4]), None);
        assert_eq!(caps(0x0200_0000, &[0; 3]), None);
        assert_eq!(of(b"security.capability", b""), None);
        assert_eq!(of(b"user.capability", &[0; 20]), None);
    }

    #[test]
    fn acls_are_spelled_in_the_short_form() {
        let acl = |entries: &[(u16, u16, u32)]| {
            let mut value = 2_u32.to_le_bytes().to_vec();
            for (tag, permissions, id) in entries {
                value.extend(tag.to_le_bytes());
                value.extend(permissions.to_le_bytes());
                value.extend(id.to_le_bytes());
            }
            of(b"system.posix_acl_access", &value)
        };
        let none = u32::MAX;
        let entries = [
            (1, 7, none),
            (2, 4, 1000),
            (4, 5, none),
            (8, 6, 7),
            (0x10, 5, none),
            (0x20, 0, none),
        ];
        let text = "u::rwx,u:1000:r--,g::r-x,g:7:rw-,m::r-x,o::---";
        assert_eq!(acl(&entries).as_deref(), Some(text));
        assert_eq!(acl(&[(3, 7, none)]), None);
        assert_eq!(acl(&[(1, 8, none)]), None);
        assert_eq!(of(b"system.posix_acl_access", &[2, 0, 0, 0, 1]), None);
    }
}
