//! What the tests share. Each test file uses its own part of it, and a helper that fails fails
//! its test.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod archive;
pub mod changeset;
pub mod damage;
pub mod directory_tree;
pub mod fake_daemon;
pub mod kernel_made;
pub mod moments;
pub mod mutation;
pub mod oracles;
pub mod press;
pub mod random_rootfs;
pub mod raw_tar;
pub mod rootfs;
pub mod run;
pub mod sample;
pub mod second_reader;
pub mod served;
pub mod session;
pub mod signals;
pub mod small_server;
pub mod tarball;
pub mod terminal;
pub mod virtual_machine;
pub mod workload;
