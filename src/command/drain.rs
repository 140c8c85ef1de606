//! A program's two outputs, read side by side.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{ChildStderr, ChildStdout, Stdio};
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{MemfdFlags, memfd_create};

/// What came of a program's two outputs.
pub(super) struct Drained {
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
    /// Whether there was more of one of them than the limit.
    pub is_over: bool,
}

/// One output and what has come of it; the pipe is closed at its end.
struct Pipe {
    file: Option<File>,
    bytes: Vec<u8>,
}

impl Pipe {
    fn new(fd: Option<OwnedFd>) -> Self {
        Self {
            file: fd.map(File::from),
            bytes: Vec::new(),
        }
    }

    /// Takes what is there, once the pipe has something to tell. Says whether it is more than the limit.
    fn take(&mut self, limit_bytes: u64) -> io::Result<bool> {
        let Some(file) = &mut self.file else {
            return Ok(false);
        };
        let left = limit_bytes.saturating_sub(self.bytes.len() as u64);
        let left = usize::try_from(left).unwrap_or(usize::MAX);
        let mut buffer = [0; 1 << 16];
        match file.read(&mut buffer) {
            Ok(0) => self.file = None,
            Ok(read) => {
                self.bytes.extend_from_slice(&buffer[..read.min(left)]);
                return Ok(read > left);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        Ok(false)
    }
}

/// Reads both outputs to their ends, or until one is more than the limit. Both at once, since a program blocked
/// on a full pipe would wait for ever; and without a thread, which may not be to be had. At the
/// deadline what has come is all.
pub(super) fn drain(
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
    limit_bytes: u64,
    deadline: Option<Instant>,
) -> io::Result<Drained> {
    let mut pipes = [
        Pipe::new(stdout.map(OwnedFd::from)),
        Pipe::new(stderr.map(OwnedFd::from)),
    ];
    let mut is_over = false;
    loop {
        let open: Vec<usize> = (0..pipes.len())
            .filter(|index| pipes[*index].file.is_some())
            .collect();
        if is_over || open.is_empty() {
            break;
        }
        let mut polled: Vec<_> = pipes
            .iter()
            .filter_map(|pipe| pipe.file.as_ref())
            .map(|file| PollFd::from_borrowed_fd(file.as_fd(), PollFlags::IN))
            .collect();
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        // A time too long for the kernel's form is as good as none.
        let timeout = left.and_then(|left| Timespec::try_from(left).ok());
        match poll(&mut polled, timeout.as_ref()) {
            Ok(0) => break,
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        }
        let told: Vec<bool> = polled.iter().map(|one| !one.revents().is_empty()).collect();
        for (index, _) in open.into_iter().zip(told).filter(|(_, told)| *told) {
            is_over |= pipes[index].take(limit_bytes)?;
        }
    }
    let [stdout, stderr] = pipes.map(|pipe| pipe.bytes);
    Ok(Drained {
        stdout,
        stderr,
        is_over,
    })
}

/// What any pipe holds, however many its user has.
const PIPE_BYTES: usize = 4096;

/// Where a program reads `bytes`, and nobody has to feed it: a pipe that holds all of it, or a file in
/// memory.
pub(super) fn input(bytes: &[u8]) -> io::Result<Stdio> {
    if bytes.len() <= PIPE_BYTES {
        let (reader, mut writer) = io::pipe()?;
        writer.write_all(bytes)?;
        return Ok(reader.into());
    }
    let mut file = File::from(memfd_create("input", MemfdFlags::CLOEXEC)?);
    file.write_all(bytes)?;
    file.rewind()?;
    Ok(file.into())
}
