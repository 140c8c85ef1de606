//! Takes a tree out of a filesystem, as a tar: cargo run --example extract FILESYSTEM PATH > TAR
use layerpress::{ExtractRequest, Result, Silent, Target, extract};

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (Some(image), Some(path)) = (arguments.next(), arguments.next()) else {
        panic!("expected a filesystem image and a path in it");
    };
    let request = ExtractRequest::new(image).with_path(path.into());
    extract(&request, Target::Writer(&mut std::io::stdout()), &Silent)?;
    Ok(())
}
