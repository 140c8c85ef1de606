use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::symlink;
use std::sync::atomic::Ordering;

use super::hidden_name::COUNTER;
use super::*;

fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

type Create = fn(&Path) -> Result<PartialFile>;
const WAYS: [Create; 2] = [PartialFile::create, PartialFile::create_hidden];

#[test]
fn a_file_dropped_before_its_time_leaves_nothing() {
    for create in WAYS {
        let directory = tempfile::tempdir().unwrap();
        let partial = create(&directory.path().join("out.img")).unwrap();
        partial.file().write_all_at(b"x");
        drop(partial);
        assert!(names(directory.path()).is_empty());
    }
}

trait WriteAll {
    fn write_all_at(&self, bytes: &[u8]);
}
impl WriteAll for File {
    fn write_all_at(&self, bytes: &[u8]) {
        (&mut &*self).write_all(bytes).unwrap();
    }
}

#[test]
fn a_persisted_file_replaces_what_had_its_name_and_programs_can_open_it_before() {
    for create in WAYS {
        let directory = tempfile::tempdir().unwrap();
        let output = directory.path().join("out.img");
        for content in ["one", "two"] {
            let partial = create(&output).unwrap();
            partial.file().write_all_at(content.as_bytes());
            let mut seen = String::new();
            File::open(partial.path_for_programs().unwrap())
                .unwrap()
                .read_to_string(&mut seen)
                .unwrap();
            assert_eq!(seen, content);
            partial.persist().unwrap();
            assert_eq!(fs::read_to_string(&output).unwrap(), content);
        }
        assert_eq!(names(directory.path()), ["out.img"]);
    }
}

#[test]
fn a_hidden_name_that_is_taken_is_left_alone_and_another_is_found() {
    let directory = tempfile::tempdir().unwrap();
    let output = directory.path().join("out.img");
    fs::write(&output, "old").unwrap();
    let next = COUNTER.load(Ordering::Relaxed);
    let mut held = Vec::new();
    // Many, as other tests take numbers meanwhile.
    for number in next..next + 300 {
        let name = format!(".out.img.{}-{number}.partial", std::process::id());
        let file = File::create(directory.path().join(name)).unwrap();
        file.lock().unwrap();
        held.push(file);
    }
    for create in WAYS {
        let partial = create(&output).unwrap();
        partial.file().write_all_at(b"new");
        partial.persist().unwrap();
        assert_eq!(fs::read_to_string(&output).unwrap(), "new");
    }
    assert_eq!(names(directory.path()).len(), 301);
}

#[test]
fn devices_directories_and_links_are_not_written_to() {
    let directory = tempfile::tempdir().unwrap();
    let link = directory.path().join("link");
    std::os::unix::fs::symlink("/dev/null", &link).unwrap();
    let absent = directory.path().join("absent");
    let with_slash = |path: &Path| path.join("");
    for (path, found) in [
        (Path::new("/dev/null"), "a special file"),
        (directory.path(), "a directory"),
        (&link, "a symbolic link"),
        (&with_slash(directory.path()), "a directory"),
        (&with_slash(&absent), "one that ends with a slash"),
    ] {
        let error = PartialFile::create(path).unwrap_err().to_string();
        assert!(error.contains(found), "{error}");
    }
    let missing = directory.path().join("missing/out.img");
    assert!(matches!(
        PartialFile::create(&missing),
        Err(Error::Io { .. })
    ));
}

/// Programs were handed the hidden name: who may write in the directory put a link in its place, and
/// root's mke2fs formatted what it led to. Found by a red team.
#[test]
fn a_hidden_name_that_others_took_leads_nobody_anywhere() {
    let directory = tempfile::tempdir().unwrap();
    let output = directory.path().join("out?offset=0.img");
    let victim = directory.path().join("victim");
    fs::write(&victim, "whole").unwrap();
    let partial = PartialFile::create_hidden(&output).unwrap();
    let hidden = names(directory.path())
        .into_iter()
        .find(|name| name.ends_with(".partial"))
        .map(|name| directory.path().join(name))
        .unwrap();
    fs::remove_file(&hidden).unwrap();
    symlink(&victim, &hidden).unwrap();
    let path = partial.path_for_programs().unwrap();
    assert!(!path.to_str().unwrap().contains('?'));
    fs::OpenOptions::new()
        .write(true)
        .open(path)
        .unwrap()
        .write_all(b"formatted")
        .unwrap();
    let error = partial.persist().unwrap_err().to_string();
    assert!(error.contains("another file in its place"), "{error}");
    assert_eq!(fs::read_to_string(&victim).unwrap(), "whole");
    // What others put there is theirs.
    assert!(hidden.is_symlink() && !output.exists());
}

#[test]
fn a_directory_that_changes_its_name_keeps_its_file() {
    for create in WAYS {
        let directory = tempfile::tempdir().unwrap();
        let (before, after) = (directory.path().join("a"), directory.path().join("b"));
        fs::create_dir(&before).unwrap();
        let partial = create(&before.join("out.img")).unwrap();
        fs::rename(&before, &after).unwrap();
        fs::create_dir(&before).unwrap();
        partial.persist().unwrap();
        assert_eq!(names(&after), ["out.img"]);
        assert!(names(&before).is_empty());
    }
}

/// A build that was killed left its hidden file for ever. Found by killing builds.
#[test]
fn what_a_killed_process_left_is_removed_and_nothing_else() {
    for create in WAYS {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let output = at("out.img");
        let in_use = PartialFile::create_hidden(&output).unwrap();
        let used = names(directory.path());
        let mut kept = vec![
            ".out.img.1-1.partial.bak",
            ".out.img.1-x.partial",
            ".out.img.-1.partial",
            ".other.img.1-1.partial",
            "out.img.1-1.partial",
            ".out.img.1.partial",
        ];
        for name in kept
            .iter()
            .chain(&[".out.img.1-1.partial", ".out.img.4000000-20.partial"])
        {
            fs::write(at(name), "x").unwrap();
        }
        symlink("nowhere", at(".out.img.1-2.partial")).unwrap();
        fs::create_dir(at(".out.img.1-3.partial")).unwrap();
        fs::write(at("theirs"), "x").unwrap();
        fs::hard_link(at("theirs"), at(".out.img.1-4.partial")).unwrap();
        let fifo = rustix::fs::mknodat(
            CWD,
            at(".out.img.1-5.partial"),
            rustix::fs::FileType::Fifo,
            Mode::RUSR,
            0,
        );
        fifo.unwrap();
        kept.extend([
            ".out.img.1-2.partial",
            ".out.img.1-3.partial",
            ".out.img.1-4.partial",
            ".out.img.1-5.partial",
            "theirs",
        ]);
        kept.extend(used.iter().map(String::as_str));
        if rustix::process::geteuid().is_root() {
            let name = ".out.img.1-6.partial";
            fs::write(at(name), "another user's").unwrap();
            std::os::unix::fs::chown(at(name), Some(65_534), None).unwrap();
            kept.push(name);
        }
        drop(create(&output).unwrap());
        kept.sort_unstable();
        assert_eq!(names(directory.path()), kept);
        drop(in_use);
    }
}

/// The sidecar of one build stood beside the image of another: each named its two files whenever it
/// came to that. Found by 60 rounds of two builds.
#[test]
fn of_several_that_name_two_files_each_one_names_both() {
    for create in WAYS {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let name_both = |content: &str| {
            let files = ["out.sum", "out"].map(|name| {
                let file = create(&at(name)).unwrap();
                file.file().write_all_at(content.as_bytes());
                file
            });
            persist_together(files.into()).unwrap();
        };
        for _ in 0..50 {
            std::thread::scope(|scope| {
                for content in ["1", "2", "3"] {
                    scope.spawn(move || name_both(content));
                }
            });
            let read = |name| fs::read_to_string(at(name)).unwrap();
            assert_eq!(read("out"), read("out.sum"));
        }
        assert_eq!(names(directory.path()), ["out", "out.sum"]);
    }
}

/// Threads of one process have another lock as well; processes have this one alone.
#[test]
fn nothing_gets_a_name_while_another_process_names_something_there() {
    for create in WAYS {
        let directory = tempfile::tempdir().unwrap();
        let output = directory.path().join("out");
        let partial = create(&output).unwrap();
        let held = File::open(directory.path()).unwrap();
        held.lock().unwrap();
        let naming = std::thread::spawn(move || partial.persist());
        std::thread::sleep(std::time::Duration::from_millis(300));
        assert!(!output.exists() && !naming.is_finished());
        drop(held);
        naming.join().unwrap().unwrap();
        assert!(output.exists());
    }
}

#[test]
fn where_the_last_of_several_cannot_be_named_all_is_as_before() {
    for create in WAYS {
        for earlier in [None, Some("earlier")] {
            let directory = tempfile::tempdir().unwrap();
            let at = |name: &str| directory.path().join(name);
            if let Some(earlier) = earlier {
                fs::write(at("out.sum"), earlier).unwrap();
            }
            let files = ["out.sum", "out"].map(|name| create(&at(name)).unwrap());
            fs::create_dir(at("out")).unwrap();
            assert!(persist_together(files.into()).is_err());
            assert_eq!(fs::read_to_string(at("out.sum")).ok().as_deref(), earlier);
            let left = if earlier.is_some() { 2 } else { 1 };
            assert_eq!(names(directory.path()).len(), left);
        }
    }
}

/// Files that belong together need not be in one directory: each is locked, by all in one order.
#[test]
fn files_in_several_directories_get_their_names_together_and_lose_them_in_reverse() {
    for create in WAYS {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        for name in ["a", "b", "c"] {
            fs::create_dir(at(name)).unwrap();
        }
        let name_all = |content: &str, order: [&str; 3]| {
            let files = order.map(|name| {
                let file = create(&at(name)).unwrap();
                file.file().write_all_at(content.as_bytes());
                file
            });
            persist_together(files.into())
        };
        for _ in 0..30 {
            std::thread::scope(|scope| {
                for (content, order) in [
                    ("1", ["a/sum", "b/list", "c/out"]),
                    ("2", ["b/list", "a/sum", "c/out"]),
                ] {
                    scope.spawn(move || name_all(content, order).unwrap());
                }
            });
            let contents = ["a/sum", "b/list", "c/out"].map(|name| fs::read(at(name)).unwrap());
            assert!(contents.iter().all(|one| one == &contents[0]));
        }
        let before = fs::read(at("a/sum")).unwrap();
        fs::remove_file(at("b/list")).unwrap();
        fs::remove_file(at("c/out")).unwrap();
        let files = ["a/sum", "b/list", "c/out"].map(|name| create(&at(name)).unwrap());
        fs::create_dir(at("c/out")).unwrap();
        assert!(persist_together(files.into()).is_err());
        assert_eq!(fs::read(at("a/sum")).unwrap(), before);
        assert!(names(&at("b")).is_empty());
        assert_eq!(
            (names(&at("a")), names(&at("c"))),
            (vec!["sum".into()], vec!["out".into()])
        );
    }
}

#[test]
fn a_lock_on_the_directory_that_is_not_given_back_does_not_hold_up_for_ever() {
    let directory = tempfile::tempdir().unwrap();
    let held = File::open(directory.path()).unwrap();
    held.lock().unwrap();
    let partial = PartialFile::create(&directory.path().join("out")).unwrap();
    partial.persist().unwrap();
    assert_eq!(names(directory.path()), ["out"]);
}

#[test]
fn what_must_not_clobber_takes_a_free_name_and_no_other() {
    for create in WAYS {
        let directory = tempfile::tempdir().unwrap();
        let output = directory.path().join("out.img");
        let make = || {
            let mut partial = create(&output).unwrap();
            partial.file().write_all_at(b"new");
            partial.set_no_clobber(true);
            partial
        };
        // Both were begun when there was nothing.
        let (first, second) = (make(), make());
        first.persist().unwrap();
        let error = second.persist().unwrap_err();
        let says = "out.img: expected no file there (--no-clobber), found one";
        assert!(error.to_string().ends_with(says), "{error}");
        assert_eq!(error.exit_code(), 5);
        assert_eq!(names(directory.path()), ["out.img"]);
        fs::write(&output, "old").unwrap();
        make().persist().unwrap_err();
        assert_eq!(fs::read_to_string(&output).unwrap(), "old");
        assert_eq!(names(directory.path()), ["out.img"]);
    }
}

#[test]
fn files_that_are_named_together_are_taken_back_where_one_must_not_clobber() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let files = ["one", "two", "three"].map(|name| {
        let mut partial = PartialFile::create(&at(name)).unwrap();
        partial.file().write_all_at(b"new");
        partial.set_no_clobber(true);
        partial
    });
    fs::write(at("two"), "other").unwrap();
    persist_together(files.into()).unwrap_err();
    assert_eq!(names(directory.path()), ["two"]);
    assert_eq!(fs::read_to_string(at("two")).unwrap(), "other");
}

/// Killed between that and the rename that puts another file in its place.
#[test]
fn a_second_name_that_a_killed_process_gave_to_an_earlier_output_is_removed() {
    for create in WAYS {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let output = at("out.img");
        fs::write(&output, "earlier").unwrap();
        fs::hard_link(&output, at(".out.img.4000000-1.partial")).unwrap();
        // Who holds it is not done yet.
        let held = File::open(&output).unwrap();
        held.lock().unwrap();
        drop(create(&output).unwrap());
        assert!(at(".out.img.4000000-1.partial").exists());
        drop(held);
        drop(create(&output).unwrap());
        assert_eq!(names(directory.path()), ["out.img"]);
        assert_eq!(fs::read(&output).unwrap(), b"earlier");
    }
}
