//! What there is where several images are.

use serde_json::{Value, json};

use crate::support::archive::{Files, TestImage};
use crate::support::fake_daemon::{FakeDaemon, send};
use crate::support::run::Press;
use crate::support::session::{Layer, layerpress};

fn image(content: &[u8]) -> TestImage {
    TestImage::new([Layer::new().file("a", content).tar()])
}

#[test]
fn an_archive_lists_its_images_as_docker_does() {
    let press = Press::new();
    let mut files = Files::default();
    let entries = [
        image(b"1").put_classic(&mut files, &["example.org:5000/app:1", "app:latest"]),
        image(b"2").put_classic(&mut files, &[]),
    ];
    files.put_json("manifest.json", &json!(entries));
    files.write_tar(&press.image());
    let archive = press.image();
    let archive = archive.to_str().unwrap();
    let ran = layerpress(["inspect", archive]).ended_with(0);
    let lines: Vec<Vec<&str>> = ran
        .stdout
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    let titles = [
        "REPOSITORY",
        "TAG",
        "IMAGE",
        "ID",
        "PLATFORM",
        "CREATED",
        "SIZE",
    ];
    assert_eq!(lines[1], titles, "{}", ran.stdout);
    assert_eq!(lines[3][..2], ["app", "latest"], "{}", ran.stdout);
    assert_eq!(
        lines[2][..2],
        ["example.org:5000/app", "1"],
        "{}",
        ran.stdout
    );
    assert_eq!(lines[4][..2], ["<none>", "<none>"], "{}", ran.stdout);
    assert_eq!(
        lines[2][3..],
        ["linux/amd64", "2024-05-01", "10:20", "2", "KiB"]
    );
    let json = layerpress(["inspect", "--json", archive])
        .ended_with(0)
        .json();
    assert_eq!(
        json["images"][0]["created"],
        "2024-05-01T10:20:30.500000000Z"
    );
    assert_eq!(json["images"][0]["size_bytes"], 2048);
    // Of one image all is told.
    image(b"1")
        .classic_archive(&["app:1"])
        .write_tar(&press.image());
    let ran = layerpress(["inspect", archive]).ended_with(0);
    assert!(!ran.stdout.contains("REPOSITORY"), "{}", ran.stdout);
}

#[test]
fn a_daemon_without_a_name_lists_what_it_has() {
    let id = "1".repeat(64);
    let answer = json!([
        { "Id": format!("sha256:{id}"), "RepoTags": ["app:1", "app:2"], "Created": 1_714_558_830, "Size": 5 << 20 },
        // As podman tells one without a name.
        { "Id": "2".repeat(64), "RepoTags": null, "Created": 0, "Size": 7 },
        { "Id": format!("sha256:{}", "3".repeat(64)), "RepoTags": ["<none>:<none>"] },
    ]);
    let answer = answer.to_string();
    let daemon = FakeDaemon::start(move |path, stream| match path {
        "/images/json" => send(stream, "200 OK", answer.as_bytes()),
        _ => send(stream, "200 OK", b"OK"),
    });
    let address = daemon.address();
    let words = ["inspect", "docker-daemon:", "--docker-host", &address];
    let ran = layerpress(words).ended_with(0);
    assert!(
        ran.stdout.starts_with("3 images in docker-daemon:\n"),
        "{}",
        ran.stdout
    );
    for line in [
        "app         1       111111111111  -         2024-05-01 10:20  5 MiB\n",
        "app         2       111111111111  -         2024-05-01 10:20  5 MiB\n",
        "<none>      <none>  222222222222  -         1970-01-01 00:00  7 B\n",
    ] {
        assert!(ran.stdout.contains(line), "{}", ran.stdout);
    }
    let words = [&words[..], &["--json"]].concat();
    let json: Value = layerpress(words).ended_with(0).json();
    assert_eq!(json["images"][0]["image_id"], format!("sha256:{id}"));
    assert_eq!(json["images"][2]["names"], json!([]));
    // A list that is none.
    let daemon = FakeDaemon::start(|path, stream| match path {
        "/images/json" => send(stream, "200 OK", br#"[{"Id":"x/../y"}]"#),
        _ => send(stream, "200 OK", b"OK"),
    });
    let words = [
        "inspect",
        "docker-daemon:",
        "--docker-host",
        &daemon.address(),
    ];
    let ran = layerpress(words).ended_with(3);
    assert!(
        ran.stderr.contains("expected a list of images in JSON"),
        "{}",
        ran.stderr
    );
    // Nothing else takes a daemon without a name.
    let ran = layerpress(["ls", "docker-daemon:"]).ended_with(5);
    assert!(
        ran.stderr.contains("expected an image's name or ID"),
        "{}",
        ran.stderr
    );
}
