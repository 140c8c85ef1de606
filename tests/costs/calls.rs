//! System calls and bytes, as strace sees them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::image::{ARCHIVE, FLAT_TAR, Form, GZIP, ZSTD};
use crate::support::oracles::program;
use crate::support::run::LAYERPRESS;
use crate::{Cost, alone, strayed};

/// Calls that threads make of each other and allocators of the kernel, as chance has it.
const CHANCE: [&str; 10] = [
    "futex",
    "sched_yield",
    "sched_getaffinity",
    "mmap",
    "munmap",
    "mprotect",
    "madvise",
    "brk",
    "restart_syscall",
    "rseq",
];

/// What the program itself did, programs that it ran not counted: they are e2fsprogs'.
#[derive(Debug, Default, PartialEq, Eq)]
struct Calls {
    calls: u64,
    read_bytes: u64,
    written_bytes: u64,
    /// Among all, for whoever looks for what has become dearer.
    by_name: BTreeMap<String, u64>,
}

impl Calls {
    /// From the file of one thread or process; `None` for a process that became another program.
    fn of(log: &str, is_first: bool) -> Option<Self> {
        let became_another = log.lines().any(|line| line.starts_with("execve("));
        if became_another && !is_first {
            return None;
        }
        let mut calls = Self::default();
        for line in log.lines() {
            let Some((name, _)) = line.split_once('(') else {
                continue;
            };
            if CHANCE.contains(&name) || line.starts_with(['-', '+']) {
                continue;
            }
            calls.calls += 1;
            *calls.by_name.entry(name.to_owned()).or_default() += 1;
            let result = line.rsplit_once(" = ").map(|(_, result)| result);
            let bytes = result
                .and_then(|result| result.split(' ').next()?.parse::<u64>().ok())
                .unwrap_or(0);
            match name {
                "read" | "pread64" | "preadv2" | "recvfrom" => calls.read_bytes += bytes,
                "write" | "pwrite64" | "writev" | "pwritev2" | "copy_file_range" => {
                    calls.written_bytes += bytes;
                }
                _ => {}
            }
        }
        Some(calls)
    }

    fn add(&mut self, other: Self) {
        self.calls += other.calls;
        self.read_bytes += other.read_bytes;
        self.written_bytes += other.written_bytes;
        for (name, count) in other.by_name {
            *self.by_name.entry(name).or_default() += count;
        }
    }

    fn of_build(strace: &Path, form: Form) -> Self {
        Self::of_build_with(strace, form, &[])
    }

    fn of_build_with(strace: &Path, form: Form, options: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let reference = form.write(directory.path());
        let logs = directory.path().join("logs");
        fs::create_dir(&logs).unwrap();
        let mut traced = Command::new(strace)
            .args(["-f", "-ff", "-qq", "-s", "0", "-o"])
            .arg(logs.join("log"))
            .args([LAYERPRESS, "build", "-q", "--jobs", "2", &reference, "-o"])
            .arg(directory.path().join("fs.img"))
            .args(options)
            .spawn()
            .unwrap();
        assert!(traced.wait().unwrap().success());
        let mut files: Vec<_> = fs::read_dir(&logs)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        // The first process has the lowest number, as long as numbers do not begin anew.
        files.sort_by_key(|path| {
            let number = path.extension().unwrap().to_str().unwrap();
            number.parse::<u64>().unwrap()
        });
        let mut calls = Self::default();
        for (index, path) in files.iter().enumerate() {
            let log = fs::read_to_string(path).unwrap();
            if let Some(own) = Self::of(&log, index == 0) {
                calls.add(own);
            }
        }
        calls
    }
}

#[test]
fn a_build_makes_as_many_system_calls_and_moves_as_many_bytes_as_before() {
    let Some(strace) = program("strace") else {
        return;
    };
    let _alone = alone();
    let mut strays = Vec::new();
    for (form, [calls, read_bytes, written_bytes]) in [
        (ARCHIVE, [3629, 59_394_664, 26_670_695]),
        (GZIP, [2842, 53_268_414, 56_324_711]),
        (FLAT_TAR, [3766, 57_880_749, 28_621_550]),
        (ZSTD, [2830, 52_389_294, 56_324_711]),
    ] {
        let found = Calls::of_build(&strace, form);
        let cost = |what, found, expected| Cost {
            what,
            found,
            expected,
        };
        let costs = [
            cost("system calls", found.calls, calls),
            cost("bytes read", found.read_bytes, read_bytes),
            cost("bytes written", found.written_bytes, written_bytes),
        ];
        let strayed = strayed(form.name, &costs);
        if !strayed.is_empty() {
            strays.extend(strayed);
            strays.push(format!("{:?}", found.by_name));
        }
    }
    assert!(strays.is_empty(), "{}", strays.join("\n"));
}

/// Bug: a flat tar was read a third time, to hash it before anything else was done with it.
#[test]
fn each_byte_of_a_flat_tar_is_read_twice_at_most() {
    let Some(strace) = program("strace") else {
        return;
    };
    let _alone = alone();
    let directory = tempfile::tempdir().unwrap();
    FLAT_TAR.write(directory.path());
    let tar = fs::metadata(directory.path().join("rootfs.tar")).unwrap();
    let found = Calls::of_build(&strace, FLAT_TAR);
    // Once to hash it and once to copy it; headers, and what is read of the filesystem, beside.
    let (most, beside_bytes) = (2 * tar.len(), 4 << 20);
    assert!(found.read_bytes >= most, "{found:?}");
    assert!(
        found.read_bytes < most + beside_bytes && beside_bytes < tar.len() / 2,
        "{} bytes: {found:?}",
        tar.len()
    );
}

/// It is hashed, compressed and what comes of it hashed in one go.
#[test]
fn compressing_reads_the_output_once() {
    let Some(strace) = program("strace") else {
        return;
    };
    let _alone = alone();
    let of = |options: &[&str]| Calls::of_build_with(&strace, ARCHIVE, options);
    let plain = of(&[]).read_bytes;
    let hashed = of(&["--sha256"]).read_bytes;
    // A second reading would be seen.
    let once = hashed - plain;
    assert!(once > 10 << 20, "{once}");
    for options in [
        &["--compress", "gzip:1"][..],
        &["--compress", "zstd:1", "--sha256"],
    ] {
        let read = of(options).read_bytes;
        assert!(read < hashed + (once >> 4), "{options:?}: {read} {hashed}");
    }
}

#[test]
fn a_log_is_counted_without_chance_and_without_other_programs() {
    let log = "execve(\"x\", ...) = 0\n\
               pread64(3, \"\"..., 131072, 0) = 131072\n\
               futex(0x1, FUTEX_WAKE, 1) = 1\n\
               pwrite64(4, \"\"..., 10, 0) = 10\n\
               preadv2(3, [{iov_base=\"\"..., iov_len=9}], 1, 0, RWF_NOWAIT) = -1 EAGAIN (x)\n\
               --- SIGCHLD {si_signo=SIGCHLD} ---\n\
               +++ exited with 0 +++\n";
    let calls = Calls::of(log, true).unwrap();
    assert_eq!(
        (calls.calls, calls.read_bytes, calls.written_bytes),
        (4, 131_072, 10)
    );
    assert_eq!(Calls::of(log, false), None);
}
