//! Lists what an image or a filesystem holds: cargo run --example list [IMAGE]
use layerpress::{ImageRequest, Result, Silent, Subject, is_filesystem, listing};

fn main() -> Result<()> {
    let name = std::env::args()
        .nth(1)
        .unwrap_or("fixtures/busybox.tar".into());
    let subject = if is_filesystem(name.as_ref()) {
        Subject::Filesystem(name.into())
    } else {
        Subject::Image(ImageRequest::new(name.parse()?, std::env::temp_dir()).into())
    };
    let listed = listing(&subject, None, u64::MAX, &Silent)?;
    print!("{}", listed.listing);
    Ok(())
}
