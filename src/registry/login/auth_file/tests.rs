use super::*;

fn found(json: &str, image: &str) -> Result<Option<Secret>, Wrong> {
    let file = AuthFile::parse(json.as_bytes())?;
    for key in keys(&image.parse().unwrap()) {
        if let Some(secret) = file.entry(&key)? {
            return Ok(Some(secret));
        }
    }
    Ok(None)
}

fn login(user: &str, password: impl AsRef<[u8]>) -> Option<Secret> {
    Some(Secret::Login(Login {
        user: user.into(),
        password: password.as_ref().to_vec(),
    }))
}

fn entry(user: &str) -> String {
    format!(
        r#"{{"auth":"{}"}}"#,
        BASE64.encode(format!("{user}:pass:word"))
    )
}

#[test]
fn a_registry_is_found_however_docker_wrote_its_name() {
    for (key, image) in [
        ("https://index.docker.io/v1/", "alpine"),
        ("docker.io", "alpine"),
        ("index.docker.io", "a/b"),
        ("https://ghcr.io", "ghcr.io/a/b"),
        ("http://localhost:5000/v2/", "localhost:5000/a"),
        ("localhost:5000/v1/", "localhost:5000/a"),
        ("ghcr.io", "ghcr.io/a/b"),
    ] {
        let json = format!(r#"{{"auths":{{"{key}":{}}}}}"#, entry("u"));
        assert_eq!(
            found(&json, image).unwrap(),
            login("u", "pass:word"),
            "{key}"
        );
    }
    let json = format!(r#"{{"auths":{{"ghcr.io":{}}}}}"#, entry("u"));
    for image in ["alpine", "ghcr.io:443/a", "x.ghcr.io/a"] {
        assert_eq!(found(&json, image).unwrap(), None, "{image}");
    }
}

#[test]
fn of_podmans_keys_the_most_particular_wins() {
    let json = format!(
        r#"{{"auths":{{"h.io":{},"h.io/team":{},"h.io/team/app":{},"docker.io/me":{}}}}}"#,
        entry("host"),
        entry("team"),
        entry("app"),
        entry("me")
    );
    for (image, user) in [
        ("h.io/team/app:1", "app"),
        ("h.io/team/other", "team"),
        ("h.io/team2/app", "host"),
        ("me/app", "me"),
    ] {
        assert_eq!(
            found(&json, image).unwrap(),
            login(user, "pass:word"),
            "{image}"
        );
    }
    assert_eq!(found(&json, "alpine").unwrap(), None);
}

#[test]
fn of_keys_that_mean_the_same_the_one_with_a_secret_wins_and_first_the_host_as_it_is() {
    let json = |host: &str| {
        format!(
            r#"{{"auths":{{"h.io":{host},"http://h.io":{{}},"https://h.io/v1/":{}}}}}"#,
            entry("url")
        )
    };
    assert_eq!(
        found(&json("{}"), "h.io/a").unwrap(),
        login("url", "pass:word")
    );
    let own = json(&entry("own"));
    assert_eq!(found(&own, "h.io/a").unwrap(), login("own", "pass:word"));
}

#[test]
fn entries_of_every_form_are_understood_and_empty_ones_passed_over() {
    let of = |entry: &str| found(&format!(r#"{{"auths":{{"h.io":{entry}}}}}"#), "h.io/a");
    assert_eq!(of("{}").unwrap(), None);
    assert_eq!(of("null").unwrap(), None);
    for (entry, user, password) in [
        (r#"{"auth":"","username":"u","password":"p"}"#, "u", "p"),
        (r#"{"auth":null,"username":"u"}"#, "u", ""),
        (r#"{"auth":"dTpw"}"#, "u", "p"),
        (r#"{"Auth":"dTpw"}"#, "u", "p"),
        (r#"{"userName":"u","PASSWORD":"p"}"#, "u", "p"),
        // What encoders put in, and Go passes over: 76 columns, MIME's line ends.
        (r#"{"auth":"dT\npw"}"#, "u", "p"),
        (r#"{"auth":"dT\r\npw\r\n"}"#, "u", "p"),
        (r#"{"auth":"dTpwAAA="}"#, "u", "p"),
    ] {
        assert_eq!(of(entry).unwrap(), login(user, password), "{entry}");
    }
    assert_eq!(
        of(r#"{"auth":"dTpw","identitytoken":"t"}"#).unwrap(),
        Some(Secret::IdentityToken("t".to_owned()))
    );
    assert_eq!(
        of(r#"{"registrytoken":"t"}"#).unwrap(),
        Some(Secret::RegistryToken("t".to_owned()))
    );
    // A password of bytes that are no text.
    let bytes = BASE64.encode(b"u:\xff\xfe");
    let of_bytes = of(&format!(r#"{{"auth":"{bytes}"}}"#)).unwrap();
    assert_eq!(of_bytes, login("u", b"\xff\xfe"));
    let Some(Secret::Login(login)) = of_bytes else {
        panic!("no login");
    };
    assert_eq!(basic(&login), format!("Basic {bytes}"));
}

/// Names of fields are matched as Go's decoder does, whatever their case.
#[test]
fn the_names_of_fields_are_read_in_any_case_and_what_follows_is_not_read() {
    let json = format!(
        r#"{{"AUTHS":{{"h.io":{}}},"auths":{{"i.io":{}}}}} trailing"#,
        entry("h"),
        entry("i")
    );
    assert_eq!(found(&json, "h.io/a").unwrap(), login("h", "pass:word"));
    assert_eq!(found(&json, "i.io/a").unwrap(), login("i", "pass:word"));
    let helper = |json: &str| AuthFile::parse(json.as_bytes()).unwrap().helper("h.io");
    assert_eq!(helper(r#"{"CredsStore":"s"}"#).unwrap(), Some("s".into()));
    let both = r#"{"credsstore":"s","CREDHELPERS":{"https://h.io":"x"}}"#;
    assert_eq!(helper(both).unwrap(), Some("x".into()));
    let empty = r#"{"credsStore":"","credHelpers":{"h.io":""}}"#;
    assert_eq!(helper(empty).unwrap(), None);
    // As docker has it, no helper's name for a registry means none for it (docker_credential#8).
    let none = r#"{"credsStore":"s","credHelpers":{"h.io":""}}"#;
    assert_eq!(helper(none).unwrap(), None);
    for nothing in ["", " \n", "{}", r#"{"auths":null,"credHelpers":null}"#] {
        assert_eq!(found(nothing, "h.io/a").unwrap(), None, "{nothing}");
    }
}

/// serde's words have in them what it found: the password, or all of `USER:PASSWORD` in base64 (found
/// by a red team).
#[test]
fn what_is_wrong_is_told_by_its_place_and_not_by_what_stands_there() {
    for wrong in [
        r#"{"auths":{"h.io":"c2VjcmV0"}}"#,
        r#"{"auths":{"h.io":["c2VjcmV0"]}}"#,
        r#"{"auths":{"h.io":{"auth":{"a":"c2VjcmV0"}}}}"#,
        r#"{"auths":{"h.io":{"auth":"c2VjcmV0"}}}"#,
        r#"{"auths":{"h.io":{"auth":"c2VjcmV0*"}}}"#,
        r#"{"auths":{"h.io":{"username":"u","password":98765432}}}"#,
        r#"{"auths":{"h.io":{"username":98765432}}}"#,
        r#"{"auths":{"h.io":{"identitytoken":98765432}}}"#,
    ] {
        let told = found(wrong, "h.io/a").unwrap_err();
        assert!(told.contains("auths, h.io: "), "{wrong}: {told}");
        assert!(
            !told.contains("c2VjcmV0") && !told.contains("98765432"),
            "{told}"
        );
        // It is another host's affair.
        assert_eq!(found(wrong, "i.io/a").unwrap(), None, "{wrong}");
    }
    for wrong in [
        "98765432",
        r#""c2VjcmV0""#,
        r#"{"auths":98765432}"#,
        r#"{"auths":{"h.io":{"password":c2VjcmV0}}}"#,
        "{\"a\":\"c2VjcmV0",
    ] {
        let told = found(wrong, "h.io/a").unwrap_err();
        assert!(
            !told.contains("c2VjcmV0") && !told.contains("98765432"),
            "{told}"
        );
    }
    let helper = |json: &str| AuthFile::parse(json.as_bytes()).unwrap().helper("h.io");
    assert!(
        helper(r#"{"credsStore":7}"#)
            .unwrap_err()
            .contains("credsStore")
    );
    let told = helper(r#"{"credHelpers":{"h.io":7}}"#).unwrap_err();
    assert!(told.contains("credHelpers, h.io"), "{told}");
}
