//! How the steps tell what they are doing, without knowing who listens.

/// What a [`Meter`] counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Bytes.
    Bytes,
    /// Bytes that come over a network: how fast they came is news, too.
    TransferredBytes,
    /// Directory entries, inodes or other things counted one by one.
    Items,
}

/// The listener: progress bars, plain lines, JSON lines or nothing.
pub trait Reporter: Send + Sync {
    /// A task begins. `name` is what a person reads (`layer 2 sha256:0123456789ab`), `total` how
    /// much there is to do where that is known. The task ends when the meter is finished or
    /// dropped.
    fn begin(&self, name: &str, unit: Unit, total: Option<u64>) -> Box<dyn Meter>;

    /// A fact worth a line, such as a size that had to be raised.
    fn note(&self, text: &str);

    /// Something that was not kept or not done, and why.
    fn warn(&self, text: &str);

    /// An external program's command line as it starts; shown with `-v`.
    fn command_line(&self, line: &str);
}

/// One task's progress. Call it per 64 KiB or more, not per entry.
pub trait Meter: Send + Sync {
    /// `amount` more is done.
    fn add(&self, amount: u64);

    /// What is being done now, where a task has several stages: `waiting`, `downloading`.
    fn status(&self, _status: &str) {}

    /// The task is done; `outcome` is a word or two for the line that stays (`verified`).
    fn finish(&self, outcome: &str);
}

/// A listener that hears nothing, for library use and tests.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Reporter for Silent {
    fn begin(&self, _: &str, _: Unit, _: Option<u64>) -> Box<dyn Meter> {
        Box::new(Silent)
    }
    fn note(&self, _: &str) {}
    fn warn(&self, _: &str) {}
    fn command_line(&self, _: &str) {}
}

impl Meter for Silent {
    fn add(&self, _: u64) {}
    fn finish(&self, _: &str) {}
}

/// Says of which image each task and each remark is, where one listener hears of several.
#[derive(Clone, Copy)]
pub struct OfImage<'a> {
    /// What a person calls the image.
    pub image: &'a str,
    /// Who hears of it.
    pub reporter: &'a dyn Reporter,
}

impl OfImage<'_> {
    fn named(&self, text: &str) -> String {
        format!("{}: {text}", self.image)
    }
}

impl Reporter for OfImage<'_> {
    fn begin(&self, name: &str, unit: Unit, total: Option<u64>) -> Box<dyn Meter> {
        self.reporter.begin(&self.named(name), unit, total)
    }
    fn note(&self, text: &str) {
        self.reporter.note(&self.named(text));
    }
    fn warn(&self, text: &str) {
        self.reporter.warn(&self.named(text));
    }
    fn command_line(&self, line: &str) {
        self.reporter.command_line(line);
    }
}
