//! containerd with its overlayfs snapshotter: as docker, but with an unpacker of its own.

use std::path::Path;

use super::archive::tars_of;
use super::daemon::Daemon;
use super::image::write_oci_archive;
use super::listing::Listing;
use super::words::Layer;

/// A running containerd.
pub struct Containerd(Daemon);

impl Containerd {
    /// See [`Daemon::start`].
    pub fn start() -> Result<Self, String> {
        let daemon = Daemon::start("containerd", "ctr", |command, work| {
            let config = format!(
                "version = 2\nroot = '{work}/root'\nstate = '{work}/state'\n\
                 disabled_plugins = ['io.containerd.grpc.v1.cri']\n\
                 [grpc]\naddress = '{socket}'\n[ttrpc]\naddress = '{socket}.ttrpc'\n",
                work = work.display(),
                socket = Daemon::socket(work).display(),
            );
            std::fs::write(work.join("config.toml"), config).unwrap();
            command.arg("--config").arg(work.join("config.toml"));
        });
        daemon.map(Self)
    }

    /// What a container would see of the layers, or what containerd says where it refuses.
    pub fn unpack(&self, layers: &[Layer], work: &Path) -> Result<Listing, String> {
        self.unpack_tars(&tars_of(layers), work)
    }

    /// The same of layers' tars.
    pub fn unpack_tars(&self, tars: &[Vec<u8>], work: &Path) -> Result<Listing, String> {
        let archive = work.join("image.tar");
        write_oci_archive(tars, work, &archive);
        self.shown(&archive, "case:case", work, Listing::of_directory)
    }

    /// What `list` finds of an archive's image of this name.
    pub fn shown<T>(
        &self,
        archive: &Path,
        name: &str,
        work: &Path,
        list: impl FnOnce(&Path) -> T,
    ) -> Result<T, String> {
        let archive = archive.to_str().unwrap();
        self.0
            .run(&["images", "import", "--snapshotter=overlayfs", archive])?;
        let mounted = work.join("mounted");
        std::fs::create_dir(&mounted).unwrap();
        let mounted_text = mounted.to_str().unwrap();
        self.0.run(&[
            "images",
            "mount",
            "--snapshotter=overlayfs",
            name,
            mounted_text,
        ])?;
        let listing = list(&mounted);
        self.0.run(&[
            "images",
            "unmount",
            "--snapshotter=overlayfs",
            "--rm",
            mounted_text,
        ])?;
        self.0.run(&["images", "rm", "--sync", name])?;
        Ok(listing)
    }
}
