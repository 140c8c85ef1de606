//! The image whose costs are counted: sizes as real trees have them, content that does not compress
//! too well, and something replaced and removed.

use std::path::Path;

use crate::support::archive::{Compression, TestImage};
use crate::support::rootfs::{Rootfs, bytes, directory, file, link, symlink};
use crate::support::tarball::tar_bytes;

/// A form the image is stored in, and how to name it to layerpress.
#[derive(Debug, Clone, Copy)]
pub struct Form {
    pub name: &'static str,
    stored: Stored,
}

#[derive(Debug, Clone, Copy)]
enum Stored {
    Archive,
    Layout(Compression),
    /// The base layer alone, as a root filesystem.
    FlatTar,
}

pub const ARCHIVE: Form = form("docker archive", Stored::Archive);
pub const GZIP: Form = form("gzip layout", Stored::Layout(Compression::Gzip));
pub const ZSTD: Form = form("zstd layout", Stored::Layout(Compression::Zstd));
pub const FLAT_TAR: Form = form("flat tar", Stored::FlatTar);

const fn form(name: &'static str, stored: Stored) -> Form {
    Form { name, stored }
}

impl Form {
    /// Writes the image; gives its reference.
    pub fn write(self, directory: &Path) -> String {
        let image = TestImage::new(layers().map(|layer| tar_bytes(&layer)));
        match self.stored {
            Stored::FlatTar => {
                let path = directory.join("rootfs.tar");
                let [base, ..] = layers();
                std::fs::write(&path, tar_bytes(&base)).unwrap();
                format!("rootfs:{}", path.display())
            }
            Stored::Archive => {
                let path = directory.join("save.tar");
                image.classic_archive(&["test:1"]).write_tar(&path);
                format!("docker-archive:{}", path.display())
            }
            Stored::Layout(compression) => {
                let image = TestImage {
                    compression,
                    ..image
                };
                let path = directory.join("layout");
                image.layout("1").write_directory(&path);
                format!("oci:{}:1", path.display())
            }
        }
    }
}

fn layers() -> [Rootfs; 3] {
    let small = (0..1500).map(|index| {
        let name = format!("usr/share/d{}/file-{index}", index % 40);
        file(name, bytes(index * 37 % 9000))
    });
    let large = (0..12).map(|index| file(format!("usr/lib/lib{index}.so"), bytes(1_500_000)));
    let base = [directory("usr"), directory("usr/lib"), directory("usr/bin")]
        .into_iter()
        .chain(large)
        .chain(small);
    let many = (0..800).map(|index| symlink(format!("etc/alternatives/{index:04}"), "target"));
    let middle = [
        file("usr/bin/tool", bytes(400_000)),
        link("usr/bin/other", "usr/bin/tool"),
    ]
    .into_iter()
    .chain(many);
    let top = [
        file("usr/lib/lib3.so", bytes(700_000)),
        file("usr/share/d7/.wh..wh..opq", *b""),
        file("usr/lib/.wh.lib5.so", *b""),
    ];
    [Rootfs::of(base), Rootfs::of(middle), Rootfs::of(top)]
}
