//! The record loop: one pass over a tar, from header to header.
//!
//! Where readers of tar disagree, Go's `archive/tar` is followed, because containerd, docker and
//! podman unpack layers with it; what it reads in silence and GNU tar does not is refused or
//! counted.

use super::blocks::{Blocks, TarBytes, padding};
use super::entry::Entry;
use super::header::{BLOCK, Header};
use super::in_place::InPlace;
use super::member::{Member, Names, entry};
use super::pax::{Extended, Records, is_known};
use crate::error::{Error, Result};
use crate::limits::Limits;
use crate::region::FileRegion;
use crate::warnings::Warnings;

/// Reads a tar entry by entry; their data is passed over.
pub struct Reader<'a, R> {
    blocks: Blocks<R>,
    limits: &'a Limits,
    warnings: Warnings,
    global: Records,
    /// What all entries so far may have copied of the global headers.
    copied_from_global: u64,
    pending: Pending,
    is_at_end: bool,
    is_vouched_for: bool,
    ended_in_padding: Option<u64>,
}

/// Bytes that global headers may give to entries, for each byte of the tar. One of them stands for
/// all entries that follow, so that a long name or attribute there would be copied again and again.
/// Sixteen leave each entry twice what an inode can hold of attributes.
const COPIES_MAX: u64 = 16;

/// What extension headers have said about the entry that comes next.
#[derive(Default)]
struct Pending {
    records: Option<Records>,
    names: Names,
    bytes: u64,
}

impl Pending {
    fn is_empty(&self) -> bool {
        self.records.is_none() && self.names == Names::default()
    }
}

impl<'a> Reader<'a, InPlace<'a, ()>> {
    /// A reader of a tar that is at hand, from header to header.
    pub fn in_place(tar: &'a FileRegion, limits: &'a Limits) -> Self {
        Self::new(InPlace::new(tar, ()), limits)
    }
}

impl<'a, R: TarBytes> Reader<'a, R> {
    /// A reader of a tar from its start.
    pub fn new(tar: R, limits: &'a Limits) -> Self {
        Self {
            blocks: Blocks::new(tar),
            limits,
            warnings: Warnings::default(),
            global: Records::default(),
            copied_from_global: 0,
            pending: Pending::default(),
            is_at_end: false,
            is_vouched_for: false,
            ended_in_padding: None,
        }
    }

    /// The same for a tar that a digest vouches for, so that it is known to have had no more bytes: it may
    /// end within the padding after its last file's data, which loses nothing. Go's `archive/tar` reads such
    /// a tar in silence, umoci has written some; GNU tar, libarchive and Python take it for one that was cut
    /// short, and so it is refused where nothing says that it was not.
    #[must_use]
    pub fn vouched_for(mut self) -> Self {
        self.is_vouched_for = true;
        self
    }

    /// The byte at which the tar ended within the padding after its last file's data, if it did: known once
    /// there is no next entry.
    pub fn ended_in_padding(&self) -> Option<u64> {
        self.ended_in_padding
    }

    /// The next entry, `None` after the last: at two blocks of zeros, or at no bytes at all, as GNU
    /// tar accepts it.
    ///
    /// # Errors
    /// [`Error::BadImage`] and [`Error::Unsupported`] with the byte and, where it is known, the
    /// entry; what the tar's bytes fail with.
    pub fn next_entry(&mut self) -> Result<Option<Entry>> {
        while !self.is_at_end {
            let offset = self.blocks.position();
            let mut block = [0; BLOCK];
            let got = self.blocks.fill(&mut block)?;
            let found = self.record(&block, got, offset);
            if let Some(entry) = found.map_err(|error| error.at_byte(offset))? {
                return Ok(Some(entry));
            }
        }
        Ok(None)
    }

    /// Reads on behind the last entry, to the end of the bytes; gives what was noticed.
    ///
    /// # Errors
    /// As [`Self::next_entry`] has them.
    pub fn finish(mut self) -> Result<Warnings> {
        while self.next_entry()?.is_some() {}
        if !self.blocks.drain()? {
            self.warnings
                .count("data after the end of a tar not read", b"end of the tar");
        }
        Ok(self.warnings)
    }

    /// Takes a header, of which `got` bytes are there, and reads what belongs to it; an entry where it
    /// stands for one.
    fn record(&mut self, block: &[u8; BLOCK], got: usize, offset: u64) -> Result<Option<Entry>> {
        if got == 0 || (got == BLOCK && *block == [0; BLOCK]) {
            if !self.pending.is_empty() {
                return Err(Error::bad_image(
                    "expected an entry after an extension header, found the end of the tar",
                ));
            }
            if got > 0 {
                self.end()?;
            }
            self.is_at_end = true;
            return Ok(None);
        }
        if got < BLOCK {
            let missing = (BLOCK - got) as u64;
            return Err(self.blocks.truncated("a header", missing));
        }
        self.member(&Header::parse(block)?, offset)
    }

    fn member(&mut self, header: &Header<'_>, offset: u64) -> Result<Option<Entry>> {
        match header.type_flag() {
            // 'X' is what Solaris wrote before POSIX settled on 'x'.
            b'x' | b'X' => {
                let payload = self.extension(header)?;
                self.pending.records = Some(Records::parse(&payload)?);
            }
            b'g' => {
                let payload = self.extension(header)?;
                self.global_header(Records::parse(&payload)?)?;
            }
            b'L' => self.pending.names.path = Some(self.long_name(header)?),
            b'K' => self.pending.names.target = Some(self.long_name(header)?),
            // A volume label is a member that is no file.
            b'V' => {
                self.pending = Pending::default();
                self.skip_data(header.size()?)?;
            }
            _ => return self.file(header, offset).map(Some),
        }
        Ok(None)
    }

    /// An extension header's payload.
    fn extension(&mut self, header: &Header<'_>) -> Result<Vec<u8>> {
        let size = header.size()?;
        self.pending.bytes = self.pending.bytes.saturating_add(size);
        if self.pending.bytes > self.limits.max_header_bytes {
            return Err(Error::bad_image(format!(
                "expected at most {} bytes of extension headers for one entry, found {} (--max-header-bytes raises the limit)",
                self.limits.max_header_bytes, self.pending.bytes
            )));
        }
        self.blocks.payload(size, "an extension header")
    }

    fn long_name(&mut self, header: &Header<'_>) -> Result<Box<[u8]>> {
        let payload = self.extension(header)?;
        let name = payload.split(|byte| *byte == 0).next().unwrap_or_default();
        if name.is_empty() {
            return Err(Error::bad_image("expected a long name, found an empty one"));
        }
        Ok(name.into())
    }

    fn global_header(&mut self, records: Records) -> Result<()> {
        for keyword in records.keywords() {
            if keyword.starts_with(b"GNU.sparse.") || keyword == b"GNU.volume.filename" {
                return Err(Error::unsupported(format!(
                    "pax record '{}' in a global header",
                    crate::error::escape_path(keyword)
                )));
            }
        }
        self.count_unknown_keywords(&records, b"all later entries");
        self.global.merge(records);
        // Many small ones add up: this store is never emptied.
        if self.global.size_bytes() > self.limits.max_header_bytes {
            return Err(Error::bad_image(format!(
                "expected at most {} bytes of global headers, found {} (--max-header-bytes raises the limit)",
                self.limits.max_header_bytes,
                self.global.size_bytes()
            )));
        }
        Ok(())
    }

    fn count_unknown_keywords(&mut self, records: &Records, path: &[u8]) {
        for keyword in records.keywords().filter(|keyword| !is_known(keyword)) {
            // A name may be as long as the header, and so may be the list of keywords: the example
            // is made of the first only.
            self.warnings
                .count_with("pax keyword not known and not kept", || {
                    [keyword, b" of ", path].concat()
                });
        }
    }

    /// A header that stands for a file of some type, and its data.
    fn file(&mut self, header: &Header<'_>, offset: u64) -> Result<Entry> {
        self.count_copies(offset)?;
        let pending = std::mem::take(&mut self.pending);
        let own = pending.records.unwrap_or_default();
        let extended = Extended {
            own: &own,
            global: &self.global,
        };
        let member = entry(
            header,
            offset,
            pending.names,
            &extended,
            &mut self.blocks,
            self.limits,
            &mut self.warnings,
        )?;
        let Member { entry, data_bytes } = member;
        self.count_unknown_keywords(&own, &entry.path);
        self.skip_data(data_bytes)
            .map_err(|error| error.in_entry(&entry.path))?;
        Ok(entry)
    }

    fn count_copies(&mut self, offset: u64) -> Result<()> {
        self.copied_from_global = self
            .copied_from_global
            .saturating_add(self.global.copied_bytes());
        let most = (offset + BLOCK as u64)
            .saturating_mul(COPIES_MAX)
            .saturating_add(self.limits.max_header_bytes);
        if self.copied_from_global > most {
            return Err(Error::bad_image(format!(
                "expected global headers to give entries at most {COPIES_MAX} bytes of names and attributes for each byte of the tar, found more"
            )));
        }
        Ok(())
    }

    /// The padding must be whole too, as GNU tar, libarchive and Python have it, but for that of a tar
    /// which is vouched for.
    fn skip_data(&mut self, length: u64) -> Result<()> {
        let missing = self.blocks.skip(length)?;
        if missing > 0 {
            return Err(self.blocks.truncated("a file's data", missing));
        }
        let missing = self.blocks.skip(padding(length))?;
        if missing == 0 {
            return Ok(());
        }
        if self.is_vouched_for {
            self.ended_in_padding = Some(self.blocks.position());
            return Ok(());
        }
        let what = "the padding after a file's data";
        Err(self.blocks.truncated(what, missing))
    }

    /// After the first zero block: a second one ends the tar.
    fn end(&mut self) -> Result<()> {
        let offset = self.blocks.position();
        let mut block = [0; BLOCK];
        match self.blocks.fill(&mut block)? {
            0 => self
                .warnings
                .count("tar that ends in a lone zero block", b"end of the tar"),
            BLOCK if block == [0; BLOCK] => {}
            BLOCK => {
                return Err(Error::bad_image(
                    "expected a second zero block at the end of the tar, found something else",
                )
                .at_byte(offset));
            }
            got => {
                let missing = (BLOCK - got) as u64;
                return Err(self
                    .blocks
                    .truncated("its end marker", missing)
                    .at_byte(offset));
            }
        }
        Ok(())
    }
}
