//! A stream of blocks for each region: handed out and written in ascending order, all side by side.

use std::fs::File;
use std::ops::Range;

use super::block_writer::{BlockWriter, FEW_BYTES, MANY_BYTES, write_failed};
use crate::error::{Error, Result};
use crate::ext::plan::{Cursor, FreeRuns, Regions};
use crate::progress::Meter;
use crate::units::BlockNumber;

/// A region while it fills.
pub struct Stream<'a> {
    holds: &'static str,
    cursor: Cursor<'a>,
    /// The place behind the region.
    end: u64,
    /// Writes the region's blocks.
    pub writer: BlockWriter<'a>,
}

impl Stream<'_> {
    /// The next free blocks of the region: at least one, at most `wanted`, side by side.
    ///
    /// # Errors
    /// [`Error::Mismatch`] when there is none, which the plan rules out.
    pub fn allocate(&mut self, wanted: u32) -> Result<(BlockNumber, u32)> {
        let left = self.end.saturating_sub(self.cursor.place());
        let wanted = u32::try_from(left).map_or(wanted, |left| wanted.min(left));
        let blocks = self.cursor.allocate(wanted);
        blocks.ok_or_else(|| {
            let holds = self.holds;
            Error::Mismatch(format!("expected a free block for {holds}, found none"))
        })
    }

    /// Writes what is still gathered.
    fn finish(mut self) -> Result<()> {
        self.writer.finish().map_err(write_failed)?;
        match self.end - self.cursor.place() {
            0 => Ok(()),
            left => Err(Error::Mismatch(format!(
                "expected to use all blocks planned for {}, found {left} left",
                self.holds
            ))),
        }
    }
}

/// All regions while they fill.
pub struct Streams<'a> {
    /// Directories.
    pub directories: Stream<'a>,
    /// Extended attributes.
    pub attributes: Stream<'a>,
    /// Indirect blocks; an extent's block goes with what it maps.
    pub maps: Stream<'a>,
    /// Files' data and long targets of symlinks.
    pub data: Stream<'a>,
}

impl<'a> Streams<'a> {
    /// Streams into a file whose free blocks are `free`.
    pub fn new(
        file: &'a File,
        meter: &'a dyn Meter,
        free: &'a FreeRuns,
        regions: &Regions,
    ) -> Self {
        let stream = |holds, region: &Range<u64>, staged_bytes| Stream {
            holds,
            cursor: free.cursor(region.start),
            end: region.end,
            writer: BlockWriter::new(file, meter, staged_bytes),
        };
        Self {
            directories: stream("directories", &regions.directories, FEW_BYTES),
            attributes: stream("attributes", &regions.attributes, FEW_BYTES),
            maps: stream("maps of blocks", &regions.maps, FEW_BYTES),
            data: stream("files", &regions.data, MANY_BYTES),
        }
    }

    /// Writes what is still gathered.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Mismatch`] when a region was planned too large.
    pub fn finish(self) -> Result<()> {
        let Self {
            directories,
            attributes,
            maps,
            data,
        } = self;
        [directories, attributes, maps, data]
            .into_iter()
            .try_for_each(Stream::finish)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;

    #[test]
    fn a_stream_ends_with_its_region_and_tells_what_is_left_of_it() {
        let file = tempfile::tempfile().unwrap();
        let mut free = FreeRuns::default();
        free.push(10..20);
        free.push(30..40);
        let regions = Regions {
            directories: 0..3,
            attributes: 3..3,
            maps: 3..12,
            data: 12..20,
        };
        let mut streams = Streams::new(&file, &Silent, &free, &regions);
        assert_eq!(
            streams.directories.allocate(9).unwrap(),
            (BlockNumber(10), 3)
        );
        for (stream, holds) in [
            (&mut streams.directories, "directories"),
            (&mut streams.attributes, "attributes"),
        ] {
            let error = stream.allocate(1).unwrap_err();
            assert!(matches!(error, Error::Mismatch(_)), "{error}");
            assert!(error.to_string().contains(holds), "{error}");
        }
        assert_eq!(streams.maps.allocate(9).unwrap(), (BlockNumber(13), 7));
        assert_eq!(streams.maps.allocate(9).unwrap(), (BlockNumber(30), 2));
        assert_eq!(streams.data.allocate(7).unwrap(), (BlockNumber(32), 7));
        let error = streams.finish().unwrap_err();
        assert!(error.to_string().contains("files, found 1 left"), "{error}");
    }
}
