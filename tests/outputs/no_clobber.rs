//! `--no-clobber`.

use std::fs;
use std::time::Duration;

use super::support::archive::{TestImage, layer_tar};
use super::support::run::Press;
use super::{build, build_to, out, press, read};

const REFUSED: &str = "expected no file there (--no-clobber), found one";

#[test]
fn a_file_that_is_there_is_an_error_before_the_image_is_read() {
    let press = press();
    let image = fs::read(press.image()).unwrap();
    for (there, options) in [
        ("fs.img", &["--no-clobber"][..]),
        ("fs.img.sha256", &["--no-clobber", "--sha256"]),
        ("fs.img.roothash", &["--no-clobber", "--verity"]),
    ] {
        fs::write(out(&press, there), "before").unwrap();
        fs::write(press.image(), "no image").unwrap();
        build(&press, options).failed(5, &[there, REFUSED]);
        assert_eq!(press.left(), [format!("out/{there}")]);
        assert_eq!(read(&press, there), b"before");
        // Without it the file is replaced.
        fs::write(press.image(), &image).unwrap();
        build(&press, &options[1..]).succeeded();
        assert_ne!(read(&press, there), b"before");
        for left in press.left() {
            fs::remove_file(press.root().join(left)).unwrap();
        }
    }
    build(&press, &["--no-clobber", "--sha256"]).succeeded();
    assert_eq!(press.left(), ["out/fs.img", "out/fs.img.sha256"]);
    // What is not written may be there.
    fs::remove_file(press.output()).unwrap();
    build(&press, &["--no-clobber"]).succeeded();
}

#[test]
fn a_name_that_the_image_completes_is_looked_at_too() {
    let press = press();
    fs::write(out(&press, "test-1"), "before").unwrap();
    build_to(&press, "{name}-{tag}", &["--no-clobber"]).failed(5, &["test-1", REFUSED]);
    assert_eq!(read(&press, "test-1"), b"before");
    assert_eq!(press.left(), ["out/test-1"]);
}

/// Layers may be gigabytes and far away.
#[test]
fn a_name_that_the_image_completes_is_looked_at_before_the_layers_are_read() {
    let press = Press::new();
    let image = TestImage::new([layer_tar(&[("a", b"a")])]);
    image.layout("1").write_directory(&press.image());
    fs::write(out(&press, "x-1"), "before").unwrap();
    // No layer can be read.
    for blob in fs::read_dir(press.image().join("blobs/sha256")).unwrap() {
        let path = blob.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        if !bytes.starts_with(b"{") {
            fs::write(path, vec![b'x'; bytes.len()]).unwrap();
        }
    }
    build_to(&press, "y-{tag}", &["--no-clobber"]).failed(4, &["layer"]);
    build_to(&press, "x-{tag}", &["--no-clobber"]).failed(5, &["x-1", REFUSED]);
    build_to(&press, "x-{name}", &[]).failed(5, &["the image has no name"]);
    assert_eq!(press.left(), ["out/x-1"]);
}

/// Looking first and renaming later would replace what came in between.
#[test]
fn a_file_that_comes_while_the_build_runs_stays() {
    let press = press();
    let gate = press.root().join("gate");
    let here = press.root().join("here");
    let body = format!(
        "case $1 in -V) exec e2fsck -V;; esac\n>{here}\nexec flock --shared {gate} true",
        here = here.display(),
        gate = gate.display(),
    );
    let e2fsck = press.script("e2fsck", &body);
    let e2fsck = ["--e2fsck", e2fsck.to_str().unwrap()];
    for (comes, stay) in [
        ("fs.img", &["out/fs.img"][..]),
        ("fs.img.sha256", &["out/fs.img.sha256"]),
    ] {
        let closed = fs::File::create(&gate).unwrap();
        closed.lock().unwrap();
        let mut command = press.build();
        command
            .args(["-q", "--sha256", "--no-clobber"])
            .args(e2fsck);
        let running = press.start(&mut command);
        while !here.exists() {
            std::thread::sleep(Duration::from_millis(5));
        }
        fs::write(out(&press, comes), "another's").unwrap();
        closed.unlock().unwrap();
        let ended = running.end_within(Duration::from_secs(60));
        ended.failed(5, &[comes, REFUSED]);
        assert_eq!(press.left(), stay);
        assert_eq!(read(&press, comes), b"another's");
        fs::remove_file(out(&press, comes)).unwrap();
        fs::remove_file(&here).unwrap();
    }
}

#[test]
fn of_eight_builds_at_once_one_is_made_and_seven_end() {
    let press = press();
    let children: Vec<_> = (0..8)
        .map(|_| {
            let mut command = press.build();
            let command = command.args(["-q", "--sha256", "--no-clobber"]);
            command
                .stderr(std::process::Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    let ended = children
        .into_iter()
        .map(|child| child.wait_with_output().unwrap());
    let codes: Vec<_> = ended.map(|output| output.status.code().unwrap()).collect();
    assert_eq!(
        codes.iter().filter(|code| **code == 0).count(),
        1,
        "{codes:?}"
    );
    assert_eq!(
        codes.iter().filter(|code| **code == 5).count(),
        7,
        "{codes:?}"
    );
    assert_eq!(press.left(), ["out/fs.img", "out/fs.img.sha256"]);
}
