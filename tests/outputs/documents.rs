//! Documents that are hung beside an output.

use std::fs;

use layerpress::finish::FinishOptions;
use layerpress::pipeline::{
    self, Beside, Document, DocumentKind, FilesystemRequest, Made, OutputRequest,
};
use layerpress::progress::Silent;
use layerpress::{Error, Result};

use super::support::archive::digest;
use super::support::press::{image_request, tool_paths};
use super::support::run::Press;
use super::{out, press};

/// Tells of the files that were made before it, or fails.
#[derive(Debug)]
struct List {
    tells_of_files: bool,
    fails: bool,
}

impl Document for List {
    fn kind(&self) -> DocumentKind {
        DocumentKind::Other
    }

    fn tells_of_files(&self) -> bool {
        self.tells_of_files
    }

    fn bytes(&self, made: &Made<'_>) -> Result<Vec<u8>> {
        if self.fails {
            return Err(Error::unsupported("no list"));
        }
        // It has no name yet, and can be read to the last byte.
        let bytes = fs::read(made.readable).unwrap();
        assert_eq!(bytes.len() as u64, made.filesystem.file_bytes);
        let lines = made.filesystem.files.iter().map(|file| {
            let sha256 = file.sha256.as_ref().map(|sha256| sha256.digest());
            let name = file.path.file_name().unwrap().to_str().unwrap();
            format!("{name} {} {}\n", file.size_bytes, sha256.unwrap_or("-"))
        });
        Ok(lines.collect::<String>().into_bytes())
    }
}

fn list(tells_of_files: bool) -> List {
    List {
        tells_of_files,
        fails: false,
    }
}

fn build(press: &Press, finish: FinishOptions, beside: Vec<Beside>) -> Result<pipeline::Built> {
    let image = press.image().display().to_string();
    let output = OutputRequest::new(out(press, "{name}.img"))
        .with_tools(tool_paths())
        .with_finish(finish)
        .with_beside(beside);
    pipeline::build(
        &image_request(&image, &press.root().join("work")),
        &FilesystemRequest::default(),
        &output,
        &Silent,
    )
}

#[test]
fn a_document_that_tells_of_files_comes_last_and_finds_each_with_its_hash() {
    let press = press();
    let finish = FinishOptions {
        verity: Some(pipeline::VerityOptions {
            place: pipeline::VerityPlace::File(out(&press, "{tag}.hashes")),
            salt: pipeline::Salt::default(),
        }),
        ..FinishOptions::default()
    };
    let beside = vec![
        Beside::new(out(&press, "{tag}.all"), list(true)),
        Beside::new(out(&press, "some"), list(false)),
    ];
    let built = build(&press, finish, beside).unwrap();
    let names = ["test.img", "1.hashes", "test.img.roothash", "some"];
    let files = names.map(|name| {
        let bytes = fs::read(out(&press, name)).unwrap();
        let digest = digest(&bytes);
        format!(
            "{name} {} {}\n",
            bytes.len(),
            digest.strip_prefix("sha256:").unwrap()
        )
    });
    assert_eq!(
        fs::read_to_string(out(&press, "1.all")).unwrap(),
        files.concat()
    );
    assert_eq!(
        fs::read_to_string(out(&press, "some")).unwrap(),
        files[..3].concat()
    );
    assert_eq!(built.filesystem.files.len(), 5);
    assert_eq!(press.left().len(), 5);
}

#[test]
fn nothing_is_hashed_for_a_document_that_does_not_tell_of_files() {
    let press = press();
    let beside = vec![Beside::new(out(&press, "some"), list(false))];
    let built = build(&press, FinishOptions::default(), beside).unwrap();
    assert_eq!(built.filesystem.sha256, None);
    let some = fs::read_to_string(out(&press, "some")).unwrap();
    assert!(
        some.starts_with("test.img ") && some.ends_with(" -\n"),
        "{some}"
    );
}

#[test]
fn a_document_that_cannot_be_made_leaves_nothing_and_an_earlier_output_whole() {
    let press = press();
    let failing = || List {
        tells_of_files: true,
        fails: true,
    };
    let beside = || {
        vec![
            Beside::new(out(&press, "some"), list(false)),
            Beside::new(out(&press, "all"), failing()),
        ]
    };
    let error = build(&press, FinishOptions::default(), beside()).unwrap_err();
    assert_eq!(error.to_string(), "no list");
    assert!(press.left().is_empty(), "{:?}", press.left());
    fs::write(out(&press, "test.img"), "before").unwrap();
    build(&press, FinishOptions::default(), beside()).unwrap_err();
    assert_eq!(press.left(), ["out/test.img"]);
    assert_eq!(fs::read(out(&press, "test.img")).unwrap(), b"before");
}

#[test]
fn a_document_whose_name_is_anothers_is_refused_before_the_image_is_read() {
    let press = press();
    fs::write(press.image(), "no image").unwrap();
    let finish = || FinishOptions {
        sha256: Some(pipeline::Sha256File::Line),
        ..FinishOptions::default()
    };
    let image = press.image();
    for (path, says) in [
        (out(&press, "{name}.img.sha256"), "found one for two"),
        (out(&press, "./{name}.img"), "found one for two"),
        (press.root().join("in"), "a directory"),
        (image, "expected an output other than the image itself"),
        (out(&press, "{nmae}"), "the nearest is {name}"),
    ] {
        let beside = vec![Beside::new(path, list(false))];
        let error = build(&press, finish(), beside).unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
    }
    assert!(press.left().is_empty());
}
