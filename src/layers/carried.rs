//! layerpress errors on their way through `std::io` readers.

use std::io;

use crate::error::Error;

/// Wraps an error so that a reader can return it.
pub(super) fn wrap(error: Error) -> io::Error {
    io::Error::other(error)
}

/// The error that [`wrap`] wrapped. Readers here return no others, except tests'.
pub(super) fn take(error: io::Error) -> Error {
    error
        .downcast::<Error>()
        .unwrap_or_else(|error| Error::io("cannot read the layer", error))
}
