//! What documents are printed of.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::process::Command;

use crate::support::archive::{Compression, Files, TestImage, layer_tar};
use crate::support::run::Press;
use crate::support::served;
use crate::support::session::{Layer, layers};

/// `layerpress WORDS… --json`; `{in}` and `{out}` stand for directories.
pub(super) fn json(press: &Press, words: &[&str]) -> Command {
    let mut command = plain(press, words);
    command.arg("--json");
    command
}

pub(super) fn plain(press: &Press, words: &[&str]) -> Command {
    let (input, output) = (press.root().join("in"), press.root().join("out"));
    let (input, output) = (input.to_str().unwrap(), output.to_str().unwrap());
    let shown = |word: &str| word.replace("{in}", input).replace("{out}", output);
    let mut command = press.command(words[0]);
    command.args(words[1..].iter().map(|word| shown(word)));
    // Nothing here may reach for a registry or a daemon of this machine.
    command.env("HOME", press.root());
    command
}

/// An image with something of everything, an empty layer, and a history with steps without one.
pub(super) fn image() -> TestImage {
    let [base, top] = layers();
    TestImage::new([base, layer_tar(&[]), top])
}

pub(super) fn archive(press: &Press) {
    image()
        .classic_archive(&["test:1"])
        .write_tar(&press.image());
}

pub(super) fn layout(press: &Press) {
    let mut image = image();
    image.compression = Compression::Gzip;
    image.layout("1").write_directory(&press.input("layout"));
}

/// Two images of one name for two platforms, and one of another.
pub(super) fn several(press: &Press) {
    let mut files = Files::default();
    let mut other = image();
    other.platform = "linux/arm64/v8";
    let descriptors = [
        image().put_with_platform(&mut files),
        other.put_with_platform(&mut files),
    ];
    files.index(&descriptors);
    files.write_directory(&press.input("several"));
}

/// A directory to be read as a root filesystem.
pub(super) fn tree(press: &Press) {
    fs::create_dir(press.input("tree")).unwrap();
    fs::write(press.input("tree/file"), "content").unwrap();
}

/// Filesystems `{in}/NAME`, each of a layout, an archive or a directory.
pub(super) fn filesystem(press: &Press, name: &str, options: &[&str]) {
    let output = format!("{{in}}/{name}");
    let words = [&["build", "-q", "{in}/save.tar", "-o", &output], options].concat();
    archive(press);
    press.run(&mut plain(press, &words)).succeeded();
}

pub(super) fn filesystem_with_verity(press: &Press) -> String {
    filesystem(press, "fs.img", &["--verity"]);
    let root = fs::read_to_string(press.input("fs.img.roothash")).unwrap();
    root.trim().to_owned()
}

/// A byte of the filesystem is another.
pub(super) fn damage(press: &Press, offset_bytes: u64) {
    let path = press.input("fs.img");
    let file = File::options().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, offset_bytes).unwrap();
    file.write_all_at(&[byte[0] ^ 1], offset_bytes).unwrap();
}

pub(super) fn cached(press: &Press) {
    let address = served::serve(&image());
    let reference = format!("docker://{address}/name:1");
    let words = ["inspect", "--layers", &reference, "--cache-dir={in}/cache"];
    press.run(&mut plain(press, &words)).succeeded();
}

/// A filesystem `{in}/fs.img` with packages of dpkg and apk, and an image with others: its name.
pub(super) fn installed(press: &Press) -> String {
    let dpkg = |packages: &[(&str, &str)]| -> String {
        let stanzas = packages.iter().map(|(name, version)| {
            format!(
                "Package: {name}\nStatus: install ok installed\nVersion: {version}\nArchitecture: all\n\n"
            )
        });
        stanzas.collect()
    };
    let layer = |status: String| {
        Layer::new()
            .file("var/lib/dpkg/status", status.as_bytes())
            .file("lib/apk/db/installed", b"P:musl\nV:1.2\nA:x86_64\n")
            .tar()
    };
    let before = layer(dpkg(&[("gone", "1"), ("kept", "1"), ("newer", "1")]));
    fs::write(press.input("before.tar"), before).unwrap();
    let words = ["build", "-q", "rootfs:{in}/before.tar", "-o", "{in}/fs.img"];
    press.run(&mut plain(press, &words)).succeeded();
    let after = layer(dpkg(&[("come", "1"), ("kept", "1"), ("newer", "2")]));
    TestImage::new([after])
        .layout("1")
        .write_directory(&press.input("after"));
    "oci:{in}/after:1".to_owned()
}
