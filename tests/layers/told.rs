//! What is told of layers while they are read.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use layerpress::error::Error;
use layerpress::limits::Limits;
use layerpress::progress::{Meter, Reporter, Task};
use layerpress::source::LayerBlob;

use crate::streams::{gzip, noisy_tar};
use crate::support::{Verified, blob, digest, image, options, read};

/// Notes what begins, how much is added and how it ends.
#[derive(Default, Clone)]
struct Notes(Arc<Mutex<Vec<String>>>);

impl Notes {
    fn push(&self, line: String) {
        self.0.lock().unwrap().push(line);
    }
}

impl Reporter for Notes {
    fn begin(&self, task: Task<'_>) -> Box<dyn Meter> {
        let Task {
            name, unit, total, ..
        } = task;
        self.push(format!("{name} {unit:?} {}", total.unwrap()));
        Box::new(Note(self.clone(), name.to_owned(), AtomicU64::new(0)))
    }
    fn note(&self, _: &str) {}
    fn warn(&self, _: &str) {}
    fn command_line(&self, _: &str) {}
}

struct Note(Notes, String, AtomicU64);

impl Meter for Note {
    fn add(&self, amount: u64) {
        self.2.fetch_add(amount, Ordering::Relaxed);
    }
    fn status(&self, status: &str) {
        self.0.push(format!("{}: {status}", self.1));
    }
    fn wait(&self, for_what: &str) {
        self.0.push(format!("{} waits for {for_what}", self.1));
    }
    fn finish(&self, outcome: &str) {
        self.0
            .push(format!("{outcome} {}", self.2.load(Ordering::Relaxed)));
    }
}

fn notes_of(blobs: Vec<LayerBlob>) -> (Vec<String>, Result<Verified, Error>) {
    let notes = Notes::default();
    let result = read(&image(blobs), &options(Limits::default(), 1), &notes);
    let lines = std::mem::take(&mut *notes.0.lock().unwrap());
    (lines, result)
}

#[test]
fn progress_counts_every_stored_byte_once() {
    let tar = noisy_tar();
    let stored = gzip(&tar);
    let hex = |bytes: &[u8]| digest(bytes).digest()[..12].to_owned();
    let (notes, result) = notes_of(vec![blob(&tar, &tar), blob(&stored, &tar)]);
    result.unwrap();
    let one = format!("layer 1 of 2 sha256:{}", hex(&tar));
    let two = format!("layer 2 of 2 sha256:{}", hex(&stored));
    let expected = [
        // What each layer waits for is told from the start.
        format!("{one} Bytes {}", tar.len()),
        format!("{one} waits for a free reader"),
        format!("{two} Bytes {}", stored.len()),
        format!("{two} waits for a free reader"),
        format!("{one}: reading"),
        format!("{one}: verifying"),
        format!("{two}: reading"),
        format!("{two}: verifying"),
        // With one job all is verified after all has been read.
        format!("verified {}", tar.len()),
        format!("verified {}", stored.len()),
    ];
    assert_eq!(notes, expected);
}

#[test]
fn layers_above_a_failed_one_are_not_read() {
    let tar = noisy_tar();
    let cut = &tar[..700];
    let (notes, result) = notes_of(vec![blob(cut, cut), blob(&tar, &tar)]);
    assert!(result.is_err());
    let read: Vec<_> = notes
        .iter()
        .filter(|note| note.ends_with(": reading"))
        .collect();
    assert_eq!(read.len(), 1, "{notes:?}");
    assert!(read[0].starts_with("layer 1 of 2"), "{notes:?}");
}
