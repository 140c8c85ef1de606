//! HTTP over a socket of this machine, and waiting for a daemon that is busy.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, Transport,
};
use ureq::{Agent, Error};

/// Connects to a socket, whatever host the address names.
#[derive(Debug)]
pub(super) struct UnixConnector(pub PathBuf);

impl Connector for UnixConnector {
    type Out = UnixTransport;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        _: Option<()>,
    ) -> Result<Option<UnixTransport>, Error> {
        let config = details.config;
        Ok(Some(UnixTransport {
            stream: UnixStream::connect(&self.0)?,
            buffers: LazyBuffers::new(config.input_buffer_size(), config.output_buffer_size()),
        }))
    }
}

/// A connection to a socket. It serves one request.
#[derive(Debug)]
pub(super) struct UnixTransport {
    stream: UnixStream,
    buffers: LazyBuffers,
}

impl Transport for UnixTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        let timeout = timeout.for_write();
        let limit = timeout.not_zero().map(|limit| *limit);
        self.stream.set_write_timeout(limit)?;
        let written = self.stream.write_all(&self.buffers.output()[..amount]);
        written.map_err(|error| timed_out(error, timeout))
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let timeout = timeout.for_read();
        let limit = timeout.not_zero().map(|limit| *limit);
        self.stream.set_read_timeout(limit)?;
        loop {
            match self.stream.read(self.buffers.input_append_buf()) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(timed_out(error, timeout)),
                Ok(read) => {
                    self.buffers.input_appended(read);
                    return Ok(read > 0);
                }
            }
        }
    }

    fn is_open(&mut self) -> bool {
        false
    }
}

/// A socket says that it would block when its time is up.
fn timed_out(error: io::Error, timeout: NextTimeout) -> Error {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Error::Timeout(timeout.reason),
        _ => error.into(),
    }
}

/// Asks whether the daemon is alive.
#[derive(Debug, Clone)]
pub(super) struct Probe {
    pub agent: Agent,
    pub base: String,
    pub ask: fn(&Agent, &str) -> Result<(), Error>,
}

/// Makes transports that wait as long as it takes.
#[derive(Debug)]
pub(super) struct PatientConnector {
    /// How long nothing may come before the daemon is asked.
    pub patience: Duration,
    pub probe: Probe,
}

impl<T: Transport> Connector<T> for PatientConnector {
    type Out = PatientTransport<T>;

    fn connect(
        &self,
        _: &ConnectionDetails<'_>,
        chained: Option<T>,
    ) -> Result<Option<PatientTransport<T>>, Error> {
        Ok(chained.map(|inner| PatientTransport {
            inner,
            patience: self.patience,
            probe: self.probe.clone(),
        }))
    }
}

/// A transport on which nothing may come for long: a daemon writes all of an image to its own disk
/// before it sends the first byte of it. No time-out tells that from a daemon that hangs, so that
/// the daemon is asked, through another connection, each time that nothing came for a while.
#[derive(Debug)]
pub(super) struct PatientTransport<T> {
    inner: T,
    patience: Duration,
    probe: Probe,
}

impl<T: Transport> Transport for PatientTransport<T> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        self.inner.transmit_output(amount, timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let timeout = NextTimeout {
            after: self.patience.into(),
            ..timeout
        };
        loop {
            match self.inner.await_input(timeout) {
                Err(error) if is_timeout(&error) => {
                    let Probe { agent, base, ask } = &self.probe;
                    ask(agent, base).map_err(|error| self.given_up(&error))?;
                }
                other => return other,
            }
        }
    }

    fn is_open(&mut self) -> bool {
        self.inner.is_open()
    }

    fn is_tls(&self) -> bool {
        self.inner.is_tls()
    }
}

impl<T> PatientTransport<T> {
    fn given_up(&self, error: &Error) -> Error {
        let text = format!(
            "nothing came for {:?}, and the daemon does not answer: {error}",
            self.patience
        );
        io::Error::new(io::ErrorKind::TimedOut, text).into()
    }
}

fn is_timeout(error: &Error) -> bool {
    match error {
        Error::Timeout(_) => true,
        Error::Io(error) => matches!(
            error.kind(),
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
        ),
        _ => false,
    }
}
