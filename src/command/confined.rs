//! Programs that may not gain privileges nor, where that is wanted, wait for the disk.

use std::io;

use rustix::thread::set_no_new_privs;

/// Runs `start` on a thread whose children have `no_new_privs`: that a program is set-user-ID, or
/// has capabilities of its own, gives it nothing. With `is_unsynced` their `fsync` and `fdatasync` do
/// nothing and succeed.
///
/// mke2fs, tune2fs and e2fsck (even with `-n`) sync the file that they are given, and so wait until
/// all of it, and on a busy disk others' files too, has been written. What they sync is not the
/// output yet. A system call filter (`seccomp(2)`) is the one way to keep a program from it that
/// needs neither privileges nor the program's help; where the kernel or the architecture has none,
/// the program syncs and all is well but slower.
pub(super) fn confined<T: Send>(
    is_unsynced: bool,
    start: impl FnOnce() -> io::Result<T> + Send,
) -> io::Result<T> {
    // A thread gives neither back: it must be one that does nothing else.
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .spawn_scoped(scope, || {
                set_no_new_privs(true)?;
                if is_unsynced {
                    filter::apply();
                }
                start()
            })
            .map_err(|error| {
                io::Error::new(error.kind(), format!("cannot start a thread: {error}"))
            })?;
        thread
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

#[cfg(any(
    target_arch = "x86_64",
    target_arch = "aarch64",
    target_arch = "riscv64"
))]
mod filter {
    use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch, apply_filter};

    const ARCHITECTURE: TargetArch = if cfg!(target_arch = "x86_64") {
        TargetArch::x86_64
    } else if cfg!(target_arch = "aarch64") {
        TargetArch::aarch64
    } else {
        TargetArch::riscv64
    };

    /// Filters the calling thread's system calls and those of processes that it starts.
    pub(super) fn apply() {
        if let Some(program) = program() {
            // Where filters are not to be had.
            let _ = apply_filter(&program);
        }
    }

    fn program() -> Option<BpfProgram> {
        let syncs = [libc::SYS_fsync, libc::SYS_fdatasync];
        let filter = SeccompFilter::new(
            syncs.map(|call| (call, Vec::new())).into(),
            SeccompAction::Allow,
            // The error number 0 is success.
            SeccompAction::Errno(0),
            ARCHITECTURE,
        );
        filter.ok()?.try_into().ok()
    }
}

#[cfg(not(any(
    target_arch = "x86_64",
    target_arch = "aarch64",
    target_arch = "riscv64"
)))]
mod filter {
    pub(super) fn apply() {}
}
