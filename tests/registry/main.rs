//! Pulling from registries and pushing to them, against the real registry server on the loopback, and against a proxy
//! before it that does wrong.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../support/mod.rs"]
mod support;

// Servers, proxies and clients.
mod artifact;
mod artifact_stand;
mod blob_store;
mod cache_check;
mod cache_trouble;
mod fake_registry;
mod forward_proxy;
mod http;
mod proxy;
mod pull;
mod push;
mod registry_server;
mod stand;
mod tls;
mod token_server;

// The tests.
mod credentials;
mod doors;
mod equal_images;
mod faults;
mod inspected_artifact;
mod killed;
mod large_indexes;
mod manifests;
mod progress;
mod pulled_artifact;
mod pulled_artifact_faults;
mod pulled_artifact_hostile;
mod pulled_artifact_killed;
mod push_doors;
mod push_faults;
mod push_hostile;
mod push_killed;
mod push_places;
mod push_together;
mod pushed;
mod pushed_and_pulled;
mod refusals;
mod resume;
mod reuse;
mod rig;
mod sharing;
mod tags;
mod tokens;
mod transport;
mod umasks;
