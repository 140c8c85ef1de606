//! Thousands of changes to a mounted filesystem, the same ones every time.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::XattrFlags;

use super::oracles::{Mounted, e2fsck_clean_after_use};
use super::sample::bytes;

/// Numbers without order, the same ones every time (xorshift).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end as u64) as usize
    }
}

/// What was done.
#[derive(Debug, Default, Clone, Copy)]
pub struct Done {
    pub operations: u32,
    /// Those that the filesystem had no room for.
    pub refused: u32,
}

/// Mounts an image for writing, works in it, unmounts it and expects e2fsck to find nothing.
/// Needs root.
pub fn live(image: &Path, operations: u32) -> Done {
    let mounted = Mounted::read_write(image);
    let done = work(&mounted.mount_point(), operations);
    drop(mounted);
    e2fsck_clean_after_use(image);
    done
}

/// The files that there are by now, in a few directories, and what each must hold.
struct Work {
    root: PathBuf,
    numbers: Numbers,
    files: Vec<(PathBuf, Vec<u8>)>,
    made: usize,
    done: Done,
}

/// Does so many things, among them all that changes a structure: an index that grows and splits,
/// block maps that grow and shrink, attributes that leave the inode, links, directories that come
/// and go.
fn work(root: &Path, operations: u32) -> Done {
    let root = root.join("work");
    fs::create_dir(&root).unwrap();
    for directory in ["crowd", "some", "other"] {
        fs::create_dir(root.join(directory)).unwrap();
    }
    let mut work = Work {
        root,
        numbers: Numbers(0x6c61_7965_7270_7265),
        files: Vec::new(),
        made: 0,
        done: Done::default(),
    };
    for _ in 0..operations {
        let action = work.numbers.below(20);
        let worked = work.act(action);
        work.done.operations += 1;
        match worked {
            Ok(()) => {}
            Err(error) if matches!(error.kind(), ErrorKind::StorageFull) => work.full(),
            Err(error) => panic!("action {action}: {error}"),
        }
    }
    work.compare();
    work.done
}

impl Work {
    fn new_path(&mut self) -> PathBuf {
        self.made += 1;
        let directory = ["crowd", "crowd", "crowd", "some", "other"][self.numbers.below(5)];
        let width = 8 + self.numbers.below(120);
        self.root
            .join(format!("{directory}/{:0>width$}", self.made))
    }

    /// Makes room: nothing else is left to do where there is none.
    fn full(&mut self) {
        self.done.refused += 1;
        let half = self.files.split_off(self.files.len() / 2);
        for (path, _) in half {
            fs::remove_file(path).unwrap();
        }
    }

    /// Some file, its content to be changed in step with it.
    fn some(&mut self) -> Option<&mut (PathBuf, Vec<u8>)> {
        let count = self.files.len();
        let index = (count > 0).then(|| self.numbers.below(count))?;
        self.files.get_mut(index)
    }

    /// One change. A file whose change failed half-way is forgotten, and gone.
    fn act(&mut self, action: usize) -> std::io::Result<()> {
        let length = [0, 10, 5000, 60_000][self.numbers.below(4)];
        let place = self.numbers.below(40) * 7_000;
        match action {
            0..=7 => {
                let path = self.new_path();
                let content = bytes(length);
                fs::write(&path, &content).inspect_err(|_| {
                    let _ = fs::remove_file(&path);
                })?;
                self.files.push((path, content));
            }
            8 | 9 => {
                let count = self.files.len();
                if count > 50 {
                    let index = self.numbers.below(count);
                    let (path, _) = self.files.swap_remove(index);
                    fs::remove_file(path)?;
                }
            }
            10 | 11 => self.write_at(None, length)?,
            // Behind a hole, or over what is there.
            12 | 13 => self.write_at(Some(place), length)?,
            14 => {
                if let Some((path, content)) = self.some() {
                    File::options()
                        .write(true)
                        .open(path)?
                        .set_len(place as u64)?;
                    content.resize(place, 0);
                }
            }
            15 => {
                let to = self.new_path();
                if let Some((path, _)) = self.some() {
                    fs::rename(&path, &to)?;
                    *path = to;
                }
            }
            16 => {
                let to = self.new_path();
                if let Some((path, _)) = self.some() {
                    let from = path.clone();
                    fs::hard_link(&from, &to)?;
                    // The name that was first goes: the rest of the work knows each file once.
                    fs::remove_file(&from)?;
                    *path = to;
                }
            }
            17 => {
                let value = vec![b'v'; [5, 200, 2000][self.numbers.below(3)]];
                if let Some((path, _)) = self.some() {
                    let flags = XattrFlags::empty();
                    rustix::fs::setxattr(&*path, "user.value", &value, flags)?;
                    fs::set_permissions(path, PermissionsExt::from_mode(0o640))?;
                }
            }
            18 => {
                self.made += 1;
                let directory = self.root.join(format!("other/directory {}", self.made));
                fs::create_dir(&directory)?;
                let again = fs::write(directory.join("file"), b"x")
                    .and_then(|()| symlink("t".repeat(100), directory.join("link")));
                if !self.made.is_multiple_of(3) || again.is_err() {
                    fs::remove_dir_all(&directory)?;
                }
                again?;
            }
            _ => {
                if let Some((path, _)) = self.some() {
                    match rustix::fs::removexattr(&*path, "user.value") {
                        Ok(()) | Err(rustix::io::Errno::NODATA) => {}
                        Err(error) => return Err(error.into()),
                    }
                }
            }
        }
        Ok(())
    }

    /// Writes into some file, at its end where no place is given.
    fn write_at(&mut self, place: Option<usize>, length: usize) -> std::io::Result<()> {
        let count = self.files.len();
        if count == 0 {
            return Ok(());
        }
        let index = self.numbers.below(count);
        let (path, content) = &mut self.files[index];
        let place = place.unwrap_or(content.len());
        let more = bytes(length);
        let written = File::options()
            .write(true)
            .open(&*path)
            .and_then(|file| file.write_all_at(&more, place as u64));
        if let Err(error) = written {
            let (path, _) = self.files.swap_remove(index);
            fs::remove_file(path)?;
            return Err(error);
        }
        if length > 0 {
            content.resize(content.len().max(place + length), 0);
            content[place..place + length].copy_from_slice(&more);
        }
        Ok(())
    }

    fn compare(&self) {
        for (path, content) in &self.files {
            assert!(fs::read(path).unwrap() == *content, "{}", path.display());
        }
    }
}
