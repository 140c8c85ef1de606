//! The one way for a test to leave something out, for the unit tests, too.

/// Says why a test, or a part of it, does not run here; fails it where none may be left out, as
/// `LAYERPRESS_REQUIRE=all` demands. Every test that leaves something out comes by here.
#[track_caller]
pub fn skip(reason: &str) {
    match std::env::var("LAYERPRESS_REQUIRE").as_deref() {
        Err(_) | Ok("") => eprintln!("skipped: {reason}"),
        Ok("all") => panic!("LAYERPRESS_REQUIRE=all: to be skipped: {reason}"),
        Ok(other) => panic!("LAYERPRESS_REQUIRE: expected all, found {other}"),
    }
}
