//! The recipes of `examples/recipes`, on an image that is at hand.

use std::fs;
use std::path::Path;

use super::support::oracles;
use super::support::run::Press;

/// A copy of the recipes, with what is built beside them.
fn press() -> Press {
    let press = Press::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for name in ["stack.toml", "microvm.toml"] {
        let from = root.join("examples/recipes").join(name);
        fs::copy(from, press.input(name)).unwrap();
    }
    fs::write(press.input("init"), "#!/bin/sh\n").unwrap();
    press
}

/// Builds the bundled image by a recipe, twice; what is in it by name.
fn built(press: &Press, recipe: &str, options: &[&str]) -> Vec<String> {
    let image = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/busybox.tar");
    let build = || {
        let mut command = press.command("build");
        command
            .arg(&image)
            .arg("-o")
            .arg(press.output())
            .arg("--verify");
        command.arg("--recipe").arg(press.input(recipe));
        command.arg("--output-dir").arg(press.root().join("out"));
        press.run(command.args(options)).succeeded();
        fs::read(press.output()).unwrap()
    };
    let first = build();
    assert!(build() == first, "{recipe}");
    oracles::e2fsck_clean(&press.output());
    let mut list = press.command("ls");
    list.arg("-R").arg(press.output());
    let ended = press.run(&mut list);
    ended.succeeded().lines().map(str::to_owned).collect()
}

fn content(press: &Press, path: &str) -> String {
    let mut cat = press.command("cat");
    cat.arg(press.output()).arg(path);
    press.run(&mut cat).succeeded().to_owned()
}

#[test]
fn the_stack_recipe_leaves_what_programs_need_and_writes_what_the_platform_says() {
    let press = press();
    let names = built(&press, "stack.toml", &["--size=fit"]);
    let has = |name: &str| names.iter().any(|line| line.contains(name));
    for name in ["app", "tmp", "proc", "sys", "dev", "log"] {
        assert!(has(name), "{name}: {names:?}");
    }
    // Nothing else of the image, as home and root.
    assert!(!has("home") && !has("root"), "{names:?}");
    assert_eq!(content(&press, "/etc/hosts"), "127.0.0.1 localhost\n");
    assert_eq!(content(&press, "/etc/hostname"), "stack\n");
    assert_eq!(content(&press, "/etc/bash.bashrc"), "alias ll='ls -l'\n");
    assert!(content(&press, "/etc/profile").contains("PATH="));
    assert!(content(&press, "/etc/resolv.conf").starts_with("nameserver "));
    let left = press.left();
    let id = "out/heroku-24-b3f3b02e9925";
    assert_eq!(
        left,
        [
            "out/fs.img".to_owned(),
            "out/fs.img.sha256".to_owned(),
            format!("{id}.json"),
            format!("{id}.packages.json"),
        ]
    );
}

#[test]
fn the_microvm_recipe_has_room_mount_points_a_first_program_and_what_it_starts() {
    let press = press();
    let names = built(
        &press,
        "microvm.toml",
        &["--set=NAME=nginx", "--set=TAG=1.27"],
    );
    let has = |name: &str| names.iter().any(|line| line.contains(name));
    for name in ["dev", "proc", "sys", "run", "tmp", "init"] {
        assert!(has(name), "{name}");
    }
    assert_eq!(content(&press, "/sbin/init"), "#!/bin/sh\n");
    let inside = content(&press, "/etc/image.json");
    let beside = fs::read_to_string(press.root().join("out/nginx-1.27.config.json"));
    assert_eq!(beside.unwrap(), inside);
    let start: serde_json::Value = serde_json::from_str(&inside).unwrap();
    assert!(
        start["Cmd"].is_array() || start["Entrypoint"].is_array(),
        "{inside}"
    );
    assert!(fs::metadata(press.output()).unwrap().len() > 512 << 20);
    let beside = press.root().join("out/nginx-1.27.config.json");
    assert_eq!(fs::read_to_string(beside).unwrap(), inside);
}
