use super::*;
use crate::oci::DigestHasher;

fn digest(text: &str) -> Digest {
    DigestHasher::sha256().of(text.as_bytes())
}

fn segment(offset_bytes: u64, length_bytes: u64) -> Segment {
    Segment {
        offset_bytes,
        length_bytes,
        digest: digest(&format!("plain {offset_bytes}")),
        stored_digest: digest(&format!("stored {offset_bytes}")),
        stored_bytes: 100,
    }
}

fn artifact() -> Artifact {
    let config = Descriptor::new(CONFIG_TYPE.to_owned(), 300, digest("config"));
    let segments = vec![segment(0, 8192), segment(8192, 4096), segment(20480, 1024)];
    Artifact::new(config, 21504, digest("file"), segments).unwrap()
}

/// The printed manifest with one place changed.
fn changed(from: &str, to: &str) -> String {
    let printed = String::from_utf8(artifact().manifest().unwrap()).unwrap();
    assert!(printed.contains(from), "{from}: {printed}");
    printed.replacen(from, to, 1)
}

fn error(text: &str) -> crate::Error {
    Artifact::of_manifest(text.as_bytes(), "docker://r/a:1").unwrap_err()
}

#[test]
fn what_is_printed_is_read_as_it_was() {
    let mut artifact = artifact();
    for platform in [None, Some("linux/amd64"), Some("linux/arm/v6")] {
        artifact.platform = platform.map(|text| text.parse().unwrap());
        for subject in [None, Some(digest("image"))] {
            artifact.subject = subject.map(|digest| {
                Descriptor::new(crate::oci::media_type::OCI_MANIFEST.to_owned(), 7, digest)
            });
            let printed = artifact.manifest().unwrap();
            assert_eq!(printed, artifact.manifest().unwrap());
            assert_eq!(Artifact::of_manifest(&printed, "").unwrap(), artifact);
        }
    }
    assert_eq!(artifact.plain_bytes(), 8192 + 4096 + 1024);
    assert_eq!(artifact.stored_bytes(), 300);
}

#[test]
fn an_empty_file_and_one_of_zeros_have_no_segments() {
    for size_bytes in [0, 4096, MAX_SIZE_BYTES] {
        let config = Descriptor::new(CONFIG_TYPE.to_owned(), 1, digest("config"));
        let artifact = Artifact::new(config, size_bytes, digest("file"), Vec::new()).unwrap();
        let printed = artifact.manifest().unwrap();
        assert_eq!(Artifact::of_manifest(&printed, "").unwrap(), artifact);
    }
}

/// The JSON is what RFC 8785 calls canonical: it stays the same when it is read and written with names
/// in their order.
#[test]
fn the_manifest_is_canonical_json() {
    let printed = artifact().manifest().unwrap();
    let value: serde_json::Value = serde_json::from_slice(&printed).unwrap();
    assert_eq!(serde_json::to_vec(&value).unwrap(), printed);
    assert_eq!(value["mediaType"], crate::oci::media_type::OCI_MANIFEST);
    assert_eq!(value["artifactType"], ARTIFACT_TYPE);
    assert_eq!(value["layers"][1]["annotations"][OFFSET], "8192");
}

#[test]
fn whatever_lies_is_refused_with_what_was_expected() {
    let second = "segment 2: ";
    for (from, to, place, words) in [
        // Places and lengths.
        (
            r#"offset":"8192""#,
            r#"offset":"4096""#,
            second,
            "ends at 8192, found it at 4096",
        ),
        (
            r#"offset":"8192""#,
            r#"offset":"0""#,
            second,
            "ends at 8192, found it at 0",
        ),
        (
            r#"offset":"8192""#,
            r#"offset":"8193""#,
            second,
            "a multiple of 4096, found 8193",
        ),
        (
            r#"offset":"8192""#,
            r#"offset":"40960""#,
            second,
            "within the 21504 bytes",
        ),
        (
            r#"offset":"8192""#,
            r#"offset":"18446744073709547520""#,
            second,
            "within the 21504 bytes",
        ),
        (
            r#"length":"4096""#,
            r#"length":"0""#,
            second,
            "length from 1 to",
        ),
        (
            r#"length":"4096""#,
            r#"length":"67112960""#,
            second,
            "length from 1 to",
        ),
        (
            r#"length":"4096""#,
            r#"length":"1000""#,
            second,
            "a multiple of 4096, found 1000",
        ),
        (
            r#"length":"8192""#,
            r#"length":"12288""#,
            second,
            "ends at 12288, found it at 8192",
        ),
        (
            r#"length":"1024""#,
            r#"length":"1025""#,
            "segment 3: ",
            "within the 21504 bytes",
        ),
        // Numbers that are none.
        (
            r#"offset":"8192""#,
            r#"offset":"-1""#,
            second,
            "decimal digits",
        ),
        (
            r#"offset":"8192""#,
            r#"offset":"+8192""#,
            second,
            "decimal digits",
        ),
        (
            r#"offset":"8192""#,
            r#"offset":"08192""#,
            second,
            "decimal digits",
        ),
        (
            r#"offset":"8192""#,
            r#"offset":"0x2000""#,
            second,
            "decimal digits",
        ),
        (
            r#"offset":"8192""#,
            r#"offset":"""#,
            second,
            "decimal digits",
        ),
        (
            r#"offset":"8192""#,
            r#"offset":"99999999999999999999""#,
            second,
            "decimal digits",
        ),
        (
            r#"offset":"8192""#,
            r#"elsewhere":"8192""#,
            second,
            "segment.offset, found none",
        ),
        (
            r#"size":"21504""#,
            r#"size":"17592186044417""#,
            "",
            "at most 17592186044416",
        ),
        (
            r#"size":"21504""#,
            r#"size":"16384""#,
            "segment 3: ",
            "within the 16384",
        ),
        (r#""size":300"#, r#""size":-300"#, "", "invalid value"),
        (
            r#""size":300"#,
            r#""size":4194305"#,
            "",
            "configuration: expected at most",
        ),
        (r#""size":100"#, r#""size":0"#, "segment 1: ", "from 1 to"),
        (
            r#""size":100"#,
            r#""size":12353"#,
            "segment 1: ",
            "from 1 to 12352 stored bytes",
        ),
        (r#""size":100"#, r#""size":1e99"#, "", "invalid type"),
        // Digests.
        (
            r#"segment.digest":"sha256:"#,
            r#"segment.digest":"sha256:0"#,
            "segment 1: ",
            "digest",
        ),
        (
            r#"segment.digest":"sha256:"#,
            r#"segment.digest":"../"#,
            "segment 1: ",
            "digest",
        ),
        (
            r#"image.sha256":""#,
            r#"image.sha256":"Z"#,
            "",
            "64 hexadecimal digits",
        ),
    ] {
        let error = error(&changed(from, to));
        let told = error.to_string();
        let start = format!("docker://r/a:1: {place}");
        assert!(
            told.starts_with(&start) && told.contains(words),
            "{from} {to}: {told}"
        );
        assert_eq!(error.exit_code(), 4, "{told}");
    }
}

#[test]
fn other_types_are_unsupported_by_name() {
    for (from, to, found) in [
        (ARTIFACT_TYPE, "application/vnd.other.v1", "vnd.other.v1"),
        (
            CONFIG_TYPE,
            crate::oci::media_type::OCI_CONFIG,
            crate::oci::media_type::OCI_CONFIG,
        ),
        (
            SEGMENT_TYPE,
            "application/vnd.filesystem-image.segment.v2+zstd",
            "segment.v2",
        ),
        (
            SEGMENT_TYPE,
            "application/vnd.oci.image.layer.v1.tar",
            "layer.v1.tar",
        ),
    ] {
        let error = error(&changed(from, to));
        assert_eq!(error.exit_code(), 5, "{error}");
        assert!(error.to_string().contains(found), "{error}");
    }
}

#[test]
fn an_artifact_without_its_type_is_one_by_its_configuration() {
    let text = changed(&format!(r#""artifactType":"{ARTIFACT_TYPE}","#), "");
    assert_eq!(
        Artifact::of_manifest(text.as_bytes(), "").unwrap(),
        artifact()
    );
    assert!(!is_artifact("", crate::oci::media_type::OCI_CONFIG));
    assert!(!is_artifact("application/vnd.other.v1", CONFIG_TYPE));
}

#[test]
fn a_million_segments_are_too_long_a_manifest_both_ways() {
    let size_bytes = 4096 * 1_000_000;
    let config = Descriptor::new(CONFIG_TYPE.to_owned(), 1, digest("config"));
    let one = segment(0, 4096);
    let segments = (0..1_000_000).map(|index| Segment {
        offset_bytes: index * 4096,
        ..one.clone()
    });
    let artifact = Artifact::new(config, size_bytes, digest("file"), segments.collect()).unwrap();
    let told = artifact.manifest().unwrap_err();
    assert_eq!(told.exit_code(), 5);
    assert!(told.to_string().contains("--segment-size"), "{told}");
    let layers = "{},".repeat(2 << 20);
    let read = error(&changed(r#""layers":["#, &format!(r#""layers":[{layers}"#)));
    assert!(read.to_string().contains("at most 4194304 bytes"), "{read}");
}

#[test]
fn another_files_configuration_is_refused() {
    let mut artifact = artifact();
    let config = |size: u64, sha256: &str| {
        format!(r#"{{"output":{{"size_bytes":{size},"sha256":"{sha256}","more":1}}}}"#).into_bytes()
    };
    let sha256 = artifact.sha256.digest().to_owned();
    let mut check = |bytes: &[u8]| {
        artifact.config.size = bytes.len() as u64;
        artifact.config.digest = DigestHasher::sha256().of(bytes);
        artifact.check_config(bytes, "configuration")
    };
    check(&config(21504, &sha256)).unwrap();
    for wrong in [
        config(21505, &sha256),
        config(21504, &"0".repeat(64)),
        br#"{"architecture":"amd64","os":"linux"}"#.to_vec(),
        b"[]".to_vec(),
    ] {
        assert_eq!(check(&wrong).unwrap_err().exit_code(), 4);
    }
    let other = artifact.check_config(&config(21504, &sha256), "configuration");
    assert!(other.is_err(), "its digest is another's");
}

/// As many as fit are told; what a segment takes at least is counted on.
#[test]
fn a_segment_takes_as_much_of_a_manifest_as_is_counted_on() {
    let one = artifact().manifest().unwrap().len();
    let mut more = artifact();
    more.segments.remove(0);
    let taken = one - more.manifest().unwrap().len();
    assert!((370..460).contains(&taken), "{taken}");
}
