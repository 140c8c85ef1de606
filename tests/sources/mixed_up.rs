//! Archives behind the transports of others.

use super::support::archive::Files;
use super::{assert_says, at, bad, directory};

/// Bug: of an archive behind the wrong transport it was told which file it lacks, and not what it is.
#[test]
fn an_archive_of_another_form_than_its_transport_is_told_the_right_one() {
    let (_guard, path) = directory();
    let archive = |name: &str, members: &[&str]| {
        let members = members
            .iter()
            .map(|name| ((*name).to_owned(), b"{}".to_vec()));
        Files(members.collect()).write_tar(&path.join(name));
        at(&path, name)
    };
    let layout = archive("layout", &["oci-layout", "index.json", "blobs/sha256/a"]);
    let docker = archive("docker", &["manifest.json", "a/layer.tar"]);
    let old = archive("old", &["repositories", "a/layer.tar"]);
    let flat = archive("flat", &["etc/passwd"]);
    for (reference, lacks, help) in [
        (
            format!("docker-archive:{layout}"),
            "manifest.json",
            "OCI image layout, which oci-archive: takes",
        ),
        (
            format!("docker-archive:{flat}"),
            "manifest.json",
            "which rootfs: takes",
        ),
        (
            format!("docker-archive:{old}"),
            "manifest.json",
            "docker before 1.10",
        ),
        (
            format!("oci-archive:{docker}"),
            "index.json",
            "(docker save), which docker-archive: takes",
        ),
        (
            format!("oci-archive:{flat}"),
            "index.json",
            "which rootfs: takes",
        ),
    ] {
        assert_says(&bad(&reference), &[lacks, help]);
    }
    Files([("manifest.json".to_owned(), b"[]".to_vec())].into()).write_directory(&path.join("dir"));
    let told = bad(&format!("oci:{}", at(&path, "dir")));
    assert_says(&told, &["index.json", "skopeo copy dir:PATH"]);
}
