//! The walk over all directories, level by level, by inode number.

use std::collections::BTreeSet;

use super::names::{self, ListedName};
use super::session::{AnswerLimits, LOST, Session};
use crate::error::Result;
use crate::ext::check::seen::Problem;
use crate::listing::join;
use crate::progress::Reporter;
use crate::units::InodeNumber;

/// What `ls -p` prints of one name at most, generously.
const BYTES_PER_NAME: u64 = 320;

/// All names, in no order, and what could not be listed.
#[derive(Debug, Default)]
pub(super) struct Walked {
    pub names: Vec<(Box<[u8]>, InodeNumber)>,
    pub unlisted: Vec<Box<[u8]>>,
    pub problems: Vec<Problem>,
}

impl Walked {
    fn leave_unlisted(&mut self, directory: Box<[u8]>, why: String) {
        self.problems.push(Problem::new(&directory, why));
        self.unlisted.push(directory);
    }
}

pub(super) fn walk(
    session: &Session<'_>,
    max_names: u64,
    reporter: &dyn Reporter,
) -> Result<Walked> {
    let root: Box<[u8]> = Box::default();
    let mut walked = Walked {
        names: vec![(root.clone(), InodeNumber::ROOT)],
        ..Walked::default()
    };
    let mut met = BTreeSet::from([InodeNumber::ROOT]);
    let mut level = vec![(root, InodeNumber::ROOT)];
    while !level.is_empty() {
        let inodes: Vec<_> = level.iter().map(|(_, inode)| *inode).collect();
        let listed = list(session, &inodes, max_names, reporter)?;
        let mut below = Vec::new();
        for ((directory, _), (names, outcome)) in level.into_iter().zip(listed) {
            for entry in names {
                let path: Box<[u8]> = join(&directory, &entry.name).into();
                let inode = InodeNumber(entry.inode);
                if entry.is_directory {
                    if met.insert(inode) {
                        below.push((path.clone(), inode));
                    } else {
                        let why = format!("directory inode {inode} has another name already");
                        walked.leave_unlisted(path.clone(), why);
                    }
                }
                walked.names.push((path, inode));
            }
            if let Err(why) = outcome {
                walked.leave_unlisted(directory, why);
            }
        }
        if walked.names.len() as u64 > max_names {
            for (directory, _) in std::mem::take(&mut below) {
                walked.leave_unlisted(directory, format!("more than {max_names} names"));
            }
        }
        level = below;
    }
    Ok(walked)
}

/// What names there are, and whether those are all.
type Listed = (Vec<ListedName>, Result<(), String>);

/// Lists directories. Where debugfs complains, which directory it means cannot be told: the batch is
/// halved until the complaint has one directory to belong to.
fn list(
    session: &Session<'_>,
    directories: &[InodeNumber],
    max_names: u64,
    reporter: &dyn Reporter,
) -> Result<Vec<Listed>> {
    let commands: Vec<_> = directories
        .iter()
        .map(|inode| format!("ls -p <{inode}>").into_bytes())
        .collect();
    let limit_bytes = max_names
        .saturating_mul(BYTES_PER_NAME)
        .clamp(1 << 20, 4 << 30);
    let limits = AnswerLimits {
        run_bytes: limit_bytes,
        // As many names again, should directories share their blocks.
        total_bytes: limit_bytes.saturating_add(commands.len() as u64 * BYTES_PER_NAME),
    };
    let answers = session.ask(&commands, limits, reporter, names::parse)?;
    if !answers.complaints.is_empty() && directories.len() > 1 {
        let (first, second) = directories.split_at(directories.len() / 2);
        let mut listed = list(session, first, max_names, reporter)?;
        listed.extend(list(session, second, max_names, reporter)?);
        return Ok(listed);
    }
    let complaint = answers.complaints.lines().next();
    // It puts the first argument before its words, where others put their name.
    let complaint = complaint.map(|line| line.strip_prefix("-p: ").unwrap_or(line).to_owned());
    let listed = answers.by_command.into_iter().map(|answer| match answer {
        Some((names, outcome)) => (names, complaint.clone().map_or(outcome, Err)),
        None => (Vec::new(), Err(LOST.to_owned())),
    });
    Ok(listed.collect())
}
