//! What goes before what, and what a default reaches.

use std::fs;
use std::path::Path;

use super::support::archive::{Compression, TestImage, layer_tar};
use super::support::run::Press;
use super::{Home, taken};

#[test]
fn an_option_goes_before_a_variable_and_a_variable_before_the_file() {
    let home = Home::with("# mine\njobs = 3\n");
    let origin = |at: &str| format!("({}:{at})", home.file().display());
    let file = format!("--jobs=3 {}", origin("2:8"));
    assert_eq!(home.told(&mut home.plan()), [file]);
    let mut set = home.plan();
    set.env("LAYERPRESS_JOBS", "2");
    assert_eq!(home.told(&mut set), ["--jobs=2 (LAYERPRESS_JOBS)"]);
    assert_eq!(home.told(set.arg("--jobs=1")), [""; 0]);
    // An empty one is none.
    let file = format!("--jobs=3 {}", origin("2:8"));
    assert_eq!(home.told(home.plan().env("LAYERPRESS_JOBS", "")), [file]);
}

#[test]
fn the_cache_lies_where_the_first_that_says_so_says() {
    let home = Home::new();
    let [file, variable, option] =
        ["file", "variable", "option"].map(|name| home.press.input(name));
    let path = |command: &mut std::process::Command| {
        let ended = home.press.run(command);
        let document: serde_json::Value = serde_json::from_str(ended.succeeded()).unwrap();
        document["path"].as_str().unwrap().to_owned()
    };
    let mut command = home.command("cache");
    command.args(["ls", "--json"]);
    command.env("XDG_CACHE_HOME", home.press.input("usual"));
    let expect = |directory: &Path| directory.to_str().unwrap().to_owned();
    let usual = home.press.input("usual/layerpress");
    assert_eq!(path(&mut command), expect(&usual));
    home.write(format!("cache-dir = \"{}\"", file.display()));
    assert_eq!(path(&mut command), expect(&file));
    command.env("LAYERPRESS_CACHE_DIR", &variable);
    assert_eq!(path(&mut command), expect(&variable));
    // Where it has no meaning it is no conflict either, as a typed one is.
    let mut tags = home.command("tags");
    tags.args(["docker://localhost:1/none", "--no-cache", "--retry=0"]);
    home.press.run(&mut tags).failed(9, &["localhost:1"]);
    command.arg("--cache-dir").arg(&option);
    assert_eq!(path(&mut command), expect(&option));
}

#[test]
fn each_default_does_what_its_option_does() {
    let home = Home::new();
    let unreached = |more: &[&str]| {
        let mut command = home.command("tags");
        command.args(["docker://localhost:1/none"]).args(more);
        home.press.run(&mut command)
    };
    home.write("retry = 1\ntimeout = 7");
    unreached(&[]).failed(9, &["tried 2 times"]);
    let ended = unreached(&["-v"]);
    assert_eq!(taken(&ended.stderr).len(), 2, "{}", ended.stderr);
    home.write("retry = 0");
    assert!(!unreached(&[]).stderr.contains("asking again"));
    // A registry of this machine is spoken to by TLS where an authority is named.
    home.write("ca-cert = \"/nowhere/authority.pem\"");
    unreached(&[]).failed(3, &["/nowhere/authority.pem"]);
    home.write("progress = \"json\"");
    let ended = unreached(&["--retry=0"]);
    let last = ended.stderr.lines().last().unwrap();
    let event: serde_json::Value = serde_json::from_str(last).unwrap();
    assert_eq!(event["exit_code"], 9);
    unreached(&["--retry=0", "--progress=plain"]).failed(9, &["localhost:1"]);
}

#[test]
fn a_default_reaches_the_lines_of_a_list_whose_own_options_go_before_it() {
    let home = Home::with("work-dir = \"/nowhere/work\"");
    let layout = home.press.input("layout");
    let image = TestImage {
        compression: Compression::Gzip,
        ..TestImage::new([layer_tar(&[("etc/motd", &[b'x'; 100_000])])])
    };
    image.layout("1").write_directory(&layout);
    let list = home.press.input("list");
    let build = |options: &str| {
        let output = home.press.output();
        let line = format!(
            "oci:{}:1\t{}{options}\n",
            layout.display(),
            output.display()
        );
        fs::write(&list, line).unwrap();
        let mut command = home.command("build");
        command.arg("--list").arg(&list);
        home.press.run(&mut command)
    };
    let ended = build("");
    assert!(
        ended.code() == 3 && ended.stderr.contains("/nowhere/work"),
        "{}",
        ended.stderr
    );
    let own = home.press.root().join("work");
    build(&format!("\t--work-dir {}", own.display())).succeeded();
}

#[test]
fn no_default_changes_what_is_made_nor_what_is_told_of_it() {
    let home = Home::new();
    let build = |press: &Press| {
        let mut command = home.command("build");
        command.arg(press.image());
        press.add_directories(&mut command);
        let manifest = press.root().join("out/manifest.json");
        command.arg("--manifest").arg(&manifest).arg("-v");
        let ended = press.run(&mut command);
        ended.succeeded();
        let [image, manifest] = [press.output(), manifest].map(|path| fs::read(path).unwrap());
        (image, manifest, taken(&ended.stderr).len())
    };
    let recipe = || {
        let mut command = home.command("build");
        command.arg(home.press.image()).arg("--print-recipe");
        home.press.run(&mut command).succeeded().to_owned()
    };
    let (image, manifest, before) = build(&home.press);
    let said = recipe();
    let input = home.press.input("");
    home.write(format!(
        "cache-dir = \"{0}cache\"\nwork-dir = \"{0}\"\njobs = 1\nprogress = \"none\"\ntimeout = 1\nretry = 0\nca-cert = \"{0}ca\"\n",
        input.display()
    ));
    let (same_image, same_manifest, after) = build(&home.press);
    // The work directory was typed.
    assert_eq!((before, after), (0, 6));
    assert!(same_image == image && same_manifest == manifest);
    assert_eq!(recipe(), said);
}

#[test]
fn a_command_takes_what_it_has_an_option_for_and_umount_its_own_time() {
    let home = Home::with("timeout = 5\njobs = 4\nprogress = \"plain\"");
    let mut umount = home.command("umount");
    umount.args(["/nowhere/at/all", "-v"]);
    let ended = home.press.run(&mut umount);
    let told = taken(&ended.stderr);
    assert!(
        matches!(&told[..], [only] if only.starts_with("--progress=plain")),
        "{told:?}"
    );
}

#[test]
fn help_shows_the_programs_defaults_and_nobody_elses() {
    let home = Home::new();
    let help = |home: &Home| {
        let mut command = home.command("build");
        command.arg("--help").env("COLUMNS", "80");
        home.press.run(&mut command).succeeded().to_owned()
    };
    let before = help(&home);
    home.write("retry = 7654\ncache-dir = \"/nowhere/secret\"");
    assert_eq!(help(&home), before);
    assert!(!before.contains("7654"));
}
