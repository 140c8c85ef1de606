//! Where credentials come from, and where they never go.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::blob_store::BlobStore;
use super::pull::layers;
use super::push::Repository;
use super::registry_server::{Access, PASSWORD, Setup, USER};
use super::stand::{NAME, Stand};
use super::support::archive::{Compression, TestImage};
use super::support::run::Ended;
use super::token_server::{PUBLIC, TokenServer};

fn image() -> TestImage {
    TestImage::new(layers(7, 1))
}

/// A stand whose registry wants the password.
fn with_password() -> Option<Stand> {
    let setup = Setup {
        access: Access::Password,
        ..Setup::default()
    };
    Stand::with(image(), setup)
}

/// A stand whose registry wants a token.
fn with_tokens(tokens: &TokenServer) -> Option<Stand> {
    Stand::with_tokens(image(), tokens)
}

/// `HOST:PORT` of what is pulled from.
fn host(stand: &Stand) -> String {
    stand.proxy.address().to_string()
}

/// A file of credentials for a registry or a part of it.
fn auths(key: &str, password: &str) -> Value {
    let auth = STANDARD.encode(format!("{USER}:{password}"));
    json!({ "auths": { key: { "auth": auth } } })
}

fn write(path: &Path, value: &Value) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, value.to_string()).unwrap();
}

/// Pulls afresh with a command prepared by `prepare`.
#[track_caller]
fn pull(stand: &Stand, prepare: impl Fn(&mut Command)) -> Ended {
    stand.puller.forget();
    let mut command = stand.puller.build(&stand.reference, &["-v"]);
    prepare(&mut command);
    let ended = stand.puller.press.run(&mut command);
    // Never shown to anybody, in whatever form.
    let encoded = STANDARD.encode(format!("{USER}:{PASSWORD}"));
    for secret in [PASSWORD, &encoded, "eyJ"] {
        assert!(!ended.stderr.contains(secret), "{}", ended.stderr);
        assert!(!ended.stdout.contains(secret), "{}", ended.stdout);
    }
    ended
}

#[track_caller]
fn succeeds(stand: &Stand, prepare: impl Fn(&mut Command)) {
    let ended = pull(stand, prepare);
    assert!(stand.puller.take_output(&ended) == stand.expected);
}

#[track_caller]
fn is_refused(stand: &Stand, words: &[&str], prepare: impl Fn(&mut Command)) {
    let ended = pull(stand, prepare);
    let at = host(stand);
    stand
        .puller
        .has_failed(&ended, 3, &[&[&at[..]], words].concat());
}

#[test]
fn without_or_with_wrong_credentials_one_error_names_the_registry_and_the_option() {
    let Some(tokens) = TokenServer::start() else {
        return;
    };
    let Some(password) = with_password() else {
        return;
    };
    let token = with_tokens(&tokens).unwrap();
    for stand in [password, token] {
        is_refused(&stand, &["--creds"], |_| {});
        is_refused(&stand, &["password", "--creds"], |command| {
            command.arg("--creds=alice:wrong");
        });
        // It asked a few times at most: trying again does not make a password right.
        assert!(stand.proxy.gets("/manifests/") <= 6);
        succeeds(&stand, |command| {
            command.arg(format!("--creds={USER}:{PASSWORD}"));
        });
        let file = stand.puller.home().join(".docker/config.json");
        write(&file, &auths(&host(&stand), "wrong"));
        is_refused(&stand, &["password"], |_| {});
        // What is typed goes before what is stored.
        succeeds(&stand, |command| {
            command.arg(format!("--creds={USER}:{PASSWORD}"));
        });
    }
}

#[test]
fn files_of_credentials_are_found_where_docker_and_podman_keep_them() {
    let Some(stand) = with_password() else {
        return;
    };
    let right = auths(&host(&stand), PASSWORD);
    let wrong = auths(&host(&stand), "wrong");
    let elsewhere = stand.puller.press.root().join("elsewhere");
    let docker = stand.puller.home().join(".docker/config.json");
    let moved = elsewhere.join("config.json");
    let named = elsewhere.join("named.json");
    let config_home = elsewhere.join("xdg");
    let runtime = stand.puller.press.root().join("run/containers/auth.json");
    let podman = stand.puller.home().join(".config/containers/auth.json");
    let podman_moved = config_home.join("containers/auth.json");
    type Variable<'a> = Option<(&'a str, &'a Path)>;
    let cases: [(&PathBuf, Variable); 6] = [
        (&docker, None),
        (&moved, Some(("DOCKER_CONFIG", &elsewhere))),
        (&named, Some(("REGISTRY_AUTH_FILE", &named))),
        (&runtime, None),
        (&podman, None),
        (&podman_moved, Some(("XDG_CONFIG_HOME", &config_home))),
    ];
    for (file, variable) in cases {
        let prepare = |command: &mut Command| {
            if let Some((name, value)) = variable {
                command.env(name, value);
            }
        };
        write(file, &wrong);
        is_refused(&stand, &["password"], prepare);
        write(file, &right);
        succeeds(&stand, prepare);
        // Asked for anonymously, all that is passed by.
        is_refused(&stand, &["--creds"], |command| {
            prepare(command);
            command.arg("--anonymous");
        });
        fs::remove_file(file).unwrap();
    }
    // REGISTRY_AUTH_FILE goes before all others.
    for file in [&docker, &runtime, &podman] {
        write(file, &wrong);
    }
    write(&named, &right);
    succeeds(&stand, |command| {
        command.env("REGISTRY_AUTH_FILE", &named);
    });
    fs::remove_file(&named).unwrap();
    let ended = pull(&stand, |command| {
        command.env("REGISTRY_AUTH_FILE", &named);
    });
    let name = named.display().to_string();
    stand.puller.has_failed(&ended, 3, &[&name]);
    write(&docker, &json!({ "auths": 5 }));
    fs::remove_file(&runtime).unwrap();
    fs::remove_file(&podman).unwrap();
    let ended = pull(&stand, |_| {});
    assert_ne!(ended.code(), 0);
    stand
        .puller
        .has_failed(&ended, ended.code(), &[docker.to_str().unwrap()]);
}

#[test]
fn the_longest_key_of_a_repository_is_the_one() {
    let Some(stand) = with_password() else {
        return;
    };
    let file = stand.puller.press.root().join("run/containers/auth.json");
    let host = host(&stand);
    let auth = |password: &str| json!({ "auth": STANDARD.encode(format!("{USER}:{password}")) });
    let write = |entries: &[(String, &str)]| {
        let entries = entries.iter().map(|(key, word)| (key.clone(), auth(word)));
        let all: serde_json::Map<String, Value> = entries.collect();
        write(&file, &json!({ "auths": all }));
    };
    write(&[
        (host.clone(), "wrong"),
        (format!("{host}/{NAME}"), PASSWORD),
        (format!("{host}/{NAME}/below"), "wrong"),
        (format!("{host}/samp"), "wrong"),
    ]);
    succeeds(&stand, |_| {});
    write(&[
        (host.clone(), PASSWORD),
        (format!("{host}/other"), "wrong"),
        ("other.test".to_owned(), "wrong"),
    ]);
    succeeds(&stand, |_| {});
    // As docker wrote them once.
    write(&[(format!("http://{host}/v1/"), PASSWORD)]);
    succeeds(&stand, |_| {});
}

#[test]
fn credential_helpers_are_asked_and_not_found_means_anonymous() {
    let Some(tokens) = TokenServer::start() else {
        return;
    };
    let Some(stand) = with_tokens(&tokens) else {
        return;
    };
    let press = &stand.puller.press;
    let host = host(&stand);
    let known = json!({ "ServerURL": host, "Username": USER, "Secret": PASSWORD });
    press.script(
        "docker-credential-knows",
        &format!("read -r server; [ \"$1 $server\" = 'get {host}' ] && cat <<'E'\n{known}\nE"),
    );
    let none = "read -r server; echo 'credentials not found in native keychain'; exit 1";
    press.script("docker-credential-none", none);
    press.script(
        "docker-credential-broken",
        "cat >/dev/null; echo 'no keychain here' >&2; exit 3",
    );
    press.script("docker-credential-garbage", "cat >/dev/null; echo '<html>'");
    let path = std::env::join_paths(
        [press.root().to_owned()]
            .into_iter()
            .chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    )
    .unwrap();
    let with_path = |command: &mut Command| {
        command.env("PATH", &path);
    };
    let file = stand.puller.home().join(".docker/config.json");
    for config in [
        json!({ "credHelpers": { &host: "knows" } }),
        json!({ "credsStore": "knows" }),
        json!({ "credsStore": "broken", "credHelpers": { &host: "knows" } }),
    ] {
        write(&file, &config);
        succeeds(&stand, with_path);
    }
    press.script("docker-credential-hangs", "exec sleep 600");
    fs::write(press.root().join("docker-credential-forbidden"), "").unwrap();
    // A helper that fails was the end, also where the registry lets everybody in or the password
    // stands beside it. Now it is a warning.
    let entry = json!({ "auth": STANDARD.encode(format!("{USER}:{PASSWORD}")) });
    for helper in ["broken", "garbage", "absent", "hangs", "forbidden", "../x"] {
        write(
            &file,
            &json!({ "credsStore": helper, "auths": { &host: entry } }),
        );
        let ended = pull(&stand, |command| {
            with_path(command);
            command.arg("--timeout=1");
        });
        assert!(ended.stderr.contains(helper), "{}", ended.stderr);
        assert!(stand.puller.take_output(&ended) == stand.expected);
    }
    write(&file, &json!({ "credsStore": "none" }));
    tokens.asked();
    is_refused(&stand, &["--creds"], with_path);
    assert!(tokens.asked().iter().all(|asked| asked.password.is_none()));
    for (helper, words) in [
        ("broken", &["docker-credential-broken", "no keychain here"]),
        ("garbage", &["docker-credential-garbage", ""]),
        ("absent", &["docker-credential-absent", ""]),
    ] {
        write(&file, &json!({ "credHelpers": { &host: helper } }));
        let ended = pull(&stand, with_path);
        assert!([3, 5, 6].contains(&ended.code()), "{}", ended.stderr);
        stand.puller.has_failed(&ended, ended.code(), words);
    }
}

#[test]
fn credentials_stand_in_a_variable_a_file_or_standard_input_too() {
    let Some(stand) = with_password() else {
        return;
    };
    let host = host(&stand);
    let right = auths(&host, PASSWORD).to_string();
    let wrong = auths(&host, "wrong");
    // The variable goes before the files.
    write(&stand.puller.home().join(".docker/config.json"), &wrong);
    succeeds(&stand, |command| {
        command.env("DOCKER_AUTH_CONFIG", &right);
    });
    is_refused(&stand, &["password"], |command| {
        command.env("DOCKER_AUTH_CONFIG", r#"{"auths":{}}"#);
    });
    let ended = pull(&stand, |command| {
        command.env("DOCKER_AUTH_CONFIG", PASSWORD);
    });
    assert!(
        ended.stderr.contains("DOCKER_AUTH_CONFIG"),
        "{}",
        ended.stderr
    );

    let file = stand.puller.press.root().join("creds");
    for end in ["", "\n", "\r\n"] {
        fs::write(&file, format!("{USER}:{PASSWORD}{end}")).unwrap();
        succeeds(&stand, |command| {
            command.arg("--creds-file").arg(&file);
        });
        succeeds(&stand, |command| {
            let file = fs::File::open(&file).unwrap();
            command.arg("--creds-stdin").stdin(file);
        });
    }
    for (content, word) in [
        ("", "no user name"),
        ("hunter2", "no user name"),
        (":hunter2", "no user name"),
        ("u:hunter2\nhunter2\n", "one line"),
        ("u:hunter2\n\n", "one line"),
        (&format!("u:{}", "hunter2".repeat(10_000)), "more than"),
    ] {
        fs::write(&file, content).unwrap();
        for by_file in [true, false] {
            let ended = pull(&stand, |command| {
                if by_file {
                    command.arg("--creds-file").arg(&file);
                } else {
                    let file = fs::File::open(&file).unwrap();
                    command.arg("--creds-stdin").stdin(file);
                }
            });
            stand.puller.has_failed(&ended, 5, &["USER:PASSWORD", word]);
            assert!(!ended.stderr.contains("hunter2"), "{}", ended.stderr);
        }
    }
    let ended = pull(&stand, |command| {
        command.arg("--creds-file=/nowhere/file");
    });
    stand.puller.has_failed(&ended, 3, &["/nowhere/file"]);
    // One thing is asked for at a time.
    for options in [
        &["--creds=a:b", "--creds-stdin"][..],
        &["--anonymous", "--creds-file=x"],
        &["--creds-file=x", "--creds-stdin"],
    ] {
        let ended = pull(&stand, |command| {
            command.args(options);
        });
        assert_eq!(ended.code(), 2, "{}", ended.stderr);
    }
    let mut build = stand.puller.build("-", &["--creds-stdin"]);
    let ended = stand.puller.press.run(&mut build);
    stand
        .puller
        .has_failed(&ended, 2, &["standard input", "--creds-file"]);
}

/// clap shows the value that it refuses, and serde what it found (found by a red team).
#[test]
fn what_was_to_be_a_secret_is_not_shown_when_it_is_none() {
    let Some(stand) = with_password() else {
        return;
    };
    for typed in ["hunter2", ":hunter2", "-hunter2", ""] {
        let ended = pull(&stand, |command| {
            command.args(["--creds", typed]);
        });
        assert_eq!(ended.code(), 2, "{}", ended.stderr);
        assert!(
            !ended.stderr.contains("hunter2") && ended.stderr.contains("--creds"),
            "{}",
            ended.stderr
        );
    }
    let file = stand.puller.home().join(".docker/config.json");
    for entry in [
        json!("hunter2"),
        json!({ "auth": "hunter2" }),
        json!({ "username": "u", "password": 98_765_432 }),
        json!(["hunter2"]),
    ] {
        write(&file, &json!({ "auths": { host(&stand): entry } }));
        let ended = pull(&stand, |_| {});
        stand
            .puller
            .has_failed(&ended, 5, &[file.to_str().unwrap(), "--anonymous"]);
        for secret in ["hunter2", "98765432"] {
            assert!(!ended.stderr.contains(secret), "{}", ended.stderr);
        }
    }
    for proxy in [
        "http://u:hunter2@127.0.0.1:99999",
        "http://u:hun/ter2@127.0.0.1:1",
    ] {
        let ended = pull(&stand, |command| {
            command.env("HTTP_PROXY", proxy);
        });
        stand.puller.has_failed(&ended, 5, &["HTTP_PROXY"]);
        assert!(!ended.stderr.contains("ter2"), "{}", ended.stderr);
    }
}

#[test]
fn what_is_public_is_pulled_without_credentials_by_anybody() {
    let Some(tokens) = TokenServer::start() else {
        return;
    };
    let Some(mut stand) = with_tokens(&tokens) else {
        return;
    };
    let public = Repository::new(stand.proxy.address(), &format!("{PUBLIC}{NAME}"));
    let layout = TestImage {
        compression: Compression::Gzip,
        ..image()
    }
    .layout("1");
    Repository::new(stand.plain().address, &public.name).push(&layout, "1");
    let private = std::mem::replace(&mut stand.reference, public.reference("1"));
    succeeds(&stand, |_| {});
    let asked = tokens.asked();
    assert!(asked.iter().all(|asked| asked.password.is_none()));
    // One token serves for all of one pull.
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert_eq!(
        asked[0].scopes,
        [format!("repository:{}:pull", public.name)]
    );
    let file = stand.puller.home().join(".docker/config.json");
    write(&file, &auths(&host(&stand), PASSWORD));
    succeeds(&stand, |_| {});
    assert!(
        tokens
            .asked()
            .iter()
            .all(|asked| asked.password == Some(true))
    );
    succeeds(&stand, |command| {
        command.arg("--anonymous");
    });
    assert!(tokens.asked().iter().all(|asked| asked.password.is_none()));
    stand.reference = private;
    is_refused(&stand, &["--creds"], |command| {
        command.arg("--anonymous");
    });
    let ended = pull(&stand, |command| {
        command.args(["--anonymous", "--creds=a:b"]);
    });
    assert_eq!(ended.code(), 2, "{}", ended.stderr);
}

#[test]
fn a_redirect_never_carries_credentials_to_another_host() {
    let Some(plain) = super::registry_server::Registry::plain() else {
        return;
    };
    let store = BlobStore::of(plain.storage());
    let base = format!("http://localhost:{}", store.address().port());
    let layout = TestImage {
        compression: Compression::Gzip,
        ..image()
    }
    .layout("1");
    Repository::new(plain.address, NAME).push(&layout, "1");
    let setup = Setup {
        access: Access::Password,
        blobs_at: Some(&base),
        storage: Some(plain.storage()),
        ..Setup::default()
    };
    let registry = super::registry_server::Registry::start(setup).unwrap();
    let puller = super::pull::Puller::new();
    let expected = puller.pulled(&puller.layout("layout", &layout), &[]);
    let reference = Repository::new(registry.address, NAME).reference("1");
    let creds = format!("--creds={USER}:{PASSWORD}");
    assert!(puller.pulled(&reference, &[&creds]) == expected);
    assert!(store.served().len() >= 4);
    // A redirected blob continues where it broke off, by way of the registry or not.
    puller.forget();
    store.cut(2, 300_000);
    assert!(puller.pulled(&reference, &[&creds]) == expected);
    let ranges: Vec<_> = store.served().into_iter().flatten().collect();
    assert!(
        ranges
            .iter()
            .any(|range| range.starts_with("bytes=300000-")),
        "{ranges:?}"
    );
    assert_eq!(store.credentials_seen(), 0);
}
