//! Digests and diff IDs, computed beside everything else.
//!
//! Hashing takes about as long as all other work of a build together, and nothing but the output's
//! name waits for it. So it runs on threads of its own, behind the decompressor while a spool
//! grows, and beside the steps that follow. Nothing that a layer says is final until
//! [`Verifying::finish`] has said that its bytes are the ones the image names.

mod board;
mod giving_back;
#[cfg(test)]
mod tests;
mod unchanged;

use std::fs::File;
use std::io;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use board::Board;
pub(super) use board::{Check, Which};
pub use giving_back::GivingBack;
use rustix::process::setpriority_process;
pub(super) use unchanged::Unchanged;

use super::Contents;
use crate::error::{Error, Result};
use crate::oci::DiffId;

/// How far the threads stand back behind others: while layers are decompressed, who waits for that
/// has more to do afterwards than who waits for hashes.
const NICE: i32 = 5;

/// All layers' bytes on their way to being held against what the image says of them. A clone is for
/// one more who has to know; the work is done once.
#[derive(Debug, Clone)]
#[must_use = "layers are not verified until this is finished"]
pub struct Verifying(Arc<Work>);

#[derive(Debug)]
struct Work {
    board: Arc<Board>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    image: String,
    layers: Vec<Named>,
    /// Layers that are verified for several images, by their index in this one.
    shared: Mutex<Vec<(usize, Verifying)>>,
    /// Files that nothing is known of but that they must not change.
    watched: Mutex<Vec<Unchanged>>,
}

/// What a layer is called.
#[derive(Debug)]
pub(super) struct Named {
    /// How errors call it.
    pub(super) label: String,
    /// Its diff ID; `None` where it has to be found.
    pub(super) diff_id: Option<DiffId>,
}

/// A check whose bytes are still being written. Dropped before it is whole, it is given up.
#[derive(Debug)]
pub(super) struct Growing {
    board: Arc<Board>,
    index: usize,
}

impl Growing {
    /// So many bytes more are there.
    pub(super) fn grow(&self, bytes: u64) {
        self.board.grow(self.index, bytes);
    }

    /// All bytes are there.
    pub(super) fn whole(self) {
        self.board.is_whole(self.index);
    }
}

impl Drop for Growing {
    fn drop(&mut self) {
        self.board.give_up_unless_whole(self.index);
    }
}

impl Verifying {
    /// Starts the threads: one fewer than `jobs`, since who calls [`Self::finish`] works too.
    pub(super) fn start(image: &str, layers: Vec<Named>, jobs: NonZeroUsize) -> Self {
        let board = Arc::new(Board::default());
        let thread = |_| {
            let board = Arc::clone(&board);
            let named = std::thread::Builder::new().name("hash".to_owned());
            // Without it finish() does the work alone.
            named
                .spawn(move || {
                    // The kernel refuses it nobody, and without it all is well but slower.
                    let _ = setpriority_process(None, NICE);
                    board.work();
                })
                .ok()
        };
        // A layer has two digests, and who finishes computes one of them. The first thread that is not
        // to be had is the last that is asked for.
        let useful = jobs.get().min(layers.len() * 2);
        let threads = (1..useful).map_while(thread).collect();
        Self(Arc::new(Work {
            board,
            threads: Mutex::new(threads),
            image: image.to_owned(),
            layers,
            shared: Mutex::default(),
            watched: Mutex::default(),
        }))
    }

    /// Hashes bytes that are all there.
    pub(super) fn add(&self, check: Check) {
        self.0.board.push_whole(check);
    }

    /// Hashes bytes as they come.
    pub(super) fn add_growing(&self, check: Check) -> Growing {
        Growing {
            index: self.0.board.push_growing(check),
            board: Arc::clone(&self.0.board),
        }
    }

    /// Sees to it that a file is used only if it stays as it is until [`Self::diff_ids`] and
    /// [`Self::finish`].
    pub(super) fn watch(&self, file: Unchanged) {
        lock(&self.0.watched).push(file);
    }

    /// Verifies a layer with others that have it, too.
    pub(super) fn share(&self, layer: usize, verifying: Verifying) {
        lock(&self.0.shared).push((layer, verifying));
    }

    /// Nothing more comes to be hashed: the threads may end.
    pub(super) fn has_all(&self) {
        self.0.board.close();
    }

    /// Whether something is known not to be what it should be.
    pub(super) fn has_failed(&self) -> bool {
        self.0.board.has_failed()
    }

    /// Begins to give back what the work directory holds of the layers, behind who reads it for the
    /// last time and tells [`GivingBack`].
    pub fn giving_back<'a>(&self, contents: &'a Contents) -> GivingBack<'a> {
        let on = |board: &Arc<Board>, spool: Option<(Arc<File>, usize)>| {
            spool.map(|(file, check)| (file, Arc::clone(board), check))
        };
        let own = self.0.board.spools(self.0.layers.len()).into_iter();
        let mut spools: Vec<_> = own.map(|spool| on(&self.0.board, spool)).collect();
        for (layer, shared) in &*lock(&self.0.shared) {
            let board = &shared.0.board;
            spools[*layer] = board.spools(1).pop().and_then(|spool| on(board, spool));
        }
        GivingBack::start(spools, contents)
    }

    /// Gives up what is above a layer that failed. Its stored bytes still count: damaged ones are
    /// better called so than by what they happened to break.
    pub(super) fn give_up_above(&self, layer: usize) {
        self.0.board.give_up_above(layer);
        lock(&self.0.shared).retain(|(shared, _)| *shared <= layer);
    }

    /// Passes on what a later step says of the layers. Where that is an error, it may come of
    /// bytes that are not the image's, which is then the error to report.
    ///
    /// # Errors
    /// The step's; [`Self::finish`]'s in its place.
    pub fn unless_damaged<T>(self, said: Result<T>) -> Result<(T, Self)> {
        match said {
            Ok(value) => Ok((value, self)),
            // Of a file that is shorter than it was, that it changed is told by its name.
            Err(error) if is_early_end(&error) => {
                self.0.check_unchanged()?;
                Err(error)
            }
            // The machine's troubles are no news of the layers.
            Err(error @ (Error::Io { .. } | Error::Network { .. } | Error::Tool(_))) => Err(error),
            Err(error) => {
                self.finish()?;
                Err(error)
            }
        }
    }

    /// The layers' diff IDs, base first: as they were stated, whether or not that holds; and where
    /// nobody has stated one, as it is, which is waited for and helped with. This is the only place
    /// to have them from.
    ///
    /// # Errors
    /// [`Error::Io`] where such a layer cannot be read, or has changed since reading it began.
    pub fn diff_ids(&self) -> Result<Vec<DiffId>> {
        let work = &*self.0;
        let layers = work.layers.iter().enumerate();
        let diff_ids = layers.map(|(layer, named)| match &named.diff_id {
            Some(stated) => Ok(stated.clone()),
            None => {
                let found = work.board.found(layer);
                found.map_err(|error| work.located(layer, error))
            }
        });
        let diff_ids = diff_ids.collect::<Result<_>>()?;
        work.check_unchanged()?;
        Ok(diff_ids)
    }

    /// Waits until every byte has been hashed, and helps.
    ///
    /// # Errors
    /// Of the lowest layer that has one: [`Error::BadImage`] with both digests where one differs,
    /// [`Error::Io`] where bytes cannot be read again, or have changed and had no digest to be held
    /// against.
    pub fn finish(self) -> Result<()> {
        let work = &*self.0;
        let own = work.first_error();
        // Whoever else has them may wait for them as well.
        let shared = lock(&work.shared).clone();
        let shared = shared.into_iter().filter_map(|(layer, shared)| {
            let (_, error) = shared.0.first_error()?;
            Some((layer, error))
        });
        let lowest = shared.chain(own).min_by_key(|(layer, _)| *layer);
        match lowest {
            Some((layer, error)) => Err(work.located(layer, error)),
            None => work.check_unchanged(),
        }
    }
}

fn is_early_end(error: &Error) -> bool {
    matches!(error, Error::Io { source, .. } if source.kind() == io::ErrorKind::UnexpectedEof)
}

impl Work {
    /// Waits for all that is to be hashed, and helps; gives what is wrong with the lowest layer that is
    /// not what it should be.
    fn first_error(&self) -> Option<(usize, Error)> {
        self.board.close();
        self.board.work();
        for thread in self.take_threads() {
            if let Err(panic) = thread.join() {
                std::panic::resume_unwind(panic);
            }
        }
        self.board.first_error()
    }

    fn located(&self, layer: usize, error: Error) -> Error {
        error
            .in_layer(&self.layers[layer].label)
            .in_image(&self.image)
    }

    fn check_unchanged(&self) -> Result<()> {
        let watched = lock(&self.watched);
        watched.iter().try_for_each(|file| file.check(&self.image))
    }

    fn take_threads(&self) -> Vec<JoinHandle<()>> {
        std::mem::take(&mut *lock(&self.threads))
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.board.stop();
        for thread in self.take_threads() {
            // Only on the way out of an error, or after a panic.
            let _ = thread.join();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
