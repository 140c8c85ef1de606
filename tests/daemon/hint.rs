//! A name that no registry gives and that a daemon here may have.

use std::os::unix::net::UnixListener;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::address;
use super::support::fake_daemon::{FakeDaemon, send};
use super::support::run::Press;

/// Of a registry that is not there.
const NAME: &str = "127.0.0.1:1/app:1";

fn build(press: &Press, name: &str, host: &str) -> Command {
    let mut command = press.command("build");
    command.arg(name).arg("--retry=0").env("DOCKER_HOST", host);
    press.add_directories(&mut command);
    command
}

#[test]
fn a_bare_name_that_a_registry_does_not_give_is_looked_for_in_the_daemon_here() {
    for (status, told) in [
        ("200 OK", Some("the docker daemon here has it")),
        ("500 Oh", Some("a docker daemon here may have it")),
        ("404 Not Found", None),
    ] {
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&asked);
        let fake = FakeDaemon::start(move |path, stream| {
            counted.fetch_add(1, Ordering::SeqCst);
            match path {
                "/_ping" => send(stream, "200 OK", b"OK"),
                path => {
                    assert_eq!(path, format!("/images/{NAME}/json"));
                    send(stream, status, b"{}");
                }
            }
        });
        let press = Press::new();
        let ended = press.run(&mut build(&press, NAME, &fake.address()));
        ended.failed(9, &[&format!("docker://{NAME}")]);
        let hint = format!("docker-daemon:{NAME}");
        match told {
            Some(told) => assert!(
                ended.stderr.contains(&format!("{told}: {hint}")),
                "{}",
                ended.stderr
            ),
            None => assert!(!ended.stderr.contains("docker-daemon:"), "{}", ended.stderr),
        }
        assert_eq!(asked.load(Ordering::SeqCst), 2);
        // Whoever says that a registry is meant has said it.
        let named = format!("docker://{NAME}");
        let ended = press.run(&mut build(&press, &named, &fake.address()));
        ended.failed(9, &[]);
        assert!(!ended.stderr.contains("docker-daemon:"), "{}", ended.stderr);
        assert_eq!(asked.load(Ordering::SeqCst), 2);
    }
}

#[test]
fn without_a_daemon_s_socket_here_none_is_told_of() {
    let press = Press::new();
    let [absent, file, left] = ["absent", "file", "left"].map(|name| press.input(name));
    std::fs::write(&file, "").unwrap();
    // Of one that has ended.
    drop(UnixListener::bind(&left).unwrap());
    let sockets = [absent, file, left].map(|path| address(&path));
    for host in sockets
        .iter()
        .map(String::as_str)
        .chain(["tcp://127.0.0.1:1"])
    {
        let ended = press.run(&mut build(&press, NAME, host));
        ended.failed(9, &[&format!("docker://{NAME}")]);
        assert!(!ended.stderr.contains("docker-daemon:"), "{}", ended.stderr);
    }
    // What may be a path is not asked for anywhere: both ways are told.
    let mut command = build(&press, "heroku/heroku:24", "unix:///nonexistent");
    let ways = [
        "docker://heroku/heroku:24",
        "docker-daemon:heroku/heroku:24",
    ];
    press.run(&mut command).failed(3, &ways);
}
