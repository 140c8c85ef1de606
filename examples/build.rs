//! Presses an image into a filesystem: cargo run --example build [IMAGE [OUTPUT]]
use layerpress::{FilesystemRequest, ImageRequest, OutputRequest, Result, Silent, build};

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let image = arguments.next().unwrap_or("fixtures/busybox.tar".into());
    let output = arguments.next().unwrap_or("busybox.img".into());

    let image = ImageRequest::new(image.parse()?, std::env::temp_dir());
    let filesystem = FilesystemRequest::default().with_label("example".into());
    let built = build(&image, &filesystem, &OutputRequest::new(&output), &Silent)?;

    println!("{output}: {} entries", built.tree.name_count());
    for warning in built.warnings.lines() {
        println!("warning: {warning}");
    }
    Ok(())
}
