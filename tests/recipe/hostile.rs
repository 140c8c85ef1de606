//! Recipes that mean ill: each ends in one error, and nothing is left.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use super::support::run::{Ended, Press};
use super::{build, press, write};

/// Builds a recipe with these lines at the top and these edits.
fn built(press: &Press, source: &str, edits: &str) -> Ended {
    write(
        press,
        &format!(
            "source = '{source}'\n[filesystem]\nsize = '16M'\n[edits]\n{edits}\n[output]\nfile = 'o.img'\n"
        ),
    );
    build(press, &[])
}

fn refused(press: &Press, ended: &Ended, words: &[&str]) {
    let code = ended.code();
    assert!([3, 4, 5].contains(&code), "{}", ended.stderr);
    ended.failed(code, words);
    assert_eq!(press.left(), [""; 0]);
}

/// What is put in from outside, and what leads there.
fn outside(press: &Press) {
    let at = |name: &str| press.root().join(name);
    fs::create_dir(at("secret")).unwrap();
    fs::write(at("secret/key"), "secret").unwrap();
    fs::copy(press.image(), at("secret/save.tar")).unwrap();
    symlink("../secret", press.input("relative")).unwrap();
    symlink(at("secret"), press.input("absolute")).unwrap();
    symlink("../secret/key", press.input("key")).unwrap();
    symlink("../secret/save.tar", press.input("tar")).unwrap();
    symlink("/proc/self/root", press.input("magic")).unwrap();
    symlink("over", press.input("inside")).unwrap();
}

#[test]
fn nothing_comes_from_outside_the_recipes_directory_unless_that_is_allowed() {
    let press = press();
    outside(&press);
    let absolute = press.root().join("secret");
    let absolute = absolute.to_str().unwrap();
    for path in [
        "../secret",
        "relative",
        "absolute",
        "over/../../secret",
        absolute,
    ] {
        for edit in [
            format!("overlay = ['{path}']"),
            format!("add = ['{path}:x']"),
            format!("add = ['{path}/key:x']"),
        ] {
            refused(
                &press,
                &built(&press, "save.tar", &edit),
                &["leads out of it"],
            );
        }
        let source = format!("docker-archive:{path}/save.tar");
        refused(&press, &built(&press, &source, ""), &["leads out of it"]);
        let source = format!("rootfs:{path}");
        refused(&press, &built(&press, &source, ""), &["leads out of it"]);
    }
    refused(
        &press,
        &built(&press, "save.tar", "add = ['key:x']"),
        &["leads out of it"],
    );
    refused(&press, &built(&press, "tar", ""), &["leads out of it"]);
    refused(&press, &built(&press, "rootfs:magic", ""), &[]);
    // Inside, links are followed; and outside where that was said.
    built(&press, "save.tar", "overlay = ['inside']").succeeded();
    fs::remove_file(press.root().join("out/o.img")).unwrap();
    write(
        &press,
        "source = 'tar'\n[filesystem]\nsize = '16M'\n[edits]\nadd = ['key:x']\noverlay = ['../secret:y']\n[output]\nfile = 'o.img'\n",
    );
    build(&press, &["--allow-outside"]).succeeded();
}

#[test]
fn a_link_in_a_tree_that_is_put_in_is_kept_and_never_followed() {
    let press = press();
    outside(&press);
    symlink("../../secret/key", press.input("over/leak")).unwrap();
    built(&press, "save.tar", "overlay = ['over']").succeeded();
    let mut cat = press.command("cat");
    cat.arg(press.root().join("out/o.img")).arg("/leak");
    let ended = press.run(&mut cat);
    assert_ne!(ended.code(), 0);
    assert!(!ended.stdout.contains("secret"), "{}", ended.stdout);
}

#[test]
fn a_layouts_files_stay_in_the_layout() {
    let press = press();
    let layout = press.input("layout");
    fs::create_dir_all(&layout).unwrap();
    fs::write(
        layout.join("oci-layout"),
        r#"{"imageLayoutVersion":"1.0.0"}"#,
    )
    .unwrap();
    fs::write(press.root().join("index.json"), "{\"secret\":1}").unwrap();
    symlink("../../index.json", layout.join("index.json")).unwrap();
    let ended = built(&press, "oci:layout", "");
    refused(&press, &ended, &["leads out of it"]);
    assert!(!ended.stderr.contains("secret"));
}

#[test]
fn devices_pipes_and_sockets_are_no_sources() {
    let press = press();
    let fifo = press.input("fifo");
    assert!(
        Command::new("mkfifo")
            .arg(&fifo)
            .status()
            .unwrap()
            .success()
    );
    let _socket = std::os::unix::net::UnixListener::bind(press.input("socket")).unwrap();
    for path in ["fifo", "socket", "/dev/zero", "/dev/stdin"] {
        refused(
            &press,
            &built(&press, &format!("docker-archive:{path}"), ""),
            &[],
        );
        refused(
            &press,
            &built(&press, "save.tar", &format!("overlay = ['{path}']")),
            &[],
        );
        refused(
            &press,
            &built(&press, "save.tar", &format!("add = ['{path}:x']")),
            &[],
        );
    }
}

#[test]
fn a_recipe_is_a_file_that_is_where_it_is() {
    let press = press();
    let text = "source = 'save.tar'\n[filesystem]\nsize = '16M'\n[output]\nfile = 'o.img'\n";
    fs::write(press.root().join("outside.toml"), text).unwrap();
    symlink("../outside.toml", press.input("r.toml")).unwrap();
    refused(
        &press,
        &build(&press, &[]),
        &["leads out of it", "--allow-outside"],
    );
    let mut list = press.command("build");
    list.args(["--recipe", "/etc/passwd", "-o", "x"]);
    refused(&press, &press.run(&mut list), &["/etc/passwd:1:"]);
    for (path, word) in [
        ("in/over", ""),
        ("in/absent.toml", "absent"),
        ("in/..", ""),
        ("/dev/zero", ""),
    ] {
        let mut command = press.command("build");
        command.current_dir(press.root()).args(["--recipe", path]);
        refused(&press, &press.run(&mut command), &[word]);
    }
    // Its paths begin where the link is.
    build(&press, &["--allow-outside"]).succeeded();
    fs::remove_file(press.input("r.toml")).unwrap();
    fs::write(press.input("over/real.toml"), text).unwrap();
    symlink("over/real.toml", press.input("r.toml")).unwrap();
    build(&press, &[]).succeeded();
}

#[test]
fn names_from_tags_stay_names() {
    use super::support::archive::TestImage;
    let press = press();
    let image = TestImage::new([super::layer_tar(&[("a", b"b")])]);
    image
        .classic_archive(&["evil:../../../x"])
        .write_tar(&press.input("evil.tar"));
    write(
        &press,
        "source = 'docker-archive:evil.tar:@0'\n[filesystem]\nsize = '16M'\n[output]\nfile = '{tag}.img'\n",
    );
    let ended = build(&press, &[]);
    let names = press.left();
    if ended.code() == 0 {
        // Reduced to letters that lead nowhere.
        assert_eq!(names.len(), 1, "{names:?}");
        assert!(names[0].starts_with("out/") && !names[0][4..].contains('/'));
    } else {
        refused(&press, &ended, &[]);
    }
    assert!(!Path::new("../x.img").exists());
}

#[test]
fn texts_with_nul_and_recipes_without_end_are_one_error() {
    let press = press();
    for edit in [
        "file = [\"a=\\u0000\"]",
        "add = [\"a\\u0000b:c\"]",
        "mkdir = [\"a\\u0000\"]",
    ] {
        refused(
            &press,
            &built(&press, "save.tar", edit),
            &["r.toml:5:", "without NUL"],
        );
    }
    let many: String = (0..1_000_000).map(|edit| format!("'a{edit}',")).collect();
    refused(
        &press,
        &built(&press, "save.tar", &format!("mkdir = [{many}]")),
        &["at most 1048576 bytes"],
    );
    let deep = format!("x = {}{}", "[".repeat(10_000), "]".repeat(10_000));
    refused(
        &press,
        &built(&press, "save.tar", &deep),
        &["no more than 80 deep"],
    );
    fs::write(press.input("r.toml"), b"source = '\xff'").unwrap();
    refused(
        &press,
        &build(&press, &[]),
        &["r.toml:1: expected a recipe in UTF-8"],
    );
    // As many as a recipe can hold are made.
    let many: String = (0..20_000).map(|edit| format!("'d/{edit}',")).collect();
    write(
        &press,
        &format!(
            "source = 'save.tar'\n[filesystem]\nsize = 'fit'\n[edits]\nmkdir = [{many}]\n[output]\nfile = 'o.img'\n"
        ),
    );
    build(&press, &[]).succeeded();
}
