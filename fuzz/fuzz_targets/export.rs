#![no_main]

#[path = "../../tests/fuzz_bodies/bodies.rs"]
mod bodies;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    bodies::export(bytes);
});
