//! What is changed at random, and how: the same on every run.

use super::raw_tar::{Header, RawTar};

/// A generator whose every run is the same.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    /// Changes some bytes, mostly to those that mean something.
    pub fn mutate(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len());
            let length = 1 + self.below(12);
            let end = bytes.len().min(at + length);
            match self.below(8) {
                0 => bytes[at] ^= 1 << self.below(8),
                1 => bytes[at] = self.next() as u8,
                2 => bytes[at..end].fill(0),
                3 => bytes[at..end].fill(0xff),
                4 => bytes[at..end].fill(b"079/.-= \n"[self.below(9)]),
                5 => drop(bytes.drain(at..end)),
                6 => {
                    let again = bytes[at..end].to_vec();
                    bytes.splice(at..at, again);
                }
                _ => bytes.truncate(at.max(1)),
            }
            if bytes.is_empty() {
                bytes.push(0);
            }
        }
    }

    /// Changes a tar so that it stays one in form: checksums are made right again.
    pub fn mutate_tar(&mut self, tar: &mut [u8]) {
        let blocks = tar.len() / 512;
        for _ in 0..=self.below(3) {
            let at = self.below(blocks) * 512;
            if at + 512 > tar.len() {
                continue;
            }
            let is_header = &tar[at + 257..at + 262] == b"ustar";
            if !is_header {
                let byte = at + self.below(512);
                tar[byte] = self.next() as u8;
                continue;
            }
            // Name, mode, ids, size, time, type and target count more than what follows.
            let fields = [
                (0, 100),
                (100, 8),
                (108, 16),
                (124, 12),
                (136, 12),
                (156, 1),
                (157, 100),
            ];
            let (start, length) = fields[self.below(fields.len())];
            let byte = at + start + self.below(length.min(14));
            let letters = b"0123456789/.wh\0\xff\x80 xgLKSDV7aox";
            tar[byte] = letters[self.below(letters.len())];
            let mut header = [0; 512];
            header.copy_from_slice(&tar[at..at + 512]);
            tar[at..at + 512].copy_from_slice(&Header(header).bytes());
        }
    }
}

/// A tar with one of everything.
pub fn base() -> Vec<u8> {
    let acl = b"\x02\0\0\0\x01\0\x07\0\xff\xff\xff\xff\x04\0\x05\0\xff\xff\xff\xff\x20\0\x05\0\xff\xff\xff\xff";
    let mut map = b"2\n0\n4\n1000\n4\n".to_vec();
    map.resize(512, 0);
    map.extend(b"headtail");
    RawTar::default()
        .header(Header::new(b'5', "./"))
        .header(Header::new(b'5', "usr/"))
        .header(Header::new(b'5', "usr/bin/"))
        .file("usr/bin/tool", &b"#!/bin/sh\n".repeat(80))
        .header(Header::new(b'1', "usr/bin/link").target("usr/bin/tool"))
        .header(Header::new(b'2', "bin").target("usr/bin"))
        .file("bin/through", b"x")
        .pax(&[
            ("mtime", b"1234567890.123456789"),
            ("SCHILY.xattr.user.a", b"value"),
            ("SCHILY.xattr.system.posix_acl_access", acl),
        ])
        .file("usr/attributed", b"x")
        .pax(&[
            ("GNU.sparse.major", b"1"),
            ("GNU.sparse.minor", b"0"),
            ("GNU.sparse.name", b"sparse"),
            ("GNU.sparse.realsize", b"1004"),
        ])
        .file("f", &map)
        .member(Header::new(b'L', "././@LongLink"), &[b'l'; 150])
        .file("short", b"long")
        .header(
            Header::new(b'3', "null")
                .set(329, b"0000001\0")
                .set(337, b"0000003\0"),
        )
        .header(Header::new(b'6', "fifo"))
        .end()
}

pub fn top() -> Vec<u8> {
    RawTar::default()
        .header(Header::new(b'5', "usr/"))
        .file("usr/.wh.attributed", b"")
        .file("usr/bin/.wh..wh..opq", b"")
        .file("usr/bin/new", b"y")
        .header(Header::new(b'1', "late").target("usr/bin/new"))
        .end()
}
