//! What is done with bytes of anybody, and what must hold whatever they are: nothing panics, an error
//! is the image's own fault and one line without control characters, and looking costs no more than
//! there is to be seen.
//!
//! `fuzz/` gives these bodies what a fuzzer thinks of, `main.rs` what mutation makes of seeds. Each
//! says whether the bytes were taken for sound, with nothing to be warned of.

// A fuzz target uses one of them.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

// A fuzz target has no other.
#[allow(clippy::duplicate_mod)]
#[path = "../support/raw_tar.rs"]
mod raw_tar;

use std::fs;
use std::path::Path;

use layerpress::{Error, Result};
use raw_tar::{Header, RawTar};

/// All that is used of the library, in one place.
mod library {
    use std::fs::File;
    use std::io::Write;
    use std::path::Path;

    pub use layerpress::artifact::Artifact;
    use layerpress::export::{Base, Exported, LayerOptions, write_layer};
    use layerpress::ext::Ext;
    pub use layerpress::extract::{ArchiveSink, Taken, extract};
    use layerpress::layers::{Changeset, Contents, LayerSummary};
    use layerpress::limits::Limits;
    pub use layerpress::look::{Inside, Lookups};
    use layerpress::oci::DigestHasher;
    pub use layerpress::oci::RegistryReference;
    pub use layerpress::packages::{Looked, Packages, Root};
    pub use layerpress::pipeline::Login;
    use layerpress::pipeline::SizePolicy;
    pub use layerpress::recipe_file::{RecipeFile, Variables};
    use layerpress::region::FileRegion;
    pub use layerpress::registry::{challenges_in as challenges, wrong_credentials as credentials};
    use layerpress::tar::Reader;
    use layerpress::tree::{FlattenOptions, Tree, flatten};
    pub use layerpress::units::FileFlags;
    pub use layerpress::view::Follow;
    pub use layerpress::warnings::Warnings;
    use layerpress::{FilesystemRequest, ImageRequest};
    pub use layerpress::{Silent, View};

    /// Reads an image, flattens and plans it; what was warned of.
    pub fn plan(reference: &str, work_dir: &Path) -> layerpress::Result<Vec<String>> {
        let image = ImageRequest::new(reference.parse()?, work_dir).with_file_flags(true);
        let filesystem = FilesystemRequest::default().with_size(SizePolicy::Fit);
        let planned = layerpress::plan(&image, &filesystem, &Silent)?;
        Ok(planned.flattened.warnings.lines().collect())
    }

    /// Writes a filesystem as a layer, upon a tree where there is one.
    pub fn exported(
        view: &View,
        base: Option<(&Tree, &Contents)>,
        tar: &mut dyn Write,
    ) -> layerpress::Result<Exported> {
        let base = base.map(|(tree, contents)| Base::of::<Ext>(tree, contents));
        let options = LayerOptions { file_flags: true };
        write_layer(view, base.as_ref(), &options, tar, &Silent)
    }

    /// What a layer shows by itself.
    pub fn shown(tar: File) -> layerpress::Result<(Tree, Contents)> {
        let region = FileRegion::whole(tar).unwrap();
        let limits = Limits::default();
        let mut reader = Reader::in_place(&region, &limits);
        let mut entries = Vec::new();
        while let Some(entry) = reader.next_entry()? {
            entries.push(entry);
        }
        let warnings = reader.finish()?;
        assert_eq!(warnings.lines().count(), 0, "{warnings:?}");
        let changeset = Changeset {
            layer: LayerSummary {
                diff_id: None,
                digest: None,
                media_type: None,
                stored_bytes: 0,
                tar_bytes: region.length_bytes,
                entry_count: entries.len() as u64,
            },
            entries: entries.into(),
            whiteouts: true,
        };
        let options = FlattenOptions {
            file_flags: true,
            ..FlattenOptions::default()
        };
        let tree = flatten(vec![changeset], &options, &Silent)?;
        Ok((tree, Contents::of_layers([region])))
    }

    pub fn sha256(bytes: &[u8]) -> String {
        let mut hasher = DigestHasher::sha256();
        hasher.update(bytes);
        hasher.finish().to_string()
    }
}

/// A body, by the name that its fuzz target has.
pub type Body = fn(&[u8]) -> bool;

pub const ALL: [(&str, Body); 13] = [
    ("tar_index", tar_index),
    ("pax", pax),
    ("file_flags", file_flags),
    ("acl", acl),
    ("oci_layout", oci_layout),
    ("docker_manifest", docker_manifest),
    ("view", view),
    ("export", export),
    ("challenge", challenge),
    ("credentials", credentials),
    ("packages", packages),
    ("recipe", recipe),
    ("artifact", artifact),
];

/// A layer's tar.
pub fn tar_index(bytes: &[u8]) -> bool {
    planned_layer(bytes)
}

/// The records of a pax header: of one entry, and of all that follow.
pub fn pax(bytes: &[u8]) -> bool {
    let sound = [b'x', b'g'].map(|type_flag| {
        let header = Header::new(type_flag, "PaxHeaders/file");
        let tar = RawTar::default().member(header, bytes);
        planned_layer(&tar.file("file", b"content").end())
    });
    sound.contains(&true)
}

/// The names of file flags.
pub fn file_flags(bytes: &[u8]) -> bool {
    let (flags, unknown) = library::FileFlags::parse(bytes);
    // What is written of them means the same.
    let written = flags.in_tar();
    assert_eq!(
        library::FileFlags::parse(written.as_bytes()),
        (flags, Vec::new())
    );
    let tar = RawTar::default().pax(&[("SCHILY.fflags", bytes)]);
    planned_layer(&tar.file("file", b"content").end()) && unknown.is_empty()
}

/// POSIX ACLs: in words, as star and GNU tar write them, and as the kernel gives them.
pub fn acl(bytes: &[u8]) -> bool {
    let keywords = [
        "SCHILY.acl.access",
        "SCHILY.acl.default",
        "SCHILY.xattr.system.posix_acl_access",
    ];
    let sound = keywords.map(|keyword| {
        let tar = RawTar::default().pax(&[(keyword, bytes)]);
        planned_layer(&tar.header(Header::new(b'5', "directory/")).end())
    });
    sound.contains(&true)
}

/// The documents of an OCI layout: its index, or (the first byte says) a manifest or a
/// configuration, to which all that points at them fits.
pub fn oci_layout(bytes: &[u8]) -> bool {
    let Some((which, document)) = bytes.split_first() else {
        return false;
    };
    let layer = RawTar::default().file("file", b"content").end();
    let config = match which % 3 {
        2 => document.to_vec(),
        _ => config_of(&layer).into_bytes(),
    };
    let manifest = match which % 3 {
        1 => document.to_vec(),
        _ => format!(
            r#"{{"schemaVersion":2,"config":{},"layers":[{}]}}"#,
            descriptor("application/vnd.oci.image.config.v1+json", &config),
            descriptor("application/vnd.oci.image.layer.v1.tar", &layer)
        )
        .into_bytes(),
    };
    let index = match which % 3 {
        0 => document.to_vec(),
        _ => index_of(&manifest).into_bytes(),
    };
    let directory = tempfile::tempdir().unwrap();
    let layout = directory.path().join("layout");
    fs::create_dir_all(layout.join("blobs/sha256")).unwrap();
    for blob in [&layer, &config, &manifest] {
        let name = library::sha256(blob).replace(':', "/");
        fs::write(layout.join("blobs").join(name), blob).unwrap();
    }
    fs::write(
        layout.join("oci-layout"),
        r#"{"imageLayoutVersion":"1.0.0"}"#,
    )
    .unwrap();
    fs::write(layout.join("index.json"), index).unwrap();
    planned("oci", &layout, directory.path())
}

/// `manifest.json` of a docker archive, or (the first byte says) a configuration.
pub fn docker_manifest(bytes: &[u8]) -> bool {
    let Some((which, document)) = bytes.split_first() else {
        return false;
    };
    let layer = RawTar::default().file("file", b"content").end();
    match which % 2 {
        0 => planned_archive(document, config_of(&layer).as_bytes(), &layer),
        _ => planned_archive(MANIFEST, document, &layer),
    }
}

/// The `manifest.json` of a docker archive of one layer.
pub const MANIFEST: &[u8] =
    br#"[{"Config":"config.json","RepoTags":["a:1"],"Layers":["layer.tar"]}]"#;

/// A whole filesystem image: everything in it is looked at.
pub fn view(bytes: &[u8]) -> bool {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("image");
    fs::write(&path, bytes).unwrap();
    let view = match library::View::open(&path) {
        Ok(view) => view,
        Err(error) => return told(Err(error)),
    };
    let whole = match view.listing_of_at_most(u64::MAX, &mut |_, _| true) {
        Ok(whole) => whole,
        Err(error) => return told(Err(error)),
    };
    // Whatever it says, looking costs some reads for each block and each name there is.
    let told_of = (whole.listing.lines().len() + whole.problems.len()) as u64;
    let bound = 3 * view.blocks() + 8 * told_of + 100;
    let read = view.blocks_read();
    assert!(
        read <= bound,
        "{read} blocks read, at most {bound} expected"
    );
    let mut warnings = library::Warnings::default();
    let mut nowhere = std::io::sink();
    let mut sink = library::ArchiveSink::new(&mut nowhere, true, &mut warnings);
    let inside = library::Inside::from(&view);
    let root = library::Lookups::of(inside).find(b"/", library::Follow::Always);
    let extracted = root.and_then(|root| {
        let root = vec![library::Taken::whole(root)];
        library::extract(inside, root, &mut sink, &library::Silent, &|| false)
    });
    // Where all of it lies costs no more than there is, a few times over.
    let places = library::View::open(&path).and_then(library::View::positions);
    let is_placed = places.is_ok();
    if let Ok((positions, sighted)) = places {
        let bound = 3 * positions.blocks + 8 * (told_of + positions.left_out) + 100;
        let read = sighted.blocks_read();
        assert!(read <= bound, "{read} blocks, at most {bound} expected");
        sighted.hash(&|| false).unwrap();
    }
    told(extracted) && whole.problems.is_empty() && is_placed
}

/// What a registry wants to be shown (`WWW-Authenticate`).
pub fn challenge(bytes: &[u8]) -> bool {
    let found = library::challenges(bytes);
    // Each takes a scheme's letter and a space at least.
    assert!(found <= bytes.len() / 2 + 1, "{found} challenges");
    found > 0
}

/// docker's `config.json` and podman's `auth.json`, and a name with its password.
pub fn credentials(bytes: &[u8]) -> bool {
    let _ = library::Login::parse(bytes);
    let reference: library::RegistryReference = "docker.io/library/busybox".parse().unwrap();
    let wrong = library::credentials(bytes, &reference);
    for line in &wrong {
        printable(line);
        assert!(!line.contains(SECRET), "a secret is told: {line}");
    }
    wrong.is_empty()
}

/// The lists of packages of apk and either of dpkg or of distroless, which have the same bytes.
pub fn packages(bytes: &[u8]) -> bool {
    struct Same<'a>(&'a [u8]);
    impl library::Root for Same<'_> {
        fn look(&mut self, path: &[u8], max_bytes: u64) -> Result<library::Looked> {
            // As if each were a file of its own.
            let file = library::Looked::File {
                id: path.len() as u64,
                bytes: self.0.to_vec(),
            };
            let is_distroless = self.0.len() % 2 == 1;
            Ok(match path {
                b"var/lib/dpkg/status.d" if is_distroless => {
                    library::Looked::Directory(vec![b"a".to_vec()])
                }
                b"var/lib/dpkg/status" if is_distroless => library::Looked::Absent,
                b"var/lib/dpkg/status" | b"var/lib/dpkg/status.d/a" | b"lib/apk/db/installed" => {
                    assert!(self.0.len() as u64 <= max_bytes);
                    file
                }
                _ => library::Looked::Absent,
            })
        }
    }
    let found = match library::Packages::read(&mut Same(bytes)) {
        Ok(found) => found,
        Err(error) => {
            return told(Err(error));
        }
    };
    let warnings: Vec<_> = found.warnings.lines().collect();
    warnings.iter().for_each(|line| printable(line));
    for package in &found.packages {
        let fields = [&package.name, &package.version, &package.arch];
        assert!(
            !package.name.is_empty()
                && !fields.iter().any(|field| field.contains(char::is_control))
        );
    }
    let list = String::from_utf8(found.to_json().unwrap()).unwrap();
    assert_eq!(list.matches("\"name\":").count(), found.packages.len());
    warnings.is_empty()
}

/// The manifest of a filesystem in a registry.
pub fn artifact(bytes: &[u8]) -> bool {
    let artifact = match library::Artifact::of_manifest(bytes, "docker://r/a:1") {
        Ok(artifact) => artifact,
        Err(error) => return told(Err(error)),
    };
    let mut end_bytes = 0;
    for segment in &artifact.segments {
        assert!(segment.offset_bytes >= end_bytes && segment.length_bytes > 0);
        end_bytes = segment.offset_bytes + segment.length_bytes;
    }
    assert!(end_bytes <= artifact.size_bytes);
    // What is written of it means the same; it may be longer, for others leave spaces out, too.
    if let Ok(written) = artifact.manifest() {
        let again = library::Artifact::of_manifest(&written, "").unwrap();
        assert_eq!(again, artifact);
    }
    true
}

/// A recipe, with a variable.
pub fn recipe(bytes: &[u8]) -> bool {
    let set = ["NAME=value".parse().unwrap()];
    let mut variables = library::Variables::new(&set).unwrap();
    match library::RecipeFile::parse("recipe.toml", bytes, &mut variables) {
        Ok(file) => {
            // What is written of it says the same: that is held there.
            file.to_toml().unwrap();
            true
        }
        Err(error) => told(Err(error)),
    }
}

/// Stands where secrets stand in the seeds; nobody is ever told of it.
pub const SECRET: &str = "hunter2";

/// A configuration of an image of this layer.
pub fn config_of(layer: &[u8]) -> String {
    let diff_id = library::sha256(layer);
    format!(
        r#"{{"architecture":"amd64","os":"linux","created":"2024-05-01T10:20:30.5Z","config":{{"Env":["PATH=/bin"],"Cmd":null}},"rootfs":{{"type":"layers","diff_ids":["{diff_id}"]}},"history":[{{"created_by":"seed"}}]}}"#
    )
}

/// An index that lists this manifest.
pub fn index_of(manifest: &[u8]) -> String {
    let manifest = descriptor("application/vnd.oci.image.manifest.v1+json", manifest);
    format!(r#"{{"schemaVersion":2,"manifests":[{manifest}]}}"#)
}

pub fn descriptor(media_type: &str, blob: &[u8]) -> String {
    let (digest, size) = (library::sha256(blob), blob.len());
    format!(r#"{{"mediaType":"{media_type}","digest":"{digest}","size":{size}}}"#)
}

/// Plans an image of one layer.
fn planned_layer(layer: &[u8]) -> bool {
    planned_archive(MANIFEST, config_of(layer).as_bytes(), layer)
}

fn planned_archive(manifest: &[u8], config: &[u8], layer: &[u8]) -> bool {
    let directory = tempfile::tempdir().unwrap();
    let archive = directory.path().join("image.tar");
    let tar = RawTar::default()
        .file("manifest.json", manifest)
        .file("config.json", config)
        .file("layer.tar", layer)
        .end();
    fs::write(&archive, tar).unwrap();
    planned("docker-archive", &archive, directory.path())
}

fn planned(transport: &str, path: &Path, work_dir: &Path) -> bool {
    let planned = library::plan(&format!("{transport}:{}", path.display()), work_dir);
    let mut is_whole = true;
    let read = planned.map(|warnings| {
        is_whole = warnings.is_empty();
        warnings.iter().for_each(|line| printable(line));
    });
    told(read) && is_whole
}

/// A filesystem image that becomes a layer: whoever reads that finds a tree, of which the filesystem is no
/// change.
pub fn export(bytes: &[u8]) -> bool {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("image");
    fs::write(&path, bytes).unwrap();
    let view = match library::View::open(&path) {
        Ok(view) => view,
        Err(error) => return told(Err(error)),
    };
    let mut tar = tempfile::tempfile().unwrap();
    let exported = match library::exported(&view, None, &mut tar) {
        Ok(exported) => exported,
        Err(error) => return told(Err(error)),
    };
    assert_eq!(tar.metadata().unwrap().len(), exported.tar_bytes);
    // Names, attributes and contents lie in its blocks; a header and what comes before it in a tar.
    let most = 3 * view.max_data_bytes() + 8192 * (exported.entries + 1) + 20_480;
    assert!(exported.tar_bytes <= most, "{exported:?}");
    let (tree, contents) = library::shown(tar).unwrap();
    let mut nowhere = std::io::sink();
    let again = library::exported(&view, Some((&tree, &contents)), &mut nowhere).unwrap();
    assert!(again.is_empty(), "{again:?}");
    true
}

/// Whether it went well; if not, it must be the image's fault, and said so.
fn told(result: Result<()>) -> bool {
    match result {
        Ok(()) => true,
        Err(error @ (Error::BadImage { .. } | Error::Unsupported { .. })) => {
            printable(&error.to_string());
            false
        }
        Err(other) => panic!("not the image's fault: {other}"),
    }
}

fn printable(line: &str) {
    assert!(
        !line.is_empty() && !line.chars().any(char::is_control),
        "{line:?}"
    );
}
