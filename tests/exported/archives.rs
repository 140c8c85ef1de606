//! Into archives, files and pipes.

use std::fs;
use std::process::{Command, Stdio};

use serde_json::json;

use crate::rig::{Rig, Written};
use crate::support::oracles::program;
use crate::support::run::output_of;

#[test]
fn an_archive_for_docker_is_a_layout_with_dockers_list_in_it() {
    let rig = Rig::new();
    let target = rig.target("docker-archive", "a.tar:some/name:1");
    rig.exported(&target, &["--base", "BASE"]);
    let written = Written::archive(&fs::read(rig.out("a.tar")).unwrap());
    let list = written.json("manifest.json");
    assert_eq!(list.as_array().unwrap().len(), 1);
    assert_eq!(list[0]["RepoTags"], json!(["some/name:1"]));
    let (manifest, _) = written.image(Some("1"));
    let place = |descriptor: &serde_json::Value| {
        let digest = descriptor["digest"].as_str().unwrap();
        format!("blobs/{}", digest.replace(':', "/"))
    };
    assert_eq!(list[0]["Config"], place(&manifest["config"]));
    let layers = manifest["layers"].as_array().unwrap().iter();
    let layers: Vec<_> = layers.map(place).collect();
    assert_eq!(list[0]["Layers"], json!(layers));
    let entry = &written.listed()[0].1;
    assert_eq!(
        entry["annotations"]["io.containerd.image.name"],
        "docker.io/some/name:1"
    );
    rig.shows_the_same(&target);
    // By whichever of its lists it is read.
    rig.shows_the_same(&rig.target("oci-archive", "a.tar:1"));
}

/// GNU tar loses members of any other when it changes it.
#[test]
fn an_archive_ends_with_a_whole_record() {
    let rig = Rig::new();
    for transport in ["docker-archive", "oci-archive"] {
        let target = rig.target(transport, "a.tar");
        rig.exported(&target, &["--platform=amd64"]);
        let length = fs::metadata(rig.out("a.tar")).unwrap().len();
        assert_eq!(length % 10_240, 0, "{transport}: {length}");
    }
}

#[test]
fn an_image_without_a_name_has_none_anywhere() {
    let rig = Rig::new();
    let target = rig.target("docker-archive", "a.tar");
    rig.exported(&target, &["--platform=amd64"]);
    let written = Written::archive(&fs::read(rig.out("a.tar")).unwrap());
    assert_eq!(written.json("manifest.json")[0]["RepoTags"], json!(null));
    assert_eq!(written.listed()[0].1.get("annotations"), None);
    rig.shows_the_same(&target);
}

#[test]
fn a_layout_in_an_archive_is_what_the_directory_is() {
    let rig = Rig::new();
    rig.exported(&rig.target("oci-archive", "a.tar:x"), &["--base", "BASE"]);
    rig.exported(&rig.target("oci", "a:x"), &["--base", "BASE"]);
    let archive = Written::archive(&fs::read(rig.out("a.tar")).unwrap()).0;
    assert!(archive == Written::directory(&rig.out("a")).0);
    rig.shows_the_same(&rig.target("oci-archive", "a.tar:x"));
}

#[test]
fn a_pipe_gets_what_a_file_would() {
    let rig = Rig::new();
    for (stream, file, options) in [
        ("-", "docker-archive", &["--base", "BASE"][..]),
        ("oci-archive:-:x", "oci-archive", &["--platform=amd64"]),
        // What docker load calls it.
        (
            "docker-archive:-:team/app:1",
            "docker-archive",
            &["--base", "BASE"],
        ),
    ] {
        let name = stream.split_once("-:").map(|(_, name)| format!(":{name}"));
        let name = &format!("a.tar{}", name.unwrap_or_default());
        rig.exported(&rig.target(file, name), options);
        let output = output_of(&mut rig.command(stream, options));
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        assert!(said.contains("image ID sha256:"), "{said}");
        assert!(output.stdout == fs::read(rig.out("a.tar")).unwrap());
    }
    assert_eq!(rig.press.left(), ["out/a.tar"]);
}

/// What is named is what docker load shows.
#[test]
fn a_stream_for_docker_has_the_name_that_it_was_given() {
    let rig = Rig::new();
    let options = ["--base", "BASE"];
    let output = output_of(&mut rig.command("docker-archive:-:team/app:1", &options));
    let written = Written::archive(&output.stdout);
    let list = written.json("manifest.json");
    assert_eq!(list[0]["RepoTags"][0], "team/app:1", "{list}");
    let help = output_of(rig.press.command("export").arg("--help"));
    let help = String::from_utf8(help.stdout).unwrap();
    assert!(
        help.contains("-o docker-archive:-:a | docker load"),
        "{help}"
    );
}

#[test]
fn a_terminal_is_no_place_for_an_image() {
    let Some(script) = program("script") else {
        return;
    };
    let rig = Rig::new();
    for target in ["-", "docker-archive:-:a", "oci-archive:-:x"] {
        let said = rig.press.root().join("tmp/said");
        let line = format!(
            "{} export {} --platform amd64 -o {target} 2>{}",
            crate::support::run::LAYERPRESS,
            rig.filesystem().display(),
            said.display()
        );
        let status = Command::new(&script)
            .args(["-qec", &line, "/dev/null"])
            .stdout(Stdio::null())
            .stdin(Stdio::null())
            .status()
            .unwrap();
        let said = fs::read_to_string(said).unwrap();
        assert_eq!(status.code(), Some(5), "{said}");
        assert!(
            said.contains("an image is nothing for a terminal"),
            "{said}"
        );
        assert!(said.contains("docker-archive:FILE"), "{said}");
    }
}

#[test]
fn every_tar_reads_the_archive_and_the_same_layer_is_in_it_once() {
    let mut image = crate::rig::image();
    image.layers.push(image.layers[1].clone());
    let rig = Rig::of(&image);
    rig.exported(&rig.target("docker-archive", "a.tar"), &["--base", "BASE"]);
    let listed = Command::new("tar").arg("tf").arg(rig.out("a.tar")).output();
    let listed = String::from_utf8(listed.unwrap().stdout).unwrap();
    // Three layers of which two are one, the new one, configuration and manifest.
    let blobs = listed.lines().filter(|line| line.len() > 64);
    assert_eq!(blobs.count(), 5, "{listed}");
    rig.shows_the_same(&rig.target("docker-archive", "a.tar"));
}

#[test]
fn a_file_is_replaced_unless_that_is_not_wanted() {
    let rig = Rig::new();
    for (transport, name) in [
        ("docker-archive", "a.tar"),
        ("oci-archive", "b.tar"),
        ("oci", "c:x"),
        ("oci", "d"),
    ] {
        let target = rig.target(transport, name);
        let path = rig.out(name.split(':').next().unwrap());
        if transport != "oci" {
            fs::write(&path, "before").unwrap();
        }
        rig.exported(&target, &["--platform=amd64"]);
        rig.shows_the_same(&target);
        let ended = rig.export(&target, &["--platform=arm64", "--no-clobber"]);
        ended.failed(5, &["--no-clobber"]);
        rig.shows_the_same(&target);
        // Another name is none that is there.
        if transport == "oci" {
            let other = path.file_name().unwrap().to_str().unwrap();
            let other = format!("{}:y", rig.target("oci", other));
            rig.exported(&other, &["--platform=arm64", "--no-clobber"]);
        }
    }
}
