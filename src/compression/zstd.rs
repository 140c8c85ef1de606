//! zstd with every frame that is there (RFC 8878), its errors told apart by their numbers.

use std::io::{self, BufRead};

use zstd::zstd_safe::zstd_sys::ZSTD_ErrorCode::{
    self, ZSTD_error_frameParameter_windowTooLarge, ZSTD_error_memory_allocation,
};
use zstd::zstd_safe::{DCtx, DParameter, ErrorCode, InBuffer, OutBuffer, get_error_name};

use super::stored::own;
use crate::error::{Error, Result};
use crate::limits::Limits;

/// Decompresses frame after frame up to the end of `R`.
pub(super) struct Zstd<R> {
    stored: R,
    context: DCtx<'static>,
    window_log: u32,
    /// Whether the next byte begins a frame, or none may come.
    is_between: bool,
}

impl<R: BufRead> Zstd<R> {
    /// # Errors
    /// [`Error::Unsupported`] for a window limit outside zstd's range, [`Error::Io`] without memory.
    pub(super) fn new(stored: R, limits: &Limits) -> Result<Self> {
        let window_log = limits.max_zstd_window_log;
        let known = Limits::ZSTD_WINDOW_LOGS;
        if !known.contains(&window_log) {
            return Err(Error::unsupported(format!(
                "--max-zstd-window-log: expected {} to {}, found {window_log}",
                known.start(),
                known.end()
            )));
        }
        let mut context = DCtx::try_create().ok_or_else(no_memory)?;
        context
            .set_parameter(DParameter::WindowLogMax(window_log))
            .map_err(|code| Error::Mismatch(format!("zstd: {}", get_error_name(code))))?;
        Ok(Self {
            stored,
            context,
            window_log,
            is_between: false,
        })
    }

    /// The next bytes; 0 at the end only.
    pub(super) fn read(&mut self, target: &mut [u8]) -> Result<usize> {
        let mut output = OutBuffer::around(target);
        loop {
            let available = self
                .stored
                .fill_buf()
                .map_err(|error| own(error).unwrap_or_else(|error| broken(&error.to_string())))?;
            let is_end = available.is_empty();
            if is_end && self.is_between {
                return Ok(0);
            }
            let mut input = InBuffer::around(available);
            let wanted = self.context.decompress_stream(&mut output, &mut input);
            let taken = input.pos();
            self.stored.consume(taken);
            // Nothing more is wanted where a frame has ended, and all of it was given.
            self.is_between = wanted.map_err(|code| self.failure(code))? == 0;
            if output.pos() > 0 {
                return Ok(output.pos());
            }
            if is_end && !self.is_between {
                return Err(broken("its end in the middle"));
            }
        }
    }

    fn failure(&self, code: ErrorCode) -> Error {
        let is = |error: ZSTD_ErrorCode| code == (error as usize).wrapping_neg();
        if is(ZSTD_error_memory_allocation) {
            return no_memory();
        }
        if is(ZSTD_error_frameParameter_windowTooLarge) {
            return Error::bad_image(format!(
                "expected a zstd window of at most 2^{} bytes, found a larger one (--max-zstd-window-log raises the limit)",
                self.window_log
            ));
        }
        broken(get_error_name(code))
    }
}

/// That this machine, or a limit set here, has none is not the image's fault.
fn no_memory() -> Error {
    let text = "not enough memory for its zstd window (fewer --jobs need less, and a limit such as `ulimit -v` counts)";
    Error::io(
        "cannot decompress",
        io::Error::new(io::ErrorKind::OutOfMemory, text),
    )
}

fn broken(found: &str) -> Error {
    Error::bad_image(format!("expected a whole zstd stream, found {found}"))
}
