//! dockerd with overlay2: unpacks each layer into a directory of its own, and overlayfs merges.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::archive::tars_of;
use super::daemon::Daemon;
use super::image::write_docker_archive;
use super::listing::Listing;
use super::words::Layer;

/// A running dockerd.
pub struct Docker(Daemon);

impl Docker {
    /// See [`Daemon::start`].
    pub fn start() -> Result<Self, String> {
        Daemon::dockerd("overlay2", &[]).map(Self)
    }

    /// What overlayfs shows of the layers, or what docker says where it refuses.
    ///
    /// The layers are mounted as the daemon left them, because in a container it would put files
    /// of its own before them (`/etc/hosts`, `/dev`) and another root directory.
    pub fn unpack(&self, layers: &[Layer], work: &Path) -> Result<Listing, String> {
        self.unpack_tars(&tars_of(layers), work)
    }

    /// The same of layers' tars.
    pub fn unpack_tars(&self, tars: &[Vec<u8>], work: &Path) -> Result<Listing, String> {
        let archive = work.join("save.tar");
        write_docker_archive(tars, &archive);
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
        self.0
            .run(&["load", "--input", archive.to_str().unwrap()])?;
        let format = "--format={{json .GraphDriver.Data}}";
        let data = self.0.run(&["image", "inspect", format, name])?;
        let data: serde_json::Value = serde_json::from_str(&data).unwrap();
        let directories: Vec<_> = ["UpperDir", "LowerDir"]
            .iter()
            .filter_map(|key| data[key].as_str())
            .collect();
        let listing = merged(&directories.join(":"), work, list);
        self.0.run(&["image", "rm", "--force", name])?;
        Ok(listing)
    }

    /// The client; see [`Daemon::run`].
    pub fn run(&self, arguments: &[&str]) -> Result<String, String> {
        self.0.run(arguments)
    }
}

/// What `list` finds of directories merged by overlayfs, the top one first.
fn merged<T>(directories: &str, work: &Path, list: impl FnOnce(&Path) -> T) -> T {
    let empty = work.join("empty");
    let merged = work.join("merged");
    std::fs::create_dir_all(&empty).unwrap();
    std::fs::create_dir_all(&merged).unwrap();
    // An overlay of one directory only is not allowed. Not by mount(8): since util-linux 2.39 it gives
    // the kernel each option by itself, which takes 255 bytes of one.
    let mounted = sys_mount::Mount::builder()
        .fstype("overlay")
        .flags(sys_mount::MountFlags::RDONLY)
        .data(&format!("lowerdir={directories}:{}", empty.display()))
        .mount("overlay", &merged);
    mounted.unwrap_or_else(|error| panic!("cannot mount an overlay of {directories}: {error}"));
    let mounted = Mounted(merged);
    list(&mounted.0)
}

/// Unmounts also where the test fails meanwhile.
struct Mounted(PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}
