//! What can be told of an output before the image has been read.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::claimed::{Claimed, distinct};
use super::earlier_run::is_of_earlier_run;
use super::output::OutputRequest;
use super::request::{FilesystemRequest, LikeRequest};
use super::words::words;
use crate::error::{Error, Result, escape_path};
use crate::ext::Tools;
use crate::finish::{FinishOptions, OutputName};
use crate::host_space;
use crate::leftovers::{self, Begun};
use crate::partial_file::{PartialFile, refuse_existing};
use crate::pinned::identity_at;
use crate::progress::Reporter;
use crate::source::{self, Image, Place};

/// An output that can be written as far as can be told now.
pub(super) struct Ready {
    pub tools: Tools,
    asked: OutputRequest,
    put_in: Vec<PathBuf>,
    like: Option<LikeRequest>,
    /// What was asked for; each name that leaves nothing open for the image is as it will be.
    pub output: OutputRequest,
    _begun: Begun,
    _claimed: Claimed,
}

impl Ready {
    /// Looks at the directories, at what is there already and for the programs, before the image is
    /// read.
    pub fn new(
        place: &Place,
        put_in: &[PathBuf],
        filesystem: &FilesystemRequest,
        output: &OutputRequest,
        reporter: &dyn Reporter,
    ) -> Result<Self> {
        let profile = filesystem.profile()?;
        let asked = output.clone();
        let output = asked.clone().filled(None)?;
        refuse_nameless(&output)?;
        let like = filesystem.like.as_ref().and_then(LikeRequest::place);
        check(place, put_in, like.as_deref(), &output)?;
        distinct(&output.paths())?;
        // Names that are still open are claimed as they will be: until then they are many images'.
        let is_whole = OutputName::parse(&asked.path)?.is_whole();
        let claimed = if is_whole { output.paths() } else { Vec::new() };
        let _claimed = Claimed::new(&claimed)?;
        let FinishOptions { fsck, verify, .. } = output.finish;
        let tools = Tools::find(&output.tools, fsck, verify, reporter)?;
        filesystem.size.check(&profile)?;
        Ok(Self {
            tools,
            _begun: leftovers::begin(&output.finish.last(&output.path)),
            _claimed,
            put_in: put_in.to_vec(),
            like: filesystem.like.clone(),
            asked,
            output,
        })
    }

    /// The same once the image is open: its words are in the names. Where that makes other names of
    /// them, they are looked at, too.
    pub fn named(self, place: &Place, image: &Image) -> Result<Self> {
        let output = self.asked.clone().filled(Some(&words(image)))?;
        if output.paths() == self.output.paths() {
            return Ok(self);
        }
        // What stays as it is would be another build's.
        drop(self._claimed);
        let like = self.like.as_ref().map(|like| like.filled(&words(image)));
        let like = like.transpose()?;
        check(place, &self.put_in, like.as_deref(), &output)?;
        let _claimed = Claimed::new(&output.paths())?;
        // Before the other is no more: there is an output all the time.
        let _begun = leftovers::begin(&output.finish.last(&output.path));
        Ok(Self {
            output,
            _begun,
            _claimed,
            tools: self.tools,
            put_in: self.put_in,
            like: self.like,
            asked: self.asked,
        })
    }
}

/// What goes to standard output has no name that others could have theirs from.
fn refuse_nameless(output: &OutputRequest) -> Result<()> {
    let finish = &output.finish;
    let needs_name = match finish.compress {
        _ if output.stream.is_none() => return Ok(()),
        _ if finish.sha256.is_some() => "--sha256 writes OUTPUT.sha256",
        _ if finish.verity.is_some() => "--verity and --verity-file write OUTPUT.roothash",
        Some(compress) if !compress.only => {
            "--compress writes a file beside OUTPUT (--compress-only gives it to standard output)"
        }
        _ => return Ok(()),
    };
    Err(Error::usage(format!(
        "standard output: expected nothing that is called as the output is: {needs_name}"
    )))
}

/// Each file can be made, is no part of the image, and is no other's.
fn check(
    place: &Place,
    put_in: &[PathBuf],
    like: Option<&Path>,
    output: &OutputRequest,
) -> Result<()> {
    let written = output.paths();
    // The filesystem is made there even where only what it is compressed to is kept.
    for path in written.iter().chain([&output.path]) {
        let made = PartialFile::create(path);
        drop(made.map_err(|error| host_space::explained(error, path, None))?);
    }
    for path in &written {
        refuse_own_input(place, path)?;
        refuse_put_in(put_in, output, path)?;
        refuse(&output.spared, path, "the list or recipe that asks for it")?;
        // The filesystem itself may take its place: it has been read by then.
        if *path != output.path {
            let like = like.map(Path::to_owned);
            refuse(
                like.as_slice(),
                path,
                "the filesystem that this is laid out like",
            )?;
        }
        if output.finish.no_clobber {
            refuse_existing(path)?;
        }
    }
    Ok(())
}

/// Nor is it anything else that is read.
fn refuse(read: &[PathBuf], written: &Path, what: &str) -> Result<()> {
    let own = identity_at(written);
    if own.is_some() && read.iter().any(|source| identity_at(source) == own) {
        return Err(Error::unsupported(format!(
            "{}: expected an output other than {what}, found the same file",
            escape_path(written.as_os_str().as_bytes())
        )));
    }
    Ok(())
}

/// Nor is it put in, unless an earlier run has written it into a directory that is: then it was left
/// out before, and is now.
fn refuse_put_in(put_in: &[PathBuf], output: &OutputRequest, written: &Path) -> Result<()> {
    let mut sources = put_in.iter();
    let Some(source) = sources.find(|source| {
        source::holds(source, written) && !(source.is_dir() && is_of_earlier_run(output, written))
    }) else {
        return Ok(());
    };
    Err(Error::unsupported(format!(
        "{}: expected an output other than what is put in (--overlay, --add): it is, or belongs to, {} (an output outside it replaces nothing of it)",
        escape_path(written.as_os_str().as_bytes()),
        escape_path(source.as_os_str().as_bytes())
    )))
}

/// What is written replaces what has its name: that must not be what is read.
fn refuse_own_input(place: &Place, written: &Path) -> Result<()> {
    if source::is_input(place, written) {
        return Err(Error::unsupported(format!(
            "{}: expected an output other than the image itself: it is, or belongs to, {place} (an output outside it replaces nothing of it)",
            escape_path(written.as_os_str().as_bytes())
        )));
    }
    Ok(())
}
