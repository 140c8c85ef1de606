//! Each document is read once, and what is kept of all has a ceiling.

use super::*;
use crate::oci::media_type::{OCI_CONFIG, OCI_INDEX, OCI_MANIFEST};
use crate::source::layout;
use crate::source::parts::Wanted;
use std::path::Path;

fn directory(root: &Path) -> Result<Store<'static>> {
    Store::directory(root, &crate::pinned::Reach::default())
}

/// Puts a blob into a layout and gives its descriptor.
fn put(root: &Path, media_type: &str, text: &str) -> String {
    let digest = DigestHasher::sha256().of(text.as_bytes());
    let blobs = root.join("blobs/sha256");
    std::fs::create_dir_all(&blobs).unwrap();
    std::fs::write(blobs.join(digest.digest()), text).unwrap();
    let size = text.len();
    format!(r#"{{"mediaType":"{media_type}","digest":"{digest}","size":{size}}}"#)
}

fn list(root: &Path, name: &str, manifests: &[String]) -> String {
    let text = format!(
        r#"{{"schemaVersion":2,"manifests":[{}]}}"#,
        manifests.join(",")
    );
    if name == "index.json" {
        std::fs::write(root.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
        std::fs::write(root.join(name), &text).unwrap();
    }
    put(root, OCI_INDEX, &text)
}

// Found by an index that was listed a hundred times and read as often: 82 s for a megabyte.
#[test]
fn a_document_is_parsed_once_however_often_it_is_pointed_at() {
    let guard = tempfile::tempdir().unwrap();
    let root = guard.path();
    let config = put(root, OCI_CONFIG, r#"{"os":"linux","architecture":"s390x"}"#);
    let manifests: Vec<_> = (0..50)
        .map(|number| {
            let text = format!(
                r#"{{"schemaVersion":2,"config":{config},"annotations":{{"n":"{number}"}}}}"#
            );
            put(root, OCI_MANIFEST, &text)
        })
        .collect();
    let inner = list(root, "", &manifests);
    // Whole copies, and further indexes that lead to the same.
    let mut top = vec![inner.clone(); 100];
    for copies in 2..40 {
        top.push(list(root, "", &vec![inner.clone(); copies]));
    }
    list(root, "index.json", &top);
    let documents = Documents::of(directory(root).unwrap());
    let wanted = Wanted {
        platform: Platform::new("linux", "amd64", None),
        is_explicit: false,
    };
    let all = || {
        let found = layout::find(&documents, None, &wanted);
        (
            layout::offers(&documents).unwrap(),
            found.unwrap_err().to_string(),
        )
    };
    let before = all();
    assert_eq!(before.0.len(), 50);
    // What is known is not read again.
    std::fs::remove_dir_all(root).unwrap();
    assert_eq!(all(), before);
}

#[test]
fn a_damaged_document_is_looked_at_once_too_and_told_of_each_time() {
    let guard = tempfile::tempdir().unwrap();
    let root = guard.path();
    let manifest = put(root, OCI_MANIFEST, "no JSON");
    list(root, "index.json", std::slice::from_ref(&manifest));
    let documents = Documents::of(directory(root).unwrap());
    let descriptor: Descriptor = serde_json::from_str(&manifest).unwrap();
    let told = || documents.manifest(&descriptor).unwrap_err().to_string();
    let before = told();
    std::fs::remove_dir_all(root).unwrap();
    assert_eq!(told(), before);
}

#[test]
fn a_descriptor_s_length_is_held_against_a_document_that_is_known() {
    let guard = tempfile::tempdir().unwrap();
    let root = guard.path();
    let config = put(root, OCI_CONFIG, "{}");
    let manifest = put(root, OCI_MANIFEST, &format!(r#"{{"config":{config}}}"#));
    let documents = Documents::of(directory(root).unwrap());
    let right: Descriptor = serde_json::from_str(&manifest).unwrap();
    assert!(documents.manifest(&right).unwrap().is_some());
    let wrong = Descriptor::new(OCI_MANIFEST.to_owned(), 7, right.digest.clone());
    let error = documents.manifest(&wrong).unwrap_err().to_string();
    assert!(error.contains("expected 7 bytes"), "{error}");
}

// 500 manifests of 4 MiB were 2 GB of memory.
#[test]
fn what_is_kept_of_all_documents_has_a_ceiling() {
    let documents = Documents::of(directory(Path::new("/")).unwrap());
    let piece = vec![0; 4 << 20];
    for _ in 0..16 {
        documents.keep(&piece).unwrap();
    }
    let error = documents.keep(&[0]).unwrap_err().to_string();
    assert!(error.contains("67108864 bytes together"), "{error}");
}

#[test]
fn more_names_than_anybody_reads_are_refused_before_they_cost_anything() {
    let guard = tempfile::tempdir().unwrap();
    let root = guard.path();
    let absent = |number: u64| {
        format!(r#"{{"mediaType":"{OCI_MANIFEST}","digest":"sha256:{number:064x}"}}"#)
    };
    let many: Vec<_> = (0..1000).map(absent).collect();
    let inner = list(root, "", &many);
    let top: Vec<_> = (1..=101)
        .map(|copies| list(root, "", &vec![inner.clone(); copies]))
        .collect();
    list(root, "index.json", &top);
    let documents = Documents::of(directory(root).unwrap());
    let error = layout::offers(&documents).unwrap_err().to_string();
    assert!(error.contains("at most 100000 images"), "{error}");
}
