//! What the rows are tried with.

use std::fs;
use std::net::TcpStream;
use std::process::Command;

use serde_json::Value;

use crate::support::archive::{Files, TestImage, layer_tar};
use crate::support::raw_tar::Header;
use crate::support::run::Press;
use crate::support::small_server::{Asked, serve};

pub(super) type Prepare = fn(&Press) -> Command;

/// `build REFERENCE` with options; `{in}` stands for the inputs' directory.
pub(super) fn build(press: &Press, words: &[&str]) -> Command {
    let mut command = run(press, "build", words);
    press.add_directories(&mut command);
    command
}

pub(super) fn run(press: &Press, name: &str, words: &[&str]) -> Command {
    let inputs = press.root().join("in");
    let mut command = press.command(name);
    for word in words {
        command.arg(word.replace("{in}", inputs.to_str().unwrap()));
    }
    // Nothing here may reach for a registry or a daemon of this machine.
    command.env("HOME", press.root());
    command
}

pub(super) fn image() -> TestImage {
    TestImage::new([layer_tar(&[("etc/passwd", b"root:x:0:0::/:/bin/sh\n")])])
}

pub(super) fn saved(press: &Press, change: impl FnOnce(&mut Files)) {
    let mut files = image().classic_archive(&["test:1"]);
    change(&mut files);
    files.write_tar(&press.image());
}

pub(super) fn layout(press: &Press, change: impl FnOnce(&mut Files)) {
    let mut files = image().layout("1");
    change(&mut files);
    files.write_directory(&press.input("layout"));
}

/// A flat tar of one entry with pax records before it.
pub(super) fn entry(press: &Press, header: Header, records: &[Vec<u8>]) {
    let mut tar = Vec::new();
    if !records.is_empty() {
        let payload = records.concat();
        tar.extend(Header::new(b'x', "pax").size(payload.len() as u64).bytes());
        tar.extend(&payload);
        tar.resize(tar.len().next_multiple_of(512), 0);
    }
    tar.extend(header.bytes());
    tar.extend([0; 1024]);
    fs::write(press.image(), tar).unwrap();
}

pub(super) fn flat(press: &Press, header: Header, records: &[Vec<u8>]) -> Command {
    entry(press, header, records);
    build(press, &["rootfs:{in}/save.tar"])
}

pub(super) fn junk(press: &Press, content: &[u8]) {
    fs::write(press.image(), content).unwrap();
}

/// An image of a registry that answers so.
pub(super) fn of_registry(
    press: &Press,
    answer: impl Fn(&Asked, &mut TcpStream) + Send + Sync + 'static,
) -> Command {
    let reference = format!("docker://{}/name:1", serve(answer));
    build(
        press,
        &[&reference, "--retry=0", "--timeout=2", "--no-cache"],
    )
}

/// The same of one that lets everybody in before.
pub(super) fn answered(
    press: &Press,
    answer: impl Fn(&Asked, &mut TcpStream) + Send + Sync + 'static,
) -> Command {
    of_registry(press, move |asked, stream| {
        match asked.path.ends_with("/v2/") {
            true => asked.answer(stream, "200 OK", "", b"{}"),
            false => answer(asked, stream),
        }
    })
}

/// An image of a daemon over TCP that answers so.
pub(super) fn of_daemon(
    press: &Press,
    answer: impl Fn(&Asked, &mut TcpStream) + Send + Sync + 'static,
) -> Command {
    let address = format!("--docker-host=tcp://{}", serve(answer));
    build(press, &["docker-daemon:name:1", &address])
}

/// A sound filesystem in `{in}/fs.img`.
pub(super) fn filesystem(press: &Press) {
    saved(press, |_| {});
    let mut command = build(press, &["{in}/save.tar"]);
    press.run(&mut command).succeeded();
    fs::rename(press.output(), press.input("fs.img")).unwrap();
}

pub(super) fn with_index(files: &mut Files, change: impl FnOnce(&mut Value)) {
    let mut index = serde_json::from_slice(&files.0["index.json"]).unwrap();
    change(&mut index);
    files.put_json("index.json", &index);
}
