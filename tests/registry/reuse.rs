//! What is there already is not pulled again, and looking at an image pulls no layer.

use std::fs;
use std::path::PathBuf;

use super::pull::{layers, noise};
use super::push::Repository;
use super::stand::{NAME, Stand};
use super::support::archive::{TestImage, layer_tar};

#[test]
fn of_a_second_image_on_the_same_base_only_the_new_layer_is_pulled() {
    let Some(stand) = Stand::new() else {
        return;
    };
    stand.pulls(&[]);
    stand.proxy.seen();
    let new = layer_tar(&[("upper/new", &noise(99, 1 << 20))]);
    let second = TestImage {
        compression: super::support::archive::Compression::Gzip,
        ..TestImage::new([super::pull::layers(1, 5), vec![new]].concat())
    };
    let layout = second.layout("2");
    // In another repository, as bases mostly are.
    Repository::new(stand.plain().address, "second/image").push(&layout, "2");
    let reference = Repository::new(stand.proxy.address(), "second/image").reference("2");
    let found = stand.puller.pulled(&reference, &[]);
    let blobs: Vec<_> = stand
        .proxy
        .seen()
        .into_iter()
        .filter(|seen| seen.method == "GET" && seen.path.contains("/blobs/"))
        .map(|seen| seen.path)
        .collect();
    // The config and the new layer.
    assert_eq!(blobs.len(), 2, "{blobs:?}");
    for blob in &stand.blobs {
        assert!(blobs.iter().all(|path| !path.contains(&blob.digest)));
    }
    let expected = stand
        .puller
        .pulled(&stand.puller.layout("second", &layout), &[]);
    assert!(found == expected);
}

/// Where a blob is in the cache.
fn cached(stand: &Stand, digest: &str) -> PathBuf {
    let path = format!("blobs/{}", digest.replace(':', "/"));
    stand.puller.cache().join(path)
}

#[test]
fn a_blob_that_rotted_in_the_cache_is_pulled_again() {
    let Some(stand) = Stand::new() else {
        return;
    };
    stand.pulls(&[]);
    for digest in [
        &stand.config,
        &stand.blobs[0].digest,
        &stand.blobs[1].digest,
    ] {
        let path = cached(&stand, digest);
        let right = fs::read(&path).unwrap();
        let middle = right.len() / 2;
        let mut other_byte = right.clone();
        other_byte[middle] ^= 1;
        for wrong in [
            &other_byte[..],
            &right[..middle],
            b"",
            &[&right[..], b"x"].concat(),
        ] {
            fs::remove_file(&path).unwrap();
            fs::write(&path, wrong).unwrap();
            stand.proxy.seen();
            stand.pulls(&[]);
            let blobs: Vec<_> = stand.proxy.seen();
            let again = blobs.iter().filter(|seen| seen.path.contains(digest));
            assert_eq!(again.count(), 1, "{blobs:?}");
            assert!(fs::read(&path).unwrap() == right);
        }
    }
}

#[test]
fn a_second_pull_asks_for_the_tag_and_nothing_else() {
    let Some(stand) = Stand::new() else {
        return;
    };
    stand.pulls(&[]);
    stand.proxy.seen();
    stand.pulls(&[]);
    let asked: Vec<_> = stand
        .proxy
        .seen()
        .into_iter()
        .map(|seen| seen.path)
        .collect();
    assert!(
        asked.iter().all(|path| !path.contains("/blobs/")),
        "{asked:?}"
    );
    assert!(
        asked.iter().any(|path| path.ends_with("/manifests/1")),
        "{asked:?}"
    );
    // The tag is asked for each time: with the registry away it fails.
    let absent = Repository::new(stand.proxy.address(), NAME).reference("2");
    stand.puller.fails(&absent, &["--retry=0"], 3, &["2"]);
}

#[test]
fn without_a_cache_nothing_is_kept_and_by_default_it_is_in_the_users_cache_directory() {
    let Some(stand) = Stand::of(TestImage::new(layers(21, 1))) else {
        return;
    };
    let run = |options: &[&str], variables: &[(&str, PathBuf)]| {
        let words = ["build", &stand.reference, "--size=fit"];
        let mut command = stand.puller.command(&[&words, options].concat());
        stand.puller.press.add_directories(&mut command);
        command.envs(variables.iter().cloned());
        let ended = stand.puller.press.run(&mut command);
        assert!(stand.puller.take_output(&ended) == stand.expected);
    };
    stand.puller.forget();
    run(&["--no-cache"], &[]);
    assert!(!stand.puller.home().join(".cache").exists());
    run(&[], &[]);
    let places = [
        stand.puller.home().join(".cache/layerpress"),
        stand.puller.press.root().join("xdg/layerpress"),
    ];
    run(
        &[],
        &[("XDG_CACHE_HOME", stand.puller.press.root().join("xdg"))],
    );
    for place in places {
        assert!(super::cache_check::wrong_in(&place).is_empty());
        assert!(super::cache_check::blob_count(&place) >= 4);
    }
    assert!(!stand.puller.cache().exists());
    let mut both = stand.puller.build(&stand.reference, &[]);
    let ended = stand.puller.press.run(both.arg("--no-cache"));
    assert_eq!(ended.code(), 2, "{}", ended.stderr);
}

#[test]
fn inspect_reads_the_manifest_and_the_config_and_never_a_layer() {
    let Some(stand) = Stand::new() else {
        return;
    };
    let words = ["inspect", &stand.reference, "--json", "--no-cache"];
    let ended = stand.puller.press.run(&mut stand.puller.command(&words));
    let told: serde_json::Value = serde_json::from_str(ended.succeeded()).unwrap();
    let text = told.to_string();
    for blob in &stand.blobs {
        assert!(text.contains(&blob.digest), "{text}");
    }
    assert!(
        text.contains(&stand.digest) && text.contains("PATH=/bin"),
        "{text}"
    );
    let seen = stand.proxy.seen();
    let blobs: Vec<_> = seen
        .iter()
        .filter(|seen| seen.path.contains("/blobs/"))
        .collect();
    assert_eq!(blobs.len(), 1, "{seen:?}");
    assert!(blobs[0].path.contains(&stand.config));
    let ended = stand
        .puller
        .press
        .run(&mut stand.puller.command(&["inspect", &stand.reference]));
    assert!(ended.succeeded().contains(&stand.blobs[0].digest[7..19]));
    assert!(stand.puller.press.left().is_empty());
}

#[test]
fn plan_verify_and_diff_take_what_build_takes() {
    let Some(stand) = Stand::of(TestImage::new(layers(31, 1))) else {
        return;
    };
    let run = |words: &[&str]| {
        let mut command = stand.puller.command(words);
        command.arg("--cache-dir").arg(stand.puller.cache());
        stand.puller.press.run(&mut command)
    };
    let output = stand.puller.press.output();
    let image = output.to_str().unwrap();
    run(&["build", &stand.reference, "--size=fit", "-o", image]).succeeded();
    let local = format!("oci:{}", stand.puller.press.input("layout").display());
    for command in ["plan", "verify", "diff"] {
        // What it is called is the source's own.
        let names = ["name ", "\"image_name\": "];
        let is_name = |line: &&str| names.iter().any(|name| line.trim_start().starts_with(name));
        let of = |reference: &str| {
            let words = match command {
                "plan" => vec![command, reference, "--size=fit", "--json"],
                _ => vec![command, image, reference],
            };
            let told = run(&words).succeeded().to_owned();
            let lines = told.lines().filter(|line| !is_name(line));
            lines.collect::<Vec<_>>().join("\n")
        };
        let told = of(&stand.reference);
        assert_eq!(
            told.replace(&stand.reference, &local),
            of(&local),
            "{command}"
        );
    }
    stand.puller.sound();
}
