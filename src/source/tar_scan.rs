//! The names in an archive's tar and where their bytes are: enough of the format for containers
//! of blobs, far too little for layers.

use tar::{EntryType, Header};

use crate::error::{Error, Result};
use crate::limits::Limits;
use crate::region::FileRegion;

const BLOCK: u64 = 512;

/// One member of an archive.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Member {
    /// The name as stored.
    pub name: Vec<u8>,
    pub kind: MemberKind,
    /// Where its bytes are in the archive.
    pub offset_bytes: u64,
    pub size_bytes: u64,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum MemberKind {
    File,
    /// A symbolic link, to be read from its directory.
    Symlink(Vec<u8>),
    /// A hard link, to be read from the archive's root.
    HardLink(Vec<u8>),
    /// Directories, devices, sparse files: nothing a blob is stored as.
    Other,
}

/// What extension headers say about the entry that follows them.
#[derive(Default)]
struct Extensions {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
}

/// Reads a tar header by header, jumping over the contents.
pub(super) struct TarScan<'a> {
    archive: &'a FileRegion,
    limits: &'a Limits,
    position: u64,
}

impl<'a> TarScan<'a> {
    pub(super) fn new(archive: &'a FileRegion, limits: &'a Limits) -> Self {
        Self {
            archive,
            limits,
            position: 0,
        }
    }

    /// The next member, `None` at the end of the archive: two blocks of zeros, or no bytes at
    /// all, as GNU tar accepts it.
    pub(super) fn next(&mut self) -> Result<Option<Member>> {
        let mut extensions = Extensions::default();
        loop {
            let start = self.position;
            let Some(header) = self.header().map_err(|error| error.at_byte(start))? else {
                return Ok(None);
            };
            let read = self.entry(&header, &mut extensions);
            if let Some(member) = read.map_err(|error| error.at_byte(start))? {
                return Ok(Some(member));
            }
        }
    }

    fn header(&mut self) -> Result<Option<Header>> {
        if self.position == self.archive.length_bytes {
            return Ok(None);
        }
        let header = self.block()?;
        if is_zero(&header) {
            let at_end = self.position == self.archive.length_bytes || is_zero(&self.block()?);
            return if at_end {
                Ok(None)
            } else {
                Err(Error::bad_image(
                    "a lone block of zeros between tar entries",
                ))
            };
        }
        check_checksum(&header)?;
        Ok(Some(header))
    }

    fn block(&mut self) -> Result<Header> {
        let mut header = Header::new_old();
        self.archive
            .read_exact_at(header.as_mut_bytes(), self.position)
            .map_err(truncated)?;
        self.position += BLOCK;
        Ok(header)
    }

    /// A member, or `None` for an extension header that was taken in.
    fn entry(&mut self, header: &Header, extensions: &mut Extensions) -> Result<Option<Member>> {
        let kind = header.entry_type();
        let own_size = header
            .entry_size()
            .map_err(|error| Error::bad_image(format!("a broken size: {error}")))?;
        match kind {
            EntryType::GNULongName => extensions.path = Some(until_nul(self.payload(own_size)?)),
            EntryType::GNULongLink => extensions.link = Some(until_nul(self.payload(own_size)?)),
            EntryType::XHeader => extensions.read_pax(&self.payload(own_size)?)?,
            EntryType::XGlobalHeader => self.skip(own_size)?,
            _ => {
                return self
                    .member(header, kind, own_size, std::mem::take(extensions))
                    .map(Some);
            }
        }
        Ok(None)
    }

    fn member(
        &mut self,
        header: &Header,
        kind: EntryType,
        own_size: u64,
        extensions: Extensions,
    ) -> Result<Member> {
        let link = || match &extensions.link {
            Some(link) => link.clone(),
            None => header.link_name_bytes().unwrap_or_default().into_owned(),
        };
        let has_data = !matches!(
            kind,
            EntryType::Link
                | EntryType::Symlink
                | EntryType::Char
                | EntryType::Block
                | EntryType::Directory
                | EntryType::Fifo
        );
        let size_bytes = if has_data {
            extensions.size.unwrap_or(own_size)
        } else {
            0
        };
        if kind == EntryType::GNUSparse {
            self.skip_sparse_maps(header)?;
        }
        let offset_bytes = self.position;
        self.skip(size_bytes)?;
        Ok(Member {
            kind: match kind {
                EntryType::Regular | EntryType::Continuous => MemberKind::File,
                EntryType::Symlink => MemberKind::Symlink(link()),
                EntryType::Link => MemberKind::HardLink(link()),
                _ => MemberKind::Other,
            },
            name: match extensions.path {
                Some(path) => path,
                None => header.path_bytes().into_owned(),
            },
            offset_bytes,
            size_bytes,
        })
    }

    /// The further blocks of an old GNU sparse map, which the size does not count.
    fn skip_sparse_maps(&mut self, header: &Header) -> Result<()> {
        let mut is_extended = header.as_bytes()[482] != 0;
        while is_extended {
            is_extended = self.block()?.as_bytes()[504] != 0;
        }
        Ok(())
    }

    fn payload(&mut self, size_bytes: u64) -> Result<Vec<u8>> {
        if size_bytes > self.limits.max_header_bytes {
            return Err(Error::bad_image(format!(
                "an extension header of {size_bytes} bytes, more than {} (--max-header-bytes raises the limit)",
                self.limits.max_header_bytes
            )));
        }
        let start = self.position;
        self.skip(size_bytes)?;
        let mut payload = vec![0; usize::try_from(size_bytes).unwrap_or(usize::MAX)];
        self.archive
            .read_exact_at(&mut payload, start)
            .map_err(truncated)?;
        Ok(payload)
    }

    /// Over an entry's bytes and their padding; the last padding may be cut off.
    fn skip(&mut self, size_bytes: u64) -> Result<()> {
        let left = self.archive.length_bytes - self.position;
        if size_bytes > left {
            return Err(Error::bad_image(format!(
                "truncated: expected {size_bytes} bytes of data, found {left}"
            )));
        }
        let padded = size_bytes.checked_next_multiple_of(BLOCK).unwrap_or(left);
        self.position += padded.min(left);
        Ok(())
    }
}

impl Extensions {
    /// Pax records by their own length (POSIX pax, "pax Extended Header").
    fn read_pax(&mut self, mut records: &[u8]) -> Result<()> {
        let broken = || Error::bad_image("a broken pax header");
        while !records.is_empty() {
            let space = records
                .iter()
                .position(|&byte| byte == b' ')
                .ok_or_else(broken)?;
            let length: usize = decimal(&records[..space]).ok_or_else(broken)?;
            let record = records.get(space + 1..length).ok_or_else(broken)?;
            records = &records[length..];
            let record = record.strip_suffix(b"\n").ok_or_else(broken)?;
            let equals = record
                .iter()
                .position(|&byte| byte == b'=')
                .ok_or_else(broken)?;
            let (key, value) = (&record[..equals], &record[equals + 1..]);
            match key {
                b"path" => self.path = Some(value.to_vec()),
                b"linkpath" => self.link = Some(value.to_vec()),
                b"size" => self.size = Some(decimal(value).ok_or_else(broken)?),
                _ => {}
            }
        }
        Ok(())
    }
}

fn decimal<T: std::str::FromStr>(digits: &[u8]) -> Option<T> {
    let plain = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    plain.then(|| std::str::from_utf8(digits).ok()?.parse().ok())?
}

fn until_nul(mut bytes: Vec<u8>) -> Vec<u8> {
    let end = bytes.iter().position(|&byte| byte == 0);
    bytes.truncate(end.unwrap_or(bytes.len()));
    bytes
}

fn is_zero(header: &Header) -> bool {
    header.as_bytes().iter().all(|&byte| byte == 0)
}

/// Whether a block is a tar header: its checksum fits.
pub(super) fn is_header(block: &[u8; 512]) -> bool {
    let mut header = Header::new_old();
    header.as_mut_bytes().copy_from_slice(block);
    !is_zero(&header) && check_checksum(&header).is_ok()
}

/// The sum of the header's bytes, its own field read as spaces; some old tars summed signed bytes.
fn check_checksum(header: &Header) -> Result<()> {
    let bytes = header.as_bytes();
    let others = || bytes[..148].iter().chain(&bytes[156..]);
    let unsigned = 256 + others().map(|&byte| i64::from(byte)).sum::<i64>();
    let signed = 256
        + others()
            .map(|&byte| i64::from(byte.cast_signed()))
            .sum::<i64>();
    match header.cksum() {
        Ok(found) if [unsigned, signed].contains(&i64::from(found)) => Ok(()),
        Ok(found) => Err(Error::bad_image(format!(
            "not a tar header: expected the checksum {unsigned}, found {found}"
        ))),
        Err(_) => Err(Error::bad_image(
            "not a tar header: its checksum is no number",
        )),
    }
}

fn truncated(error: std::io::Error) -> Error {
    if error.kind() == std::io::ErrorKind::UnexpectedEof {
        return Error::bad_image("truncated: expected more of the archive");
    }
    Error::io("cannot read the archive", error)
}
