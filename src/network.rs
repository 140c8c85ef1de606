//! Finding a server's addresses in time, on a thread if there is one to be had.

use std::sync::mpsc::{RecvTimeoutError, sync_channel};

use ureq::Error;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;
use ureq::unversioned::transport::time::Duration;

/// The default resolver starts a thread, to be able to give up, and panics where there is none. This
/// one waits as long as it takes then.
#[derive(Debug)]
pub(super) struct PatientResolver;

impl Resolver for PatientResolver {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        let mut untimed = timeout;
        untimed.after = Duration::NotHappening;
        let resolve = move |uri: &Uri, config: &Config| {
            DefaultResolver::default().resolve(uri, config, untimed)
        };
        let (tell, told) = sync_channel(1);
        let (their_uri, their_config) = (uri.clone(), config.clone());
        let thread = std::thread::Builder::new()
            .name("resolve".to_owned())
            .spawn(move || {
                // Nobody listens any more after the time is up.
                let _ = tell.send(resolve(&their_uri, &their_config));
            });
        if thread.is_err() {
            return resolve(uri, config);
        }
        match told.recv_timeout(*timeout.after) {
            Ok(resolved) => resolved,
            Err(RecvTimeoutError::Timeout) => Err(Error::Timeout(timeout.reason)),
            Err(RecvTimeoutError::Disconnected) => Err(Error::HostNotFound),
        }
    }
}
