//! umoci: applies each layer entry by entry onto one directory.

use std::path::Path;
use std::process::Command;

use super::archive::tars_of;
use super::image::write_layout;
use super::listing::Listing;
use super::words::Layer;

/// What `umoci unpack` makes of the layers, or what it says where it refuses.
pub fn unpack(layers: &[Layer], work: &Path) -> Result<Listing, String> {
    unpack_tars(&tars_of(layers), work)
}

/// The same of layers' tars.
pub fn unpack_tars(tars: &[Vec<u8>], work: &Path) -> Result<Listing, String> {
    let layout = work.join("layout");
    write_layout(tars, &layout);
    let bundle = work.join("bundle");
    let output = Command::new("umoci")
        .arg("unpack")
        .arg("--image")
        .arg(format!("{}:case", layout.display()))
        .arg(&bundle)
        .output()
        .unwrap();
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    Ok(Listing::of_directory(&bundle.join("rootfs")))
}
