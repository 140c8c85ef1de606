//! The same image with the same earlier filesystem gives the same bytes.

use std::fs;
use std::path::PathBuf;

use super::support::archive::{Compression, TestImage};
use super::{Versions, image};

/// The second version in each form in which an image is kept, and how it is named.
fn sources(versions: &Versions) -> Vec<String> {
    let at = |name: &str| -> PathBuf { versions.press.input(name) };
    let shown = |path: PathBuf| path.display().to_string();
    let compressed = |compression| TestImage {
        compression,
        ..image(2)
    };
    let classic = at("classic.tar");
    image(2).classic_archive(&["name:tag"]).write_tar(&classic);
    let modern = at("modern.tar");
    image(2).modern_archive("name:tag").write_tar(&modern);
    let gzip = at("gzip");
    let layout = compressed(Compression::Gzip).layout("tag");
    layout.write_directory(&gzip);
    let zstd = at("zstd.tar");
    compressed(Compression::Zstd).layout("tag").write_tar(&zstd);
    vec![
        format!("docker-archive:{}", shown(classic)),
        format!("docker-archive:{}", shown(modern)),
        format!("oci:{}", shown(gzip)),
        format!("oci-archive:{}", shown(zstd)),
    ]
}

#[test]
fn every_form_of_an_image_and_any_number_of_jobs_give_the_same_bytes() {
    for kind in ["ext3", "ext4"] {
        let fs_option = format!("--fs={kind}");
        let versions = Versions::new(&[&fs_option]);
        let output = versions.press.output();
        versions.made_like(&[&fs_option]);
        let expected = fs::read(&output).unwrap();
        for source in sources(&versions) {
            for jobs in ["--jobs=1", "--jobs=4"] {
                let mut build = versions.press.command("build");
                build.arg(&source).args([&fs_option, jobs]);
                versions.press.add_directories(&mut build);
                let ended = versions.press.run(build.arg("--like").arg(versions.old()));
                ended.succeeded();
                assert!(fs::read(&output).unwrap() == expected, "{source} {jobs}");
            }
        }
        // Through a pipe, and to one.
        let mut build = versions.press.command("build");
        build.args(["-", "-o", "-", &fs_option]);
        build.arg("--like").arg(versions.old());
        build
            .arg("--work-dir")
            .arg(versions.press.root().join("work"));
        build.stdin(fs::File::open(versions.press.input("classic.tar")).unwrap());
        let streamed = versions.press.input("streamed");
        build.stdout(fs::File::create(&streamed).unwrap());
        assert!(build.status().unwrap().success());
        assert!(fs::read(&streamed).unwrap() == expected, "{kind}");
    }
}
