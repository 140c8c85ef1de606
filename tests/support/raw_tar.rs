//! Tars put together byte by byte, for what no archiver would write.

const BLOCK: usize = 512;

/// One header; its checksum is right unless it is set afterwards.
#[derive(Clone)]
pub struct Header(pub [u8; BLOCK]);

impl Header {
    /// A POSIX header of an empty file, root's and of 1970.
    pub fn new(type_flag: u8, name: impl AsRef<[u8]>) -> Self {
        Self([0; BLOCK])
            .set(0, name.as_ref())
            .set(100, b"0000755\0")
            .set(108, b"0000000\0")
            .set(116, b"0000000\0")
            .set(124, b"00000000000\0")
            .set(136, b"00000000000\0")
            .set(156, &[type_flag])
            .set(257, b"ustar\x0000")
    }

    /// Bytes at an offset.
    pub fn set(mut self, at: usize, bytes: &[u8]) -> Self {
        self.0[at..at + bytes.len()].copy_from_slice(bytes);
        self
    }

    /// The size field.
    pub fn size(self, size: u64) -> Self {
        if size < 1 << 33 {
            return self.set(124, format!("{size:011o}").as_bytes());
        }
        self.set(124, &[0x80, 0, 0, 0])
            .set(128, &size.to_be_bytes())
    }

    /// A link's target.
    pub fn target(self, target: &str) -> Self {
        self.set(157, target.as_bytes())
    }

    /// With its checksum.
    pub fn bytes(&self) -> [u8; BLOCK] {
        let blank = self.clone().set(148, b"        ");
        let sum: u32 = blank.0.iter().map(|byte| u32::from(*byte)).sum();
        blank.set(148, format!("{sum:06o}\0 ").as_bytes()).0
    }
}

/// A pax record with its length.
pub fn record(keyword: &str, value: impl AsRef<[u8]>) -> Vec<u8> {
    let value = value.as_ref();
    let rest = keyword.len() + value.len() + 3;
    let length = (rest..).find(|length| rest + length.to_string().len() == *length);
    [
        format!("{} {keyword}=", length.unwrap()).as_bytes(),
        value,
        b"\n",
    ]
    .concat()
}

/// A tar in the making.
#[derive(Default, Clone)]
pub struct RawTar(pub Vec<u8>);

impl RawTar {
    /// A header and nothing after it.
    pub fn header(mut self, header: Header) -> Self {
        self.0.extend(header.bytes());
        self
    }

    /// A header as it is, its checksum too.
    pub fn block(mut self, block: [u8; BLOCK]) -> Self {
        self.0.extend(block);
        self
    }

    /// Bytes as they are, and zeros to the next block.
    pub fn data(mut self, bytes: &[u8]) -> Self {
        self.0.extend(bytes);
        self.0.resize(self.0.len().next_multiple_of(BLOCK), 0);
        self
    }

    /// A header with its payload, whose size is set.
    pub fn member(self, header: Header, payload: &[u8]) -> Self {
        self.header(header.size(payload.len() as u64)).data(payload)
    }

    /// A regular file.
    pub fn file(self, name: &str, content: &[u8]) -> Self {
        self.member(Header::new(b'0', name), content)
    }

    /// A pax header for the next member.
    pub fn pax(self, records: &[(&str, &[u8])]) -> Self {
        let records: Vec<_> = records
            .iter()
            .flat_map(|(keyword, value)| record(keyword, value))
            .collect();
        self.member(Header::new(b'x', "pax"), &records)
    }

    /// The two zero blocks.
    pub fn end(mut self) -> Vec<u8> {
        self.0.extend([0; 2 * BLOCK]);
        self.0
    }
}
