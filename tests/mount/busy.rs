//! Mounts that somebody uses.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use crate::place::{Place, layerpress, place};
use crate::support::oracles::{run, succeed};
use crate::support::run::output_of;

/// A process that ends with the test.
struct Sleeper(Child);

impl Sleeper {
    fn start(command: &mut Command) -> Self {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn();
        Self(child.unwrap())
    }

    fn id(&self) -> String {
        self.0.id().to_string()
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Place {
    fn busy(&self, point: &Path) -> String {
        let arguments = ["umount".as_ref(), "--timeout=1".as_ref(), point.as_os_str()];
        self.fails(3, arguments)
    }
}

#[test]
fn whoever_keeps_a_mount_busy_is_named() {
    let Some(place) = place() else { return };
    place.mount("m");
    let point = place.at("m");
    let by_directory = Sleeper::start(
        Command::new("/bin/sleep")
            .arg("100")
            .current_dir(point.join("dir")),
    );
    let by_program = Sleeper::start(Command::new(point.join("sleep")).arg("100"));
    let open = File::open(point.join("dir/file")).unwrap();
    let script = "import mmap, sys, time, os\nf = os.open(sys.argv[1], os.O_RDONLY)\n\
                  m = mmap.mmap(f, 0, prot=mmap.PROT_READ)\nos.close(f)\n\
                  for n in os.listdir('/proc/self/fd'):\n  int(n) > 2 and os.closerange(int(n), int(n) + 1)\n\
                  print('ready', flush=True); time.sleep(100)";
    let by_mapping = Command::new("python3")
        .args(["-c", script])
        .arg(point.join("sleep"))
        .stdout(Stdio::piped())
        .spawn();
    let mut by_mapping = Sleeper(by_mapping.unwrap());
    let mut ready = [0; 6];
    std::io::Read::read_exact(by_mapping.0.stdout.as_mut().unwrap(), &mut ready).unwrap();
    succeed(
        "mount",
        [
            "-t".as_ref(),
            "tmpfs".as_ref(),
            "none".as_ref(),
            point.join("dir/deep").as_os_str(),
        ],
    );
    let started = Instant::now();
    let error = place.busy(&point);
    assert!(started.elapsed().as_secs_f64() >= 1.0, "it was tried again");
    let file = |name: &str| point.join(name).display().to_string();
    for text in [
        format!(
            "process {} (sleep), its working directory\n",
            by_directory.id()
        ),
        format!("process {} (sleep), its program\n", by_program.id()),
        format!("process {} (", std::process::id()),
        format!("open {}\n", file("dir/file")),
        format!(
            "process {} (python3), mapped {}",
            by_mapping.id(),
            file("sleep")
        ),
        format!("the mount on {}\n", file("dir/deep")),
    ] {
        assert!(error.contains(&text), "no {text} in {error}");
    }
    drop((by_directory, by_program, by_mapping, open));
    assert!(run("umount", [point.join("dir/deep")]).status.success());
    place.umount("m");
}

#[test]
fn a_mount_that_becomes_free_in_time_is_unmounted() {
    let Some(place) = place() else { return };
    place.mount("m");
    let mut sleeper = Command::new("/bin/sleep");
    let mut sleeper = sleeper.arg("1").current_dir(place.at("m")).spawn().unwrap();
    place.umount("m");
    sleeper.wait().unwrap();
    assert_eq!(place.loop_devices_left(), 0);
}

#[test]
fn a_file_of_the_mount_under_a_loop_device_is_named() {
    let Some(place) = place() else { return };
    let inner: PathBuf = place.at("tree/inner.img");
    succeed(
        "mke2fs",
        [
            "-q".as_ref(),
            "-t".as_ref(),
            "ext2".as_ref(),
            inner.as_os_str(),
            "1M".as_ref(),
        ],
    );
    std::fs::remove_file(&place.image).unwrap();
    crate::support::sample::make_image(&place.at("tree"), &place.image, "ext3", "16M");
    place.mount("m");
    place.ok([
        "mount".as_ref(),
        place.at("m/inner.img").as_os_str(),
        place.at("n").as_os_str(),
    ]);
    let error = place.busy(&place.at("m"));
    assert!(error.contains(", over a file in it"), "{error}");
    place.umount("n");
    place.umount("m");
}

#[test]
fn a_lazy_unmount_takes_it_out_of_sight_and_frees_the_device_later() {
    let Some(place) = place() else { return };
    place.mount("m");
    let open = File::open(place.at("m/dir/file")).unwrap();
    place.busy(&place.at("m"));
    place.ok([
        "umount".as_ref(),
        "--lazy".as_ref(),
        place.at("m").as_os_str(),
    ]);
    assert_eq!((place.mounts(), place.loop_devices()), (0, 1));
    drop(open);
    assert_eq!(place.loop_devices_left(), 0);
}

#[test]
fn a_mount_namespace_that_keeps_the_device_is_named() {
    let Some(place) = place() else { return };
    place.mount("m");
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", "echo ready; exec sleep 100"]);
    let mut elsewhere = Sleeper(command.stdout(Stdio::piped()).spawn().unwrap());
    let mut ready = [0; 6];
    std::io::Read::read_exact(elsewhere.0.stdout.as_mut().unwrap(), &mut ready).unwrap();
    let output = output_of(&mut layerpress([
        "umount".as_ref(),
        "--timeout=1".as_ref(),
        place.at("m").as_os_str(),
    ]));
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{told}");
    let text = format!("stays in use by process {} (sleep)", elsewhere.id());
    assert!(
        told.contains("warning: /dev/loop") && told.contains(&text),
        "{told}"
    );
    drop(elsewhere);
    for _ in 0..100 {
        if place.loop_devices() == 0 {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    panic!("the device stays");
}
