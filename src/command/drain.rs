//! A program's two outputs, read side by side.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{ChildStderr, ChildStdout, Stdio};
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{MemfdFlags, memfd_create};

/// One output and what has come of it; the pipe is closed at its end and at the limit.
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

    /// Takes what is there, once the pipe has something to tell.
    fn take(&mut self, limit_bytes: u64) -> io::Result<()> {
        let Some(file) = &mut self.file else {
            return Ok(());
        };
        let left = limit_bytes.saturating_sub(self.bytes.len() as u64);
        let mut buffer = [0; 1 << 16];
        let length = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        match file.read(&mut buffer[..length]) {
            Ok(0) => self.file = None,
            Ok(read) => {
                self.bytes.extend_from_slice(&buffer[..read]);
                if self.bytes.len() as u64 >= limit_bytes {
                    self.file = None;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

/// Reads both outputs to their ends, or each up to the limit. Both at once, since a program blocked
/// on a full pipe would wait for ever; and without a thread, which may not be to be had. At the
/// deadline what has come is all.
pub(super) fn drain(
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
    limit_bytes: u64,
    deadline: Option<Instant>,
) -> io::Result<(Vec<u8>, Vec<u8>)> {
    let mut pipes = [
        Pipe::new(stdout.map(OwnedFd::from)),
        Pipe::new(stderr.map(OwnedFd::from)),
    ];
    loop {
        let open: Vec<usize> = (0..pipes.len())
            .filter(|index| pipes[*index].file.is_some())
            .collect();
        if open.is_empty() {
            let [stdout, stderr] = pipes;
            return Ok((stdout.bytes, stderr.bytes));
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
            Ok(0) => {
                let [stdout, stderr] = pipes;
                return Ok((stdout.bytes, stderr.bytes));
            }
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        }
        let told: Vec<bool> = polled.iter().map(|one| !one.revents().is_empty()).collect();
        for (index, _) in open.into_iter().zip(told).filter(|(_, told)| *told) {
            pipes[index].take(limit_bytes)?;
        }
    }
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
