//! However a run ends, nothing half has a name, and the next one makes it whole.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::rig::{Rig, states};

/// Of each image: nothing, or the output as it is to be; and no file that is nobody's, but under a hidden
/// name what was being named in the moment of a kill.
fn nothing_is_half(rig: &Rig, alone: &[Vec<u8>]) {
    for path in rig.press.left() {
        let name = path
            .strip_prefix("out/")
            .unwrap_or_else(|| panic!("{path}"));
        if name.starts_with('.') && name.ends_with(".partial") {
            continue;
        }
        let (image, ending) = name.split_at(1);
        let image: usize = image.parse().unwrap();
        match ending {
            ".img" => {
                let found = fs::read(rig.output(image)).unwrap();
                assert!(found == alone[image], "{path}");
            }
            ".img.manifest.json" => {}
            ending => panic!("{ending} of {path}"),
        }
    }
}

#[test]
fn killed_at_twenty_moments_and_run_again_it_is_right() {
    let rig = Rig::new();
    rig.plain_list();
    let alone = rig.alone(&["--progress=none"]);
    let mut whole = {
        let ended = rig.build(&["--progress=none"]);
        ended.succeeded();
        ended.time
    };
    let mut killed = 0;
    // One that was done before counts for nothing, and was faster than had been thought.
    for round in 0..80_u32 {
        if killed == 20 {
            break;
        }
        if round % 4 == 0 {
            for path in rig.press.left() {
                fs::remove_file(rig.press.root().join(path)).unwrap();
            }
        }
        // In an order that is no order.
        let moment = whole * (round * 7 % 20 + 1) / 21;
        let mut running =
            rig.press
                .start(&mut rig.command(&["--progress=none", "--json", "--force"]));
        std::thread::sleep(moment);
        kill_process(Pid::from_child(&running.child), Signal::KILL).unwrap();
        let status = running.child.wait().unwrap();
        match status.signal() {
            Some(9) => killed += 1,
            _ => whole = whole * 3 / 4,
        }
        nothing_is_half(&rig, &alone);
        if round % 5 == 4 {
            let ended = rig.build(&["--progress=none", "--json"]);
            assert_eq!(states(ended.succeeded()).len(), 6);
            for (image, alone) in alone.iter().enumerate() {
                assert!(
                    &fs::read(rig.output(image)).unwrap() == alone,
                    "image {image}"
                );
            }
            let ended = rig.build(&["--progress=none", "--json"]);
            assert!(
                states(ended.succeeded())
                    .iter()
                    .all(|(_, state)| state == "up_to_date")
            );
        }
    }
    assert_eq!(killed, 20);
    // Whoever builds an output takes away what others left of it.
    rig.build(&["--progress=none", "--force"]).succeeded();
    assert_eq!(rig.press.left().len(), 12, "{:?}", rig.press.left());
}

/// Killed between the two, the new output stands beside the earlier manifest, and not the other way.
#[test]
fn an_earlier_manifest_beside_a_newer_output_and_the_other_way_are_built_again() {
    let rig = Rig::new();
    let manifest = rig.press.root().join("out/0.img.manifest.json");
    rig.list(|_, line| line);
    let fixed = &["--progress=none", "--json", "--size=16M", "--shard=0/6"];
    rig.build(fixed).succeeded();
    let (old_output, old_manifest) = (
        fs::read(rig.output(0)).unwrap(),
        fs::read(&manifest).unwrap(),
    );
    std::thread::sleep(Duration::from_millis(20));
    let labelled = &[
        "--progress=none",
        "--json",
        "--size=16M",
        "--shard=0/6",
        "--label=new",
    ];
    rig.build(labelled).succeeded();
    let new_output = fs::read(rig.output(0)).unwrap();
    assert!(new_output.len() == old_output.len() && new_output != old_output);
    fs::write(&manifest, &old_manifest).unwrap();
    let modified = fs::metadata(rig.output(0)).unwrap().modified().unwrap();
    let file = fs::File::options().write(true).open(&manifest).unwrap();
    file.set_modified(modified - Duration::from_millis(10))
        .unwrap();
    let ended = rig.build(fixed);
    assert_eq!(states(ended.succeeded()), [(1, "built".to_owned())]);
    assert!(fs::read(rig.output(0)).unwrap() == old_output);
}

#[test]
fn an_interrupt_stops_all_and_leaves_what_is_complete() {
    let rig = Rig::new();
    // The second waits for ever.
    let pipe = rig.press.input("pipe");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &pipe,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
        0,
    )
    .unwrap();
    rig.list(|image, line| match image {
        1 => format!("{}\t{}", pipe.display(), rig.output(1).display()),
        _ => line,
    });
    let alone = rig.alone(&["--progress=none"]);
    let mut running = rig
        .press
        .start(&mut rig.command(&["--progress=none", "--json", "--jobs=1"]));
    let first = rig.press.root().join("out/0.img.manifest.json");
    let waited = std::time::Instant::now();
    while !first.exists() {
        assert!(waited.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(5));
    }
    std::thread::sleep(Duration::from_millis(300));
    kill_process(Pid::from_child(&running.child), Signal::INT).unwrap();
    let status = running.child.wait().unwrap();
    assert_eq!(status.code(), Some(130));
    let said = fs::read_to_string(rig.press.root().join("stderr")).unwrap();
    assert!(
        said.contains("interrupted; 1 of 6 outputs were complete already"),
        "{said}"
    );
    assert_eq!(rig.press.left(), ["out/0.img", "out/0.img.manifest.json"]);
    nothing_is_half(&rig, &alone);
}
