//! What the tests share. Each test file uses its own part of it.
#![allow(dead_code)]

pub mod archive;
