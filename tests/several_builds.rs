//! Layers are read once for as many filesystems as are made of them in one process, each the same as
//! one that is made alone, and none harmed by what becomes of another.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use layerpress::finish::{FinishOptions, Sha256File};
use layerpress::leftovers;
use layerpress::pipeline::{self, Built, FilesystemRequest, OutputRequest, SizePolicy, ToolPaths};
use layerpress::progress::{Meter, OfImage, Reporter, Silent, Task};
use layerpress::units::ByteSize;
use support::archive::{Compression, TestImage, layer_tar};
use support::oracles::e2fsck_clean;
use support::press::image_request;
use support::rootfs::{Rootfs, bytes, directory, file, link, symlink};
use support::run::Press;
use support::tarball::tar_bytes;

/// An image in the form of an archive, or of a layout whose layers are spooled.
fn press(compression: Option<Compression>) -> (Press, String) {
    let base = [
        directory("bin"),
        file("bin/tool", bytes(5_000_000)),
        link("bin/other", "bin/tool"),
        file("gone", bytes(3_000_000)),
    ];
    let top = [file("bin/more", bytes(70_000)), file(".wh.gone", *b"")];
    let layers = [
        Rootfs::of(base),
        Rootfs::of([symlink("a", "bin")]),
        Rootfs::of(top),
    ];
    let image = TestImage::new(layers.map(|layer| tar_bytes(&layer)));
    let press = Press::new();
    let path = press.image();
    match compression {
        None => image.classic_archive(&["test:1"]).write_tar(&path),
        Some(compression) => {
            let image = TestImage {
                compression,
                ..image
            };
            image.layout("1").write_directory(&path);
        }
    }
    let reference = path.display().to_string();
    (press, reference)
}

fn filesystem(size: SizePolicy) -> FilesystemRequest {
    FilesystemRequest::default().with_size(size)
}

fn output(path: PathBuf) -> OutputRequest {
    let tools = ToolPaths {
        search_path: std::env::var_os("PATH"),
        ..ToolPaths::default()
    };
    let finish = FinishOptions {
        fsck: true,
        verify: true,
        sha256: Some(Sha256File::Line),
        sync: false,
        ..FinishOptions::default()
    };
    OutputRequest::new(path)
        .with_tools(tools)
        .with_finish(finish)
}

fn sizes() -> [(&'static str, SizePolicy); 3] {
    [
        ("fit", SizePolicy::Fit),
        ("fixed", SizePolicy::Exact(ByteSize(64 << 20))),
        ("usual", SizePolicy::default()),
    ]
}

/// Keeps the names of all tasks.
#[derive(Default)]
struct Tasks(Mutex<Vec<String>>);

impl Reporter for Tasks {
    fn begin(&self, task: Task<'_>) -> Box<dyn Meter> {
        self.0.lock().unwrap().push(task.name.to_owned());
        Box::new(Silent)
    }
    fn note(&self, text: &str) {
        self.0.lock().unwrap().push(text.to_owned());
    }
    fn warn(&self, _: &str) {}
    fn command_line(&self, _: &str) {}
}

impl Tasks {
    fn starting_with(&self, start: &str) -> usize {
        let tasks = self.0.lock().unwrap();
        tasks.iter().filter(|task| task.starts_with(start)).count()
    }
}

#[test]
fn filesystems_of_one_reading_are_those_of_separate_builds_one_by_one_and_side_by_side() {
    for compression in [None, Some(Compression::Gzip), Some(Compression::Zstd)] {
        let (press, reference) = press(compression);
        let at = |name: &str| press.root().join("out").join(name);
        let request = image_request(&reference, &press.root().join("work"));
        for (name, size) in sizes() {
            let alone = output(at(&format!("{name}.alone")));
            pipeline::build(&request, &filesystem(size), &alone, &Silent).unwrap();
        }
        let tasks = Tasks::default();
        let reading = pipeline::read(&request, &tasks).unwrap();
        for (name, size) in sizes() {
            let next = output(at(&format!("{name}.next")));
            let built = reading.clone().build(&filesystem(size), &next, &tasks);
            built.unwrap();
        }
        std::thread::scope(|scope| {
            for (name, size) in sizes() {
                let (reading, tasks) = (reading.clone(), &tasks);
                let beside = output(at(&format!("{name}.beside")));
                scope.spawn(move || {
                    let named = OfImage {
                        image: name,
                        reporter: tasks,
                    };
                    reading.build(&filesystem(size), &beside, &named).unwrap()
                });
            }
        });
        // The last one, which gives back what it has read.
        let last = output(at("fit.last"));
        let mut last = last;
        last.finish.verify = false;
        reading
            .build(&filesystem(SizePolicy::Fit), &last, &tasks)
            .unwrap();
        let ways = ["next", "beside"].map(|way| sizes().map(|(name, _)| (name, way)));
        for (name, way) in ways.into_iter().flatten().chain([("fit", "last")]) {
            let alone = fs::read(at(&format!("{name}.alone"))).unwrap();
            let found = fs::read(at(&format!("{name}.{way}"))).unwrap();
            assert!(found == alone, "{name}.{way} of {compression:?}");
        }
        e2fsck_clean(&at("fit.last"));
        assert_eq!(tasks.starting_with("layer "), 3, "each layer once");
        assert_eq!(tasks.starting_with("flatten"), 4);
        for (name, _) in sizes() {
            assert_eq!(tasks.starting_with(&format!("{name}: flatten")), 1);
            assert_eq!(tasks.starting_with(&format!("{name}: layer")), 0);
        }
    }
}

#[test]
fn one_that_fails_leaves_the_others_alone_whether_before_or_beside_it() {
    let (press, reference) = press(Some(Compression::Gzip));
    let at = |name: &str| press.root().join("out").join(name);
    let request = image_request(&reference, &press.root().join("work"));
    let reading = pipeline::read(&request, &Silent).unwrap();
    let build = |name: &str, size| -> layerpress::Result<Built> {
        reading
            .clone()
            .build(&filesystem(size), &output(at(name)), &Silent)
    };
    let small = SizePolicy::Exact(ByteSize(8 << 20));
    for round in ["one", "two"] {
        std::thread::scope(|scope| {
            let failing = scope.spawn(|| build("small", small).unwrap_err());
            build(round, SizePolicy::Fit).unwrap();
            assert_eq!(failing.join().unwrap().exit_code(), 7);
        });
        assert_eq!(build("small", small).unwrap_err().exit_code(), 7);
    }
    assert!(fs::read(at("one")).unwrap() == fs::read(at("two")).unwrap());
    let names = ["out/one", "out/one.sha256", "out/two", "out/two.sha256"];
    assert_eq!(press.left(), names);
}

/// Both wrote it, and the last one's name stayed, with whichever sidecars.
#[test]
fn two_builds_of_one_output_at_a_time_are_refused_by_whatever_path() {
    let (press, reference) = press(None);
    let out = press.root().join("out");
    std::os::unix::fs::symlink(&out, press.root().join("link")).unwrap();
    let request = image_request(&reference, &press.root().join("work"));
    let reading = pipeline::read(&request, &Silent).unwrap();
    let waiting = press.root().join("waiting");
    let real = support::oracles::required("e2fsck");
    let body = format!(
        "case $1 in -V) exec {real} -V;; esac\necho >{waiting}\nwhile test -e {waiting}; do sleep 0.05; done\nexec {real} \"$@\"",
        real = real.display(),
        waiting = waiting.display()
    );
    press.script("e2fsck", &body);
    let fit = filesystem(SizePolicy::Fit);
    std::thread::scope(|scope| {
        let first = scope.spawn(|| {
            let mut one = output(out.join("one"));
            one.tools.e2fsck = Some(press.root().join("e2fsck"));
            reading.clone().build(&fit, &one, &Silent).unwrap();
        });
        until(|| waiting.exists());
        for path in ["out/one", "link/one", "out/one.sha256"] {
            let second = output(press.root().join(path));
            let error = reading.clone().build(&fit, &second, &Silent).unwrap_err();
            assert_eq!(error.exit_code(), 5);
            assert!(
                error.to_string().contains("found another that does"),
                "{error}"
            );
        }
        fs::remove_file(&waiting).unwrap();
        first.join().unwrap();
    });
    reading
        .build(&fit, &output(out.join("one")), &Silent)
        .unwrap();
}

#[test]
fn layers_that_are_not_what_they_should_be_get_no_filesystem_a_name() {
    let press = Press::new();
    let image = TestImage {
        compression: Compression::Gzip,
        ..TestImage::new([layer_tar(&[("a", &bytes(100_000))])])
    };
    let mut files = image.layout("1");
    let name = files
        .0
        .keys()
        .find(|name| files.0[*name].starts_with(&[0x1f, 0x8b]));
    let name = name.unwrap().clone();
    // Not in what is compressed, but in what says so: the operating system.
    files.0.get_mut(&name).unwrap()[9] ^= 1;
    files.write_directory(&press.image());
    let request = image_request(
        &press.image().display().to_string(),
        &press.root().join("work"),
    );
    let reading = pipeline::read(&request, &Silent).unwrap();
    std::thread::scope(|scope| {
        let press = &press;
        for name in ["one", "two"] {
            let reading = reading.clone();
            let output = output(press.root().join("out").join(name));
            scope.spawn(move || {
                let error = reading.build(&filesystem(SizePolicy::Fit), &output, &Silent);
                let error = error.unwrap_err();
                assert_eq!(error.exit_code(), 4, "{error}");
            });
        }
    });
    assert!(press.left().is_empty(), "{:?}", press.left());
}

/// Tells this program to be the process that is cleaned up.
const CHILD: &str = "LAYERPRESS_TEST_CLEANED_UP";

/// A process can be cleaned up once, by a signal's thread: this is what such a thread does.
#[test]
fn what_a_signal_ends_keeps_the_output_that_is_complete_and_nothing_of_the_other() {
    if let Some(root) = std::env::var_os(CHILD) {
        clean_up_amid_the_second(Path::new(&root));
    }
    let (press, _) = press(Some(Compression::Gzip));
    let real = support::oracles::required("e2fsck");
    let waiting = press.root().join("waiting");
    let body = format!(
        "case $1 in -V) exec {} -V;; esac\necho $$ >{}\nexec sleep 600",
        real.display(),
        waiting.display()
    );
    press.script("e2fsck", &body);
    let name = "what_a_signal_ends_keeps_the_output_that_is_complete_and_nothing_of_the_other";
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(CHILD, press.root())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    assert_eq!(
        child.status.code(),
        Some(77),
        "{:?} {said}",
        child.status.signal()
    );
    assert!(said.contains("1 complete: one, 1 not"), "{said}");
    assert_eq!(press.left(), ["out/one", "out/one.sha256"]);
    e2fsck_clean(&press.root().join("out/one"));
    let process = fs::read_to_string(waiting).unwrap();
    let process = Path::new("/proc").join(process.trim()).join("stat");
    // One that has ended and that nobody waits for, as in a container without an init, is gone too.
    let is_there = |stat: &str| !stat.contains(") Z ");
    until(|| !fs::read_to_string(&process).is_ok_and(|stat| is_there(&stat)));
}

fn clean_up_amid_the_second(root: &Path) -> ! {
    let request = image_request(
        &root.join("in/save.tar").display().to_string(),
        &root.join("work"),
    );
    let reading = pipeline::read(&request, &Silent).unwrap();
    let fit = filesystem(SizePolicy::Fit);
    let one = output(root.join("out/one"));
    reading.clone().build(&fit, &one, &Silent).unwrap();
    let mut two = output(root.join("out/two"));
    two.tools.e2fsck = Some(root.join("e2fsck"));
    std::thread::spawn(move || reading.build(&fit, &two, &Silent));
    until(|| fs::read_to_string(root.join("waiting")).is_ok_and(|text| text.ends_with('\n')));
    let outputs = leftovers::clean_up();
    let complete = outputs.named[0].file_name().unwrap().display();
    let (named, unfinished) = (outputs.named.len(), outputs.unfinished());
    println!("{named} complete: {complete}, {unfinished} not");
    std::process::exit(77);
}

#[track_caller]
fn until(mut is_true: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_true() {
        assert!(Instant::now() < deadline, "that never came");
        std::thread::sleep(Duration::from_millis(5));
    }
}
