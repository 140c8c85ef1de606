//! The work itself: documents first, then layers and filesystems.

use std::fs::File;
use std::num::NonZeroUsize;
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::meeting::Written;
use super::up_to_date::Asked;
use super::{Batch, BatchItem, BatchWatch, Outcome, UpToDate};
use crate::error::{Error, Result};
use crate::ext::{ToolPaths, Tools};
use crate::layers::{Shelf, Taken, Wanted};
use crate::leftovers::{self, Begun};
use crate::pipeline::build::{Built, build_with};
use crate::pipeline::output::OutputRequest;
use crate::pipeline::reading::Opened;
use crate::pipeline::words::words;
use crate::progress::{OfImage, Reporter};
use crate::source::{Image, Place};

/// Images that stay open between the first look and their turn; others are opened again.
const MOST_OPEN: usize = 64;

pub(super) struct Run<'a> {
    batch: &'a Batch,
    watch: &'a dyn BatchWatch,
    reporter: &'a dyn Reporter,
    /// One at a time reads its layers, so that whoever comes next finds what it can share.
    reading: Mutex<()>,
    written: Mutex<Written>,
    /// That two outputs meet.
    meets: Mutex<Option<Error>>,
    /// Versions of e2fsprogs, by where it is.
    versions: Mutex<Vec<(String, Option<String>)>>,
    shelf: Shelf,
    open: AtomicUsize,
    spooled: AtomicUsize,
    jobs: NonZeroUsize,
}

/// An image on its way.
#[derive(Default)]
struct Turn {
    _begun: Option<Begun>,
    /// Found out once: the disk, asked again, might give another answer.
    place: Option<Place>,
    wanted: Option<Wanted>,
    opened: Option<Opened>,
    /// What became of it.
    known: Option<Outcome>,
    is_over: bool,
}

impl<'a> Run<'a> {
    pub(super) fn new(
        batch: &'a Batch,
        written: Written,
        watch: &'a dyn BatchWatch,
        reporter: &'a dyn Reporter,
    ) -> Self {
        let processors = || std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        Self {
            batch,
            watch,
            reporter,
            reading: Mutex::default(),
            written: Mutex::new(written),
            meets: Mutex::default(),
            versions: Mutex::default(),
            shelf: Shelf::default(),
            open: AtomicUsize::new(0),
            spooled: AtomicUsize::new(0),
            jobs: batch.jobs.unwrap_or_else(processors),
        }
    }

    /// Makes the items of these indexes.
    ///
    /// # Errors
    /// [`Error::Unsupported`] where outputs would meet; nothing was made.
    pub(super) fn items(&self, indexes: &[usize]) -> Result<()> {
        // Whoever is interrupted is told of all that is not done.
        let turn = |index: &usize| {
            let begun = leftovers::begin(&self.batch.items[*index].output.path);
            Mutex::new(Turn {
                _begun: Some(begun),
                ..Turn::default()
            })
        };
        let turns: Vec<_> = indexes.iter().map(turn).collect();
        let each = |work: &(dyn Fn(usize, &mut Turn) + Sync)| {
            side_by_side(self.jobs, indexes.len(), &|at| {
                let mut turn = lock(&turns[at]);
                if !turn.is_over {
                    work(indexes[at], &mut turn);
                }
            });
        };
        each(&|index, turn| {
            self.watch.begins(index);
            turn.known = self.look(index, turn);
        });
        // Now that the images' words are known, nothing is made yet.
        if let Some(error) = lock(&self.meets).take() {
            return Err(error);
        }
        each(&|index, turn| {
            let outcome = match turn.known.take() {
                Some(known) => known,
                None => {
                    self.watch.begins(index);
                    self.make(index, turn)
                }
            };
            self.ended(index, turn, &outcome);
        });
        Ok(())
    }

    fn ended(&self, index: usize, turn: &mut Turn, outcome: &Outcome) {
        *turn = Turn {
            is_over: true,
            ..Turn::default()
        };
        self.watch.ended(index, outcome);
    }

    /// Looks at an image's documents, where these can be had alone; gives what became of it if that is
    /// known by now.
    fn look(&self, index: usize, turn: &mut Turn) -> Option<Outcome> {
        match self.looked(index, turn) {
            Ok(up_to_date) => up_to_date.map(Outcome::UpToDate),
            Err(error) => Some(Outcome::Failed(error)),
        }
    }

    fn looked(&self, index: usize, turn: &mut Turn) -> Result<Option<UpToDate>> {
        let item = &self.batch.items[index];
        let place = Place::within(&item.image.reference, &item.image.open.reach)?;
        turn.place = Some(place.clone());
        if !place.has_documents() {
            return Ok(None);
        }
        let opened = self.open(place, item)?;
        let output = item.output.clone().filled(Some(&words(&opened.image)))?;
        if let Err(error) = self.note(index, &opened.image, &output) {
            lock(&self.meets).get_or_insert(error);
            return Ok(None);
        }
        if let Some(up_to_date) = self.up_to_date(item, &opened.image, &output)? {
            return Ok(Some(up_to_date));
        }
        turn.wanted = Some(self.shelf.want(&opened.image, &item.image.open.limits));
        if self.stays_open(&opened.image) {
            turn.opened = Some(opened);
        }
        Ok(None)
    }

    /// Notes what an item writes, and what it is laid out like, now that the image's words are known.
    fn note(&self, index: usize, image: &Image, output: &OutputRequest) -> Result<()> {
        let mut written = lock(&self.written);
        written.add(index, &output.paths())?;
        let like = self.batch.items[index].filesystem.like.as_ref();
        let path = like.and_then(|like| like.filled(&words(image)).ok());
        path.map_or(Ok(()), |path| written.spare_earlier(index, &path))
    }

    fn up_to_date(
        &self,
        item: &BatchItem,
        image: &Image,
        output: &OutputRequest,
    ) -> Result<Option<UpToDate>> {
        if self.batch.force {
            return Ok(None);
        }
        // Without it, the build says what is wrong.
        let Some(e2fsprogs) = self.e2fsprogs(&output.tools) else {
            return Ok(None);
        };
        Asked {
            item,
            image,
            output,
            e2fsprogs: &e2fsprogs,
            is_hashing: self.batch.check_outputs,
        }
        .up_to_date()
    }

    /// The version of e2fsprogs, asked once.
    fn e2fsprogs(&self, paths: &ToolPaths) -> Option<String> {
        let mut versions = lock(&self.versions);
        let place = format!("{paths:?}");
        if let Some((_, version)) = versions.iter().find(|(known, _)| *known == place) {
            return version.clone();
        }
        let found = Tools::find(paths, false, false, self.reporter);
        let version = found.ok().map(|tools| tools.version);
        versions.push((place, version.clone()));
        version
    }

    fn open(&self, place: Place, item: &BatchItem) -> Result<Opened> {
        let name = item.name();
        let output = item.output.clone().filled(None)?;
        let image = output.read_from(&item.image);
        Opened::at(place, &image, &self.named(&name))
    }

    fn named<'n>(&'n self, image: &'n str) -> OfImage<'n> {
        OfImage {
            image,
            reporter: self.reporter,
        }
    }

    fn stays_open(&self, image: &Image) -> bool {
        let (count, most) = match is_spooled(image) {
            true => (&self.spooled, self.jobs.get()),
            false => (&self.open, MOST_OPEN),
        };
        count.fetch_add(1, Ordering::Relaxed) < most
    }

    fn make(&self, index: usize, turn: &mut Turn) -> Outcome {
        let item = &self.batch.items[index];
        let mut taken = Taken::default();
        let again = Turn {
            place: turn.place.clone(),
            ..Turn::default()
        };
        let mut built = self.attempt(index, std::mem::take(turn), &mut taken);
        if built.is_err() && taken.is_damaged() {
            // What was read for another image: this one's own layers may be sound.
            built = self.attempt(index, again, &mut taken);
        }
        match built {
            Ok(built) => {
                let name = item.name();
                for warning in built.warnings.lines() {
                    self.named(&name).warn(&warning);
                }
                Outcome::Built(Box::new(built))
            }
            Err(error) => Outcome::Failed(error),
        }
    }

    fn attempt(&self, index: usize, turn: Turn, taken: &mut Taken) -> Result<Built> {
        let item = &self.batch.items[index];
        let name = item.name();
        let named = self.named(&name);
        let place = match turn.place {
            Some(place) => place,
            None => Place::within(&item.image.reference, &item.image.open.reach)?,
        };
        let Turn { opened, wanted, .. } = turn;
        let open = |_: &OutputRequest| match opened {
            Some(opened) => Ok(opened),
            None => self.open(place.clone(), item),
        };
        let read = |opened: Opened, output: &OutputRequest| {
            // Of one that had no documents to look at before.
            self.note(index, &opened.image, output)?;
            let _one = lock(&self.reading);
            let image = output.read_from(&item.image);
            let reading = opened.read(wanted, &image, &named)?;
            *taken = reading.layers.taken.clone();
            Ok(reading)
        };
        build_with(
            &place,
            &item.image,
            &item.filesystem,
            &item.output,
            &named,
            open,
            read,
        )
    }
}

/// Whether it takes room in the work directory.
fn is_spooled(image: &Image) -> bool {
    let is_unnamed = |file: &File| file.metadata().is_ok_and(|metadata| metadata.nlink() == 0);
    let at_hand = image
        .layers
        .iter()
        .filter_map(|layer| layer.stored.at_hand());
    at_hand.into_iter().any(|region| is_unnamed(&region.file))
}

/// Does `work` for each number below `count`, on so many threads.
fn side_by_side(jobs: NonZeroUsize, count: usize, work: &(dyn Fn(usize) + Sync)) {
    let next = AtomicUsize::new(0);
    let all = || {
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            if at >= count {
                return;
            }
            work(at);
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..jobs.get().min(count) {
            let named = std::thread::Builder::new().name("image".to_owned());
            // This one works, too: others are welcome but not needed.
            if named.spawn_scoped(scope, all).is_err() {
                break;
            }
        }
        all();
    });
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
