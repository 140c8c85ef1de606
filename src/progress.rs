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

/// Which part of the work a [`Task`] belongs to, for whoever asks how far the whole is. The order is
/// that in which a build comes to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// The image is found: a daemon is asked, a pipe is read.
    Find,
    /// Layers are downloaded, decompressed, indexed and verified.
    Layers,
    /// Layers become one tree.
    Flatten,
    /// A filesystem is made of the tree and sealed.
    Write,
    /// What was made is proved: e2fsck, readers, hashes of blocks.
    Prove,
    /// What was made is hashed, compressed and named.
    Finish,
    /// Filesystems or images are held against each other.
    Compare,
    /// Files are taken out.
    Extract,
    /// A filesystem becomes a layer and an image.
    Export,
    /// A filesystem is sent into a registry or fetched out of it.
    Transfer,
}

impl Phase {
    /// The word for it, for people and programs.
    pub fn word(self) -> &'static str {
        match self {
            Self::Find => "find",
            Self::Layers => "layers",
            Self::Flatten => "flatten",
            Self::Write => "write",
            Self::Prove => "prove",
            Self::Finish => "finish",
            Self::Compare => "compare",
            Self::Extract => "extract",
            Self::Export => "export",
            Self::Transfer => "transfer",
        }
    }
}

/// A piece of work that is told of.
#[derive(Debug, Clone, Copy)]
pub struct Task<'a> {
    /// What it is a part of.
    pub phase: Phase,
    /// What a person reads (`layer 2 sha256:0123456789ab`).
    pub name: &'a str,
    /// What is counted.
    pub unit: Unit,
    /// How much there is to do, where that is known.
    pub total: Option<u64>,
}

impl<'a> Task<'a> {
    /// So many bytes; `None` where it is not known how many.
    pub fn bytes(phase: Phase, name: &'a str, total: impl Into<Option<u64>>) -> Self {
        Self::new(phase, name, Unit::Bytes, total.into())
    }

    /// So many bytes over a network.
    pub fn transferred(phase: Phase, name: &'a str, total: impl Into<Option<u64>>) -> Self {
        Self::new(phase, name, Unit::TransferredBytes, total.into())
    }

    /// So many things.
    pub fn items(phase: Phase, name: &'a str, total: impl Into<Option<u64>>) -> Self {
        Self::new(phase, name, Unit::Items, total.into())
    }

    fn new(phase: Phase, name: &'a str, unit: Unit, total: Option<u64>) -> Self {
        Self {
            phase,
            name,
            unit,
            total,
        }
    }
}

/// The listener: progress bars, plain lines, JSON lines or nothing.
pub trait Reporter: Send + Sync {
    /// A task begins. It ends when the meter is finished or dropped.
    fn begin(&self, task: Task<'_>) -> Box<dyn Meter>;

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

    /// What is being done now, where a task has several stages: `downloading`, `verifying`.
    fn status(&self, _status: &str) {}

    /// Nothing is done for now; `for_what` is what truly holds it (`a connection`). The time until the
    /// next [`add`](Self::add) or [`status`](Self::status) is not the task's own.
    fn wait(&self, _for_what: &str) {}

    /// The task is done; `outcome` is a word or two for the line that stays (`verified`).
    fn finish(&self, outcome: &str);
}

/// A listener that hears nothing, for library use and tests.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Reporter for Silent {
    fn begin(&self, _: Task<'_>) -> Box<dyn Meter> {
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
    fn begin(&self, task: Task<'_>) -> Box<dyn Meter> {
        self.reporter.begin(Task {
            name: &self.named(task.name),
            ..task
        })
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
