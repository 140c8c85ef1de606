//! Random tars of every dialect, put together byte by byte.

use crate::raw_tar::{Header, RawTar, record};

/// What some readers see differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Feature {
    GlobalHeader,
    /// A regular file whose name ends in a slash.
    FileWithSlash,
    VolumeLabel,
    /// A sparse file whose last byte is in a hole.
    EndsInHole,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dialect {
    V7,
    Ustar,
    Gnu,
    Pax,
}

/// Knuth's MMIX generator.
pub struct Random {
    state: u64,
    /// Python does not apply global headers to sparse files of the old format: there are none then.
    has_global: bool,
    ends_in_hole: bool,
}

impl Random {
    pub fn new(seed: u64) -> Self {
        Self {
            state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            has_global: false,
            ends_in_hole: false,
        }
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.state = self
            .state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.state >> 33) % limit
    }

    fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len() as u64) as usize]
    }

    fn bytes(&mut self, most: u64) -> Vec<u8> {
        (0..self.below(most))
            .map(|_| self.below(256) as u8)
            .collect()
    }

    /// A path of about so many bytes, any but NUL among them.
    fn path(&mut self, length: u64) -> Vec<u8> {
        let letters: &[u8] = match self.below(4) {
            0 => b"a b\n\"\\'\xff\xc3\xa4",
            _ => b"abcdefghij.-_0123456789",
        };
        let mut path = Vec::new();
        while (path.len() as u64) < length {
            // Never a slash at the end, nor `.` and `..`.
            path.push(b'x');
            path.extend((0..self.below(30)).map(|_| self.of(letters)));
            path.push(b'/');
        }
        path.push(b'x');
        path
    }

    /// A tar of a few members, of features that are `allowed` only.
    pub fn tar(&mut self, allowed: &dyn Fn(Feature) -> bool) -> Vec<u8> {
        self.ends_in_hole = allowed(Feature::EndsInHole);
        let mut tar = RawTar::default();
        let mut paths: Vec<Vec<u8>> = Vec::new();
        for _ in 0..4 + self.below(12) {
            for feature in [
                Feature::GlobalHeader,
                Feature::FileWithSlash,
                Feature::VolumeLabel,
            ] {
                if self.one_in(12) && allowed(feature) {
                    tar = with(feature, tar);
                    self.has_global |= feature == Feature::GlobalHeader;
                }
            }
            let path = match paths.len() as u64 {
                0 => self.path(5),
                // Names that come again.
                count if self.one_in(6) => paths[self.below(count) as usize].clone(),
                _ => {
                    let length = self.of(&[1, 20, 60, 95, 130, 240, 400]);
                    self.path(length)
                }
            };
            tar = self.member(tar, &path);
            paths.push(path);
        }
        match self.below(3) {
            0 => tar.0,
            1 => tar.data(&[0; 1024]).data(&vec![0; 8192]).0,
            _ => tar.end(),
        }
    }

    fn member(&mut self, mut tar: RawTar, path: &[u8]) -> RawTar {
        let dialect = self.of(&[Dialect::V7, Dialect::Ustar, Dialect::Gnu, Dialect::Pax]);
        let types: &[u8] = match dialect {
            Dialect::V7 => b"\0\x0012",
            Dialect::Ustar => b"000123456",
            Dialect::Gnu if self.has_global => b"0012345677",
            Dialect::Gnu => b"0012345677SS",
            // `s` for sparse files in records.
            Dialect::Pax => b"00123456ss",
        };
        let kind = self.of(types);
        let (mut header, mut records) = (Header::new(b'0', b""), Vec::new());
        let mut record_of = |key: &str, value: &[u8]| records.extend(record(key, value));
        header = match dialect {
            Dialect::V7 => header.set(257, &[0; 8]),
            Dialect::Gnu => header.set(257, b"ustar  \0"),
            Dialect::Ustar | Dialect::Pax => header,
        };

        // Names.
        let fits = path.len() <= 100;
        let split =
            (path.len().saturating_sub(101)..path.len().min(156)).find(|at| path[*at] == b'/');
        let mut shown = path.to_vec();
        if kind == b'5' && self.one_in(2) && path.len() < 100 {
            shown.push(b'/');
        }
        let long = |tar: RawTar, letter: u8, name: &[u8]| {
            let payload = [name, b"\0"].concat();
            tar.member(
                Header::new(letter, "././@LongLink").set(257, b"ustar  \0"),
                &payload,
            )
        };
        match (dialect, split) {
            _ if fits => header = header.set(0, &shown),
            (Dialect::Gnu, _) => {
                tar = long(tar, b'L', path);
                header = header.set(0, &path[..100]);
            }
            (Dialect::Ustar, Some(at)) if at > 0 => {
                header = header.set(345, &path[..at]).set(0, &path[at + 1..]);
            }
            // Not at a slash: that would be a directory.
            (Dialect::V7, _) => header = header.set(0, &[&path[..98], b"x"].concat()),
            _ => {
                record_of("path", path);
                header = header.set(0, b"cut");
            }
        }
        if matches!(kind, b'1' | b'2') {
            let length = self.of(&[3, 80, 200]);
            let target = self.path(length);
            match dialect {
                _ if target.len() <= 100 => header = header.set(157, &target),
                Dialect::Gnu => tar = long(tar, b'K', &target),
                Dialect::Pax => record_of("linkpath", &target),
                _ => header = header.set(157, &target[..99]),
            }
        }

        // Numbers.
        let mode = self.below(0o10000);
        header = header.set(
            100,
            match self.below(3) {
                0 => format!("{mode:06o} \0"),
                1 => format!("{mode:7o}\0"),
                _ => format!("{mode:07o}\0"),
            }
            .as_bytes(),
        );
        for (at, key) in [(108, "uid"), (116, "gid")] {
            let id: u64 = self.of(&[0, 1000, 65_534, 0o7_777_777, 3_000_000_000]);
            match dialect {
                _ if id <= 0o7_777_777 => header = header.set(at, format!("{id:07o}\0").as_bytes()),
                Dialect::Gnu => header = header.set(at, &(id | 1 << 63).to_be_bytes()),
                Dialect::Pax => record_of(key, id.to_string().as_bytes()),
                _ => {}
            }
        }
        let seconds = self.below(1 << 31) as i64 - (1 << 29);
        header = match u64::try_from(seconds) {
            Ok(seconds) => header.set(136, format!("{seconds:011o}").as_bytes()),
            Err(_) if dialect == Dialect::Gnu => {
                header.set(136, &[0xff; 4]).set(140, &seconds.to_be_bytes())
            }
            Err(_) => header,
        };
        if dialect == Dialect::Pax && self.one_in(2) {
            let fraction = self.of(&["", ".5", ".125", ".25"]);
            record_of("mtime", format!("{}{fraction}", seconds.abs()).as_bytes());
            record_of("comment", b"any\nthing=");
            record_of("SCHILY.xattr.user.x", &self.bytes(20));
        }
        if matches!(kind, b'3' | b'4') {
            header = header
                .set(329, format!("{:07o}\0", self.below(4096)).as_bytes())
                .set(337, format!("{:07o}\0", self.below(1 << 20)).as_bytes());
        }

        // Data.
        let flag = if kind == b's' { b'0' } else { kind };
        header = header.set(156, &[flag]);
        let mut data = Vec::new();
        match kind {
            b'S' | b's' => {
                let extents = self.extents();
                let end = extents.last().map_or(0, |(offset, length)| offset + length);
                let hole = self.of(&[0, 1, 5000]);
                let size = if self.ends_in_hole { end + hole } else { end };
                let stored: u64 = extents.iter().map(|(_, length)| length).sum();
                data = (0..stored).map(|_| self.below(256) as u8).collect();
                if kind == b'S' {
                    return old_sparse(tar, header, &extents, size, &data);
                }
                let list: Vec<_> = extents
                    .iter()
                    .flat_map(|(offset, length)| [*offset, *length])
                    .collect();
                let list: Vec<_> = list.iter().map(u64::to_string).collect();
                match self.below(3) {
                    0 => {
                        record_of("GNU.sparse.size", size.to_string().as_bytes());
                        record_of("GNU.sparse.numblocks", extents.len().to_string().as_bytes());
                        for pair in list.chunks(2) {
                            record_of("GNU.sparse.offset", pair[0].as_bytes());
                            record_of("GNU.sparse.numbytes", pair[1].as_bytes());
                        }
                    }
                    1 => {
                        record_of("GNU.sparse.size", size.to_string().as_bytes());
                        record_of("GNU.sparse.numblocks", extents.len().to_string().as_bytes());
                        record_of("GNU.sparse.map", list.join(",").as_bytes());
                        record_of("GNU.sparse.name", path);
                    }
                    _ => {
                        record_of("GNU.sparse.major", b"1");
                        record_of("GNU.sparse.minor", b"0");
                        record_of("GNU.sparse.name", path);
                        record_of("GNU.sparse.realsize", size.to_string().as_bytes());
                        let mut map = format!("{}\n", extents.len()).into_bytes();
                        list.iter()
                            .for_each(|number| map.extend(format!("{number}\n").bytes()));
                        map.resize(map.len().next_multiple_of(512), 0);
                        data = [map, data].concat();
                    }
                }
            }
            0 | b'0' | b'7' => data = self.bytes(3000),
            _ => {}
        }
        if !records.is_empty() {
            tar = tar.member(Header::new(b'x', "pax"), &records);
        }
        tar.member(header, &data)
    }

    /// In order, apart, none empty, more than one.
    fn extents(&mut self) -> Vec<(u64, u64)> {
        let mut at = 0;
        (0..2 + self.below(40))
            .map(|_| {
                at += 512 * (1 + self.below(4));
                let extent = (at, 512);
                at += 512;
                extent
            })
            .collect()
    }
}

fn old_sparse(
    tar: RawTar,
    header: Header,
    extents: &[(u64, u64)],
    size: u64,
    data: &[u8],
) -> RawTar {
    let pair =
        |(offset, length): &(u64, u64)| format!("{offset:011o}\0{length:011o}\0").into_bytes();
    let (first, rest) = extents.split_at(extents.len().min(4));
    let map: Vec<u8> = first.iter().flat_map(pair).collect();
    let header = header
        .set(386, &map)
        .set(482, &[u8::from(!rest.is_empty())])
        .set(483, format!("{size:011o}\0").as_bytes())
        .size(data.len() as u64);
    let mut tar = tar.header(header);
    let blocks = rest.chunks(21);
    let count = blocks.len();
    for (index, extents) in blocks.enumerate() {
        let mut block = [0; 512];
        let map: Vec<u8> = extents.iter().flat_map(pair).collect();
        block[..map.len()].copy_from_slice(&map);
        block[504] = u8::from(index + 1 < count);
        tar = tar.block(block);
    }
    tar.data(data)
}

fn with(feature: Feature, tar: RawTar) -> RawTar {
    match feature {
        Feature::GlobalHeader => {
            let records = [record("mtime", b"77"), record("gid", b"78")].concat();
            let tar = tar.member(Header::new(b'g', "global"), &records);
            // A V7 header, say, after a pax one: it stands for all.
            tar.file("under the global one", b"x")
        }
        Feature::FileWithSlash => tar.file("slash/", b"content"),
        Feature::EndsInHole => {
            let header = Header::new(b'S', "hole").set(257, b"ustar  \0");
            old_sparse(tar, header, &[(0, 512)], 1000, &[7; 512])
        }
        Feature::VolumeLabel => tar.header(Header::new(b'V', "label").set(257, b"ustar  \0")),
    }
}

/// A tar of nothing else but that.
pub fn only(feature: Feature) -> Vec<u8> {
    with(feature, RawTar::default().file("before", b"x"))
        .file("after", b"y")
        .end()
}
