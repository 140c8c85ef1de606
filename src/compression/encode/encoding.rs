//! How it is to be compressed.

use std::fmt;
use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::str::FromStr;

/// The compressions that are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EncodingForm {
    /// gzip (RFC 1952).
    Gzip,
    /// zstd (RFC 8878) in frames that can be found (zstd's seekable format).
    Zstd,
}

/// A compression and how hard it tries, written as `gzip` or `zstd:19`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Encoding {
    form: EncodingForm,
    level: i32,
}

/// Memory that all threads may take together, in bytes.
const MEMORY_BYTES: usize = 512 << 20;

impl EncodingForm {
    const ALL: [Self; 2] = [Self::Gzip, Self::Zstd];

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }

    /// What names of files of it end with.
    pub fn ending(self) -> &'static str {
        match self {
            Self::Gzip => ".gz",
            Self::Zstd => ".zst",
        }
    }

    /// Levels, from the fastest to the smallest.
    fn levels(self) -> RangeInclusive<i32> {
        match self {
            Self::Gzip => 1..=9,
            Self::Zstd => 1..=22,
        }
    }

    /// The level of its own program.
    fn usual_level(self) -> i32 {
        match self {
            Self::Gzip => 6,
            Self::Zstd => 3,
        }
    }
}

impl Encoding {
    /// `level` from 1 on, to 9 for gzip and to 22 for zstd; `None` beyond. Without one, that of gzip's
    /// or zstd's own program.
    pub fn new(form: EncodingForm, level: Option<i32>) -> Option<Self> {
        let level = level.unwrap_or(form.usual_level());
        form.levels()
            .contains(&level)
            .then_some(Self { form, level })
    }

    /// The compression.
    pub fn form(self) -> EncodingForm {
        self.form
    }

    /// How hard it tries.
    pub fn level(self) -> i32 {
        self.level
    }

    /// How much is compressed by itself: 1 MiB for gzip, 4 MiB for zstd.
    pub(super) fn block_bytes(self) -> usize {
        match self.form {
            EncodingForm::Gzip => 1 << 20,
            EncodingForm::Zstd => 4 << 20,
        }
    }

    /// As many threads as have room in memory: each has the library's tables, a block before and
    /// one after.
    pub(super) fn threads(self, jobs: NonZeroUsize) -> usize {
        self.threads_for(jobs, self.block_bytes())
    }

    /// The same for blocks of another length; at least one.
    pub(super) fn threads_for(self, jobs: NonZeroUsize, block_bytes: usize) -> usize {
        let each = self.tables_bytes() + 2 * block_bytes;
        jobs.get().min((MEMORY_BYTES / each).max(1))
    }

    /// What the library's tables take at most.
    pub(super) fn tables_bytes(self) -> usize {
        match (self.form, self.level) {
            (EncodingForm::Gzip, _) => 1 << 20,
            // 12.5 MiB for blocks of 4 MiB, and 65.2 beyond, by `ZSTD_sizeof_CCtx` of zstd 1.5.
            (EncodingForm::Zstd, ..=9) => 16 << 20,
            (EncodingForm::Zstd, _) => 80 << 20,
        }
    }
}

impl FromStr for Encoding {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, level) = match text.split_once(':') {
            Some((name, level)) => (name, Some(level)),
            None => (text, None),
        };
        let form = EncodingForm::ALL
            .into_iter()
            .find(|form| form.name() == name);
        let form = form.ok_or("expected gzip or zstd, and :LEVEL behind it")?;
        let number = level.map(|level| level.parse::<i32>().unwrap_or(0));
        Self::new(form, number).ok_or_else(|| {
            let (first, last) = form.levels().into_inner();
            format!(
                "expected a level from {first} to {last}, found '{}'",
                level.unwrap_or_default()
            )
        })
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.form.name(), self.level)
    }
}
