//! What is told of mounts.

use serde_json::Value;

use crate::place::place;
use crate::support::oracles::succeed;

#[test]
fn a_mount_is_told_in_a_line_as_json_or_not_at_all() {
    let Some(place) = place() else { return };
    let point = place.at("m");
    let (image, at) = (place.image.to_str().unwrap(), point.to_str().unwrap());
    let told = place.ok(["mount", image, at]);
    let start = format!("{image} mounted on {at} (ext3, ro,nosuid,nodev, /dev/loop");
    assert!(
        told.starts_with(&start) && told.lines().count() == 1,
        "{told}"
    );
    let told = place.ok(["umount", at]);
    assert_eq!(told, format!("{at} unmounted\n"));
    assert_eq!(place.ok(["mount", "-q", image, at]), "");
    assert_eq!(place.ok(["umount", "-q", at]), "");
    let told = place.ok(["mount", image, at, "--json", "--dev"]);
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["path"], image);
    assert_eq!(told["mount_point"], at);
    assert_eq!(told["filesystem_type"], "ext3");
    assert_eq!(told["read_only"], true);
    assert!(told["device"].as_str().unwrap().starts_with("/dev/loop"));
    let options = told["options"].as_array().unwrap();
    assert!(options.contains(&"nosuid".into()) && !options.contains(&"nodev".into()));
}

#[test]
fn the_list_shows_every_mounted_image_whoever_mounted_it() {
    let Some(place) = place() else { return };
    // In this order: mount(8) would take the loop device that is over the image already.
    let other = place.at("other");
    std::fs::create_dir(&other).unwrap();
    let options = ["-o", "loop,ro"].map(std::ffi::OsStr::new);
    let paths = [place.image.as_os_str(), other.as_os_str()];
    succeed("mount", options.into_iter().chain(paths));
    place.mount("m");
    let list: Value = serde_json::from_str(&place.ok(["mount", "--list", "--json"])).unwrap();
    let here: Vec<_> = list["mounts"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|mount| mount["path"] == place.image.to_str().unwrap())
        .collect();
    assert_eq!(here.len(), 2);
    assert_eq!(here[0]["mount_point"], other.to_str().unwrap());
    assert_eq!(here[1]["mount_point"], place.at("m").to_str().unwrap());
    assert_ne!(here[0]["device"], here[1]["device"]);
    let table = place.ok(["mount", "--list"]);
    assert!(table.starts_with("DEVICE "), "{table}");
    let row = table
        .lines()
        .find(|line| line.contains(other.to_str().unwrap()))
        .unwrap();
    let cells: Vec<_> = row.split_whitespace().collect();
    assert_eq!(
        cells[1..],
        [
            "ext3",
            "ro",
            other.to_str().unwrap(),
            place.image.to_str().unwrap()
        ]
    );
    // What others have mounted is unmounted all the same.
    place.ok(["umount".as_ref(), place.image.as_os_str()]);
    assert_eq!((place.mounts(), place.loop_devices_left()), (0, 0));
}
