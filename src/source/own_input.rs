//! Whether a file that is about to be replaced is one that the image is read from.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use super::place::{Location, Place};
use super::recognise;
use super::reference::Transport;
use crate::pinned::{Identity, identity};

/// Whether `output`, a file that is there, is part of what is read from `place`: its file; a layout's
/// documents and blobs, wherever they are linked to; anything inside a directory; the file that is
/// standard input.
pub fn is_input(place: &Place, output: &Path) -> bool {
    // What is not there cannot be destroyed.
    let Ok(metadata) = fs::metadata(output) else {
        return false;
    };
    let own = identity(&metadata);
    let input = match &place.location {
        Location::StandardInput => return standard_input() == Some(own),
        Location::Path(path) => &place.reach.at(path),
        Location::Registry(_) | Location::Daemon(_) => return false,
    };
    holds(input, output) || (input.is_dir() && layout_files(input).contains(&own))
}

/// Whether `output`, a file that is there, is the file `input`, or anything inside that directory.
pub fn holds(input: &Path, output: &Path) -> bool {
    let (Ok(found), Ok(own)) = (fs::metadata(input), fs::metadata(output)) else {
        return false;
    };
    match found.is_dir() {
        true => is_inside(output, input),
        false => identity(&found) == identity(&own),
    }
}

/// The directory, links on the way followed, that is read as a root filesystem, where one is.
pub fn input_tree(place: &Place) -> Option<PathBuf> {
    let Location::Path(path) = &place.location else {
        return None;
    };
    let path = place.reach.at(path).canonicalize().ok()?;
    let is_tree = path.is_dir()
        && match place.reference.transport {
            Some(transport) => transport == Transport::RootFs,
            None => matches!(recognise::directory(&path), Ok(Transport::RootFs)),
        };
    is_tree.then_some(path)
}

/// The files that an image is read from: its own, or a layout's.
pub fn input_files(place: &Place) -> HashSet<Identity> {
    let Location::Path(path) = &place.location else {
        return HashSet::new();
    };
    let path = place.reach.at(path);
    match fs::metadata(&path) {
        Ok(found) if found.is_dir() => layout_files(&path),
        Ok(found) => HashSet::from([identity(&found)]),
        Err(_) => HashSet::new(),
    }
}

fn standard_input() -> Option<Identity> {
    let file = io::stdin().as_fd().try_clone_to_owned().ok()?;
    let metadata = fs::File::from(file).metadata().ok()?;
    metadata.is_file().then(|| identity(&metadata))
}

/// By the directory that has the name: that is what is changed when a file is replaced.
fn is_inside(output: &Path, directory: &Path) -> bool {
    let parent = match output.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    match (parent.canonicalize(), directory.canonicalize()) {
        (Ok(parent), Ok(directory)) => parent.starts_with(directory),
        _ => false,
    }
}

/// The files of a layout, links followed: build systems link blobs into their layouts.
fn layout_files(directory: &Path) -> HashSet<Identity> {
    let mut files = HashSet::new();
    let mut add = |path: &Path| {
        let metadata = fs::metadata(path);
        files.extend(metadata.ok().as_ref().map(identity));
    };
    for name in ["oci-layout", "index.json"] {
        add(&directory.join(name));
    }
    let entries = |path: &Path| fs::read_dir(path).into_iter().flatten().flatten();
    for algorithm in entries(&directory.join("blobs")) {
        for blob in entries(&algorithm.path()) {
            add(&blob.path());
        }
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn every_file_that_an_image_is_read_from_is_its_input_and_no_other() {
        let guard = tempfile::tempdir().unwrap();
        let root = guard.path();
        let put = |name: &str| {
            let path = root.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, name).unwrap();
            path
        };
        let archive = put("save.tar");
        let other = put("other");
        let linked = put("store/blob");
        let layout = root.join("layout");
        let of_layout = [
            put("layout/oci-layout"),
            put("layout/index.json"),
            put("layout/blobs/sha256/ab"),
        ];
        symlink(&linked, layout.join("blobs/sha256/cd")).unwrap();
        let inside = put("rootfs/etc/passwd");
        symlink(root.join("rootfs"), root.join("alias")).unwrap();
        let is_input = |transport: &str, input: &Path, output: &Path| {
            let text = format!("{transport}{}", input.display());
            is_input(&Place::of(&text.parse().unwrap()).unwrap(), output)
        };
        assert!(is_input("", &archive, &archive));
        assert!(is_input("docker-archive:", &archive, &archive));
        assert!(!is_input("", &archive, &other));
        assert!(!is_input("", &archive, &root.join("new")));
        for file in of_layout.iter().chain([&linked]) {
            assert!(is_input("oci:", &layout, file), "{}", file.display());
        }
        assert!(!is_input("oci:", &layout, &other));
        assert!(!is_input("oci:", &layout, &layout.join("new")));
        assert!(is_input("rootfs:", &root.join("rootfs"), &inside));
        assert!(is_input(
            "rootfs:",
            &root.join("rootfs"),
            &root.join("alias/etc/passwd")
        ));
        assert!(is_input("rootfs:", &root.join("alias"), &inside));
        assert!(!is_input("rootfs:", &root.join("rootfs"), &other));
        assert!(!is_input("docker://", Path::new("host.example/x"), &other));
    }

    /// The disk was asked anew by each who wanted to know: a file that came in between had one thing
    /// opened and another held against the output.
    #[test]
    fn what_was_meant_stays_so_whatever_comes_and_goes_meanwhile() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::write(at("a:b.tar"), "").unwrap();
        let reference = format!("docker-archive:{}:c", at("a:b.tar").display());
        let place = || Place::of(&reference.parse().unwrap()).unwrap();
        let before = place();
        fs::write(at("a"), "").unwrap();
        assert!(is_input(&before, &at("a:b.tar")) && !is_input(&before, &at("a")));
        let after = place();
        assert!(is_input(&after, &at("a")) && !is_input(&after, &at("a:b.tar")));
        fs::remove_file(at("a:b.tar")).unwrap();
        assert_eq!(before.location, Location::Path(at("a:b.tar")));
    }
}
