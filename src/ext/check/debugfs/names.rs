//! Directories as `ls -p` lists them: `/inode/mode/uid/gid/name/size/`, a name being any bytes.

use super::session::{Answer, number};

/// One name in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ListedName {
    pub inode: u32,
    pub is_directory: bool,
    pub name: Box<[u8]>,
}

/// The names in a directory, without `.` and `..`.
///
/// # Errors
/// Why the directory is unreadable; the names so far come along.
pub(super) fn parse(answer: &mut Answer<'_>) -> (Vec<ListedName>, Result<(), String>) {
    let mut names = Vec::new();
    let mut has_dot = false;
    while answer.take(b"/") {
        let Some(entry) = entry(answer) else {
            return (names, Err("debugfs lists a name that is none".to_owned()));
        };
        match &*entry.name {
            b"." => has_dot = true,
            b".." => {}
            // An entry without an inode is free space.
            _ if entry.inode == 0 => {}
            _ => names.push(entry),
        }
    }
    let outcome = has_dot.then_some(()).ok_or("debugfs cannot list it");
    (names, outcome.map_err(str::to_owned))
}

fn entry(answer: &mut Answer<'_>) -> Option<ListedName> {
    let inode = number(answer.take_until(b'/')?)?;
    let mode = std::str::from_utf8(answer.take_until(b'/')?).ok()?;
    let mode = u32::from_str_radix(mode, 8).ok()?;
    for _user_and_group in 0..2 {
        answer.take_until(b'/')?;
    }
    let name = answer.take_until(b'/')?;
    let size = answer.take_until(b'/')?;
    // A slash within a name would stand in the size's place.
    let is_whole = size.iter().all(u8::is_ascii_digit) && answer.take(b"\n");
    let is_name = !name.is_empty() || inode == 0;
    (is_whole && is_name).then(|| ListedName {
        inode,
        is_directory: mode & 0o170_000 == 0o040_000,
        name: name.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_any_bytes_are_taken_by_their_slashes() {
        let listing = b"/2/040755/0/0/.//\n/2/040755/0/0/..//\n/0/000000/0/0//0/\n\
            /12/100644/0/0/a b/3/\n/13/100644/-2/0/x\ndebugfs: ls -p <9>\n/1/\n/14/040755/0/0/\xff//\n\n";
        let mut answer = Answer::new(listing);
        let (names, outcome) = parse(&mut answer);
        assert_eq!(outcome, Ok(()));
        let shown: Vec<_> = names
            .iter()
            .map(|name| (name.inode, name.is_directory, &*name.name))
            .collect();
        assert_eq!(
            shown,
            [
                (12, false, &b"a b"[..]),
                (13, false, b"x\ndebugfs: ls -p <9>\n"),
                (14, true, b"\xff")
            ]
        );
        assert_eq!(answer.line(), Some(&b""[..]));
    }

    #[test]
    fn a_listing_that_is_none_is_unreadable() {
        for wrong in [
            &b""[..],
            b"\n",
            b"/2/040755/0/0/.//\n/12/100644/0/0/a/b/3/\n",
            b"/2/040755/0/0/.//\n/12/100644/0/0/a/3",
            b"/2/040755/0/0/.//\n/12/100644/0/0//3/\n",
        ] {
            assert!(parse(&mut Answer::new(wrong)).1.is_err());
        }
    }
}
