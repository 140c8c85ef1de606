//! From a reference to an image: one line for each way.

use std::fs::File;
use std::io::{self, Seek};
use std::os::fd::AsFd;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use super::archive::Archive;
use super::documents::Documents;
use super::image::{Image, Offer};
use super::parts::Wanted;
use super::place::{Location, Place};
use super::recognise::Asked;
use super::reference::{Reference, Selector, Transport};
use super::spooler::{Spooled, Spooler};
use super::store::Store;
use super::{bare_name, docker_archive, layout, packed, parts, recognise, tree};
use crate::daemon::{self, DaemonOptions};
use crate::error::{Error, Result};
use crate::limits::Limits;
use crate::oci::{Descriptor, NO_DATE, Platform, RegistryReference, without_login};
use crate::pinned::Reach;
use crate::progress::{Phase, Reporter, Task};
use crate::region::FileRegion;
use crate::registry::{self, Registry, RegistryOptions, Tags};
use crate::units::Timestamp;
use crate::warnings::Warnings;

/// What errors call it.
const STANDARD_INPUT: &str = "standard input";

/// How to open an image.
#[derive(Debug, Clone)]
pub struct OpenOptions {
    /// The platform to choose; without one this machine's is preferred, and an image that exists
    /// for another only is taken with a warning.
    pub platform: Option<Platform>,
    /// Whether the flags of a directory tree's files (chattr) are read as a part of it; else those
    /// there are are counted in a warning.
    pub file_flags: bool,
    /// Whether a directory tree is what is on its root's filesystem alone, without what else is
    /// mounted in it.
    pub one_file_system: bool,
    /// Where spools are made. They have no names and vanish with the process.
    pub work_dir: PathBuf,
    /// Whether a filesystem would do, too: what is neither is told so.
    pub or_filesystem: bool,
    /// Ceilings against hostile input.
    pub limits: Limits,
    /// How registries are asked.
    pub registry: RegistryOptions,
    /// Where the docker daemon is, for images of one.
    pub daemon: DaemonOptions,
    /// The filesystem image that is made of it or held against it. Where that lies in a directory
    /// that is read as a root filesystem, it is no part of it.
    pub held_against: Option<PathBuf>,
    /// What else is written beside it, by names of its own: no part of such a directory either.
    pub written: Vec<PathBuf>,
    /// Where a path begins that names the image, and whether it may lead out of there.
    pub reach: Reach,
}

/// Finds the image that is meant at `place` and verifies its documents.
///
/// # Errors
/// [`Error::Io`] where something cannot be read or spooled, [`Error::BadImage`] where the image
/// contradicts itself or is not whole, [`Error::Unsupported`] where it is something else, or one
/// of several and nothing says which.
pub fn open(place: &Place, options: &OpenOptions, reporter: &dyn Reporter) -> Result<Image> {
    let name = place.to_string();
    let opener = Opener::new(&name, options, reporter);
    let found = opener.find(place);
    found
        .and_then(|(found, selector)| opener.choose(found, selector.as_ref()))
        .map_err(|error| error.in_image(&name))
}

/// An image, and what else there is where it was found.
#[derive(Debug)]
pub struct Surveyed {
    /// All images, of every name and platform, in the order of their list; none for a root
    /// filesystem.
    pub offers: Vec<Offer>,
    /// Whether the reference or the platform says which of them is meant.
    pub is_narrowed: bool,
    /// The image that is meant, or why it is none.
    pub chosen: Result<Image>,
}

/// Finds the image that is meant at `place` as [`open`] does, and lists all images beside it.
///
/// # Errors
/// As [`open`], where not even a list can be read. That the reference names none of the images is
/// no error of this function.
pub fn survey(place: &Place, options: &OpenOptions, reporter: &dyn Reporter) -> Result<Surveyed> {
    let name = place.to_string();
    let opener = Opener::new(&name, options, reporter);
    let found = opener.find(place);
    found
        .and_then(|(found, selector)| {
            Ok(Surveyed {
                offers: found.offers()?,
                is_narrowed: selector.is_some() || options.platform.is_some(),
                chosen: opener
                    .choose(found, selector.as_ref())
                    .map_err(|error| error.in_image(&name)),
            })
        })
        .map_err(|error| error.in_image(&name))
}

/// Lists the images that a daemon has.
///
/// # Errors
/// [`Error::Io`] where it is not reached, [`Error::Unsupported`] in a program without the network.
pub fn daemon_offers(options: &DaemonOptions, reporter: &dyn Reporter) -> Result<Vec<Offer>> {
    let listed = daemon::list(options, reporter)?.into_iter();
    Ok(listed
        .map(|image| Offer {
            names: image.names,
            manifest_digest: None,
            config_digest: Some(image.id),
            platform: None,
            is_at_hand: true,
            created: Some(Timestamp::from_seconds(image.created_seconds))
                .filter(|time| *time != NO_DATE),
            size_bytes: Some(image.size_bytes),
        })
        .collect())
}

/// Lists the tags of the repository that is at `place`.
///
/// # Errors
/// [`Error::Io`] where the registry does not give them, [`Error::Unsupported`] for what is no
/// repository and in a program without the network.
pub fn tags(place: &Place, options: &RegistryOptions, reporter: &dyn Reporter) -> Result<Tags> {
    registry::tags(place.repository()?, options, reporter)
}

/// Where images were found.
enum Found<'a> {
    Layout(Documents<'a>),
    DockerArchive(Documents<'a>),
    Root(Spooled, Warnings),
    /// With how it is shown, and its full name.
    Registry(Documents<'a>, Box<Descriptor>, String, String),
}

impl Found<'_> {
    fn offers(&self) -> Result<Vec<Offer>> {
        match self {
            Self::Registry(documents, top, ..) => {
                layout::offers_below(documents, Descriptor::clone(top))
            }
            Self::Layout(documents) => layout::offers(documents),
            Self::DockerArchive(documents) => docker_archive::offers(documents),
            Self::Root(..) => Ok(Vec::new()),
        }
    }
}

struct Opener<'a> {
    name: &'a str,
    wanted: Wanted,
    options: &'a OpenOptions,
    reporter: &'a dyn Reporter,
}

impl<'a> Opener<'a> {
    fn new(name: &'a str, options: &'a OpenOptions, reporter: &'a dyn Reporter) -> Self {
        Self {
            name,
            wanted: Wanted {
                is_explicit: options.platform.is_some(),
                platform: options
                    .platform
                    .clone()
                    .unwrap_or_else(Platform::of_this_machine),
            },
            options,
            reporter,
        }
    }

    fn choose(&self, found: Found<'a>, selector: Option<&Selector>) -> Result<Image> {
        let parts = match found {
            Found::Registry(documents, top, shown, name) => {
                let parts = layout::find_among(&documents, vec![*top], &self.wanted)?;
                let parts = parts.named(vec![name]);
                let mut image = parts.into_image(&shown, &self.wanted)?;
                image.downloads = documents.store.into_downloads();
                return Ok(image);
            }
            Found::Layout(documents) => layout::find(&documents, selector, &self.wanted)?,
            Found::DockerArchive(documents) => {
                docker_archive::find(&documents, selector, &self.wanted)?
            }
            Found::Root(tar, warnings) => {
                return Ok(parts::of_root(tar, self.name, &self.wanted, warnings));
            }
        };
        parts.into_image(self.name, &self.wanted)
    }

    fn find(&self, place: &Place) -> Result<(Found<'a>, Option<Selector>)> {
        let selector = place.selector.as_ref();
        let reference = &place.reference;
        let found = match &place.location {
            Location::Daemon(name) => return self.daemon(name),
            Location::Registry(name) => self.registry(name, reference),
            Location::StandardInput => {
                let input = io::stdin().as_fd().try_clone_to_owned();
                let input =
                    input.map_err(|error| Error::io("cannot read standard input", error))?;
                self.file(input.into(), STANDARD_INPUT, reference.transport, selector)
            }
            Location::Path(path) => self.path(path, place),
        };
        Ok((found?, place.selector.clone()))
    }

    fn registry(&self, name: &RegistryReference, reference: &Reference) -> Result<Found<'a>> {
        let open = || {
            let work_dir = self.options.work_dir.clone();
            let registry = Registry::open(name, &self.options.registry, work_dir, self.reporter)?;
            let top = registry.top()?;
            // What a name means, host and tag, is not left to be guessed.
            let shown = match reference.transport {
                Some(_) => format!("docker://{name}"),
                None => name.to_string(),
            };
            Ok(Found::Registry(
                Documents::of(Store::Registry(Box::new(registry))),
                Box::new(top),
                shown,
                name.to_string(),
            ))
        };
        open().map_err(|error| match reference.transport {
            Some(_) => error,
            None => bare_name::meant_otherwise(error, reference, &self.options.daemon),
        })
    }

    /// What a daemon sends is what `docker save` writes, and is to be the image that was meant.
    fn daemon(&self, name: &str) -> Result<(Found<'a>, Option<Selector>)> {
        // It may take minutes to prepare the image before it sends anything.
        let meter = self.reporter.begin(Task::items(
            Phase::Find,
            &format!("wait for {}", self.name),
            None,
        ));
        let daemon::Saved { id, tar } = daemon::save(
            name,
            self.options.platform.as_ref(),
            &self.options.daemon,
            self.reporter,
        )?;
        meter.finish("answered");
        let tar = self.spooler(false).stream(tar, None, self.name)?;
        recognise::check_tar(&tar, Asked::default())?;
        let archive = Archive::index(tar.region, &self.options.limits)?;
        let found = Found::DockerArchive(Documents::of(Store::Archive(archive)));
        Ok((found, id.map(Selector::Digest)))
    }

    fn path(&self, path: &Path, place: &Place) -> Result<Found<'a>> {
        let Place {
            reference,
            selector,
            reach,
            ..
        } = place;
        let selector = selector.as_ref();
        let pinned = reach
            .pin(path)
            .map_err(|error| not_there(path, reference, error))?;
        let name = path.display().to_string();
        let file_type = pinned.metadata.file_type();
        let file = if file_type.is_dir() {
            return self.directory(path, reach, reference.transport, selector);
        } else if file_type.is_fifo() && !reach.is_confined() {
            // A pipe by name, as a shell's <(command) gives, is waited for as a pipe is.
            File::open(reach.at(path))
        } else if file_type.is_file() {
            pinned.open(reach.directory(), path)
        } else {
            return Err(a_device(&name));
        };
        let file = file.map_err(|error| Error::path("open", path, error))?;
        if self.options.or_filesystem
            && let Some(found) = packed::found(&file, path)
        {
            let expected = match reference.transport {
                Some(_) => "a container image",
                None => "a filesystem or a container image",
            };
            let what = format!("expected {expected}, found {found}");
            return Err(Error::bad_image(what));
        }
        self.file(file, &name, reference.transport, selector)
    }

    fn directory(
        &self,
        path: &Path,
        reach: &Reach,
        transport: Option<Transport>,
        selector: Option<&Selector>,
    ) -> Result<Found<'a>> {
        let transport = match transport {
            Some(transport) => transport,
            None => recognise::directory(&reach.at(path))?,
        };
        match transport {
            Transport::Oci => {
                let store = Store::directory(path, reach)?;
                Ok(Found::Layout(Documents::of(store)))
            }
            Transport::RootFs => {
                refuse_selector(selector)?;
                let mut warnings = Warnings::default();
                if let Some(what) = recognise::misnamed_directory(&reach.at(path)) {
                    warnings.count(what.as_root, path.as_os_str().as_encoded_bytes());
                }
                let taking = tree::Taking {
                    output: self.options.held_against.as_deref(),
                    written: &self.options.written,
                    attributes: true,
                    flags: self.options.file_flags,
                    one_file_system: self.options.one_file_system,
                };
                let tar = tree::write(
                    tree::Root { path, reach },
                    taking,
                    &self.spooler(true),
                    &mut warnings,
                )?;
                Ok(Found::Root(tar, warnings))
            }
            transport => Err(Error::unsupported(format!(
                "{}: expected an archive for {}:, found a directory (oci:DIRECTORY reads an image layout)",
                path.display(),
                transport.name()
            ))),
        }
    }

    fn file(
        &self,
        file: File,
        name: &str,
        transport: Option<Transport>,
        selector: Option<&Selector>,
    ) -> Result<Found<'a>> {
        if transport == Some(Transport::Oci) {
            return Err(Error::unsupported(format!(
                "{name}: expected a directory for oci:, found a file (oci-archive:PATH reads a layout in a tar)"
            )));
        }
        let spooler = self.spooler(transport == Some(Transport::RootFs));
        let tar = uncompressed(file, name, &spooler)?;
        let limits = &self.options.limits;
        let is_typed = transport.is_some();
        let asked = Asked {
            or_filesystem: self.options.or_filesystem && !is_typed,
            is_standard_input: name == STANDARD_INPUT,
        };
        let transport = match transport {
            Some(transport) => {
                recognise::check_tar(&tar, asked)?;
                transport
            }
            None => recognise::file(&tar, asked, limits)?,
        };
        if transport == Transport::RootFs {
            refuse_selector(selector)?;
            let mut warnings = Warnings::default();
            if is_typed && let Some(what) = recognise::misnamed(&tar.region, limits)? {
                warnings.count(what.as_root, name.as_bytes());
            }
            return Ok(Found::Root(spooler.own(tar, name)?, warnings));
        }
        let documents = Documents::of(Store::Archive(Archive::index(tar.region, limits)?));
        Ok(match transport {
            Transport::DockerArchive => Found::DockerArchive(documents),
            _ => Found::Layout(documents),
        })
    }

    fn spooler(&self, hashes: bool) -> Spooler<'_> {
        Spooler {
            work_dir: &self.options.work_dir,
            limits: &self.options.limits,
            reporter: self.reporter,
            hashes,
        }
    }
}

/// A file's uncompressed bytes: in place if it is a regular one and not compressed, from where it
/// stands; else spooled.
pub(super) fn uncompressed(mut file: File, name: &str, spooler: &Spooler<'_>) -> Result<Spooled> {
    let cannot_read = |error| Error::io(format!("cannot read {name}"), error);
    let file_type = file.metadata().map_err(cannot_read)?.file_type();
    if file_type.is_char_device() || file_type.is_block_device() {
        return Err(a_device(name));
    }
    if file_type.is_dir() {
        return Err(Error::unsupported(format!(
            "{name} is a directory: expected a file or a pipe with an image, or the directory by its path"
        )));
    }
    if !file_type.is_file() {
        return spooler.stream(file, None, name);
    }
    let start = file.stream_position().map_err(cannot_read)?;
    let whole = FileRegion::whole(file).map_err(cannot_read)?;
    let rest = whole.length_bytes.saturating_sub(start);
    spooler.file(whole.part(start, rest).unwrap_or(whole), name)
}

fn a_device(name: &str) -> Error {
    let expected = match name {
        STANDARD_INPUT => "a file or a pipe",
        _ => "a file, a directory or a pipe",
    };
    Error::unsupported(format!(
        "{name} is a terminal, a device or a socket: expected {expected} with an image"
    ))
}

fn refuse_selector(selector: Option<&Selector>) -> Result<()> {
    match selector {
        None => Ok(()),
        Some(selector) => Err(Error::unsupported(format!(
            "a root filesystem is one image without a name, found the name {selector}"
        ))),
    }
}

fn not_there(path: &Path, reference: &Reference, error: io::Error) -> Error {
    let hint = if error.kind() == io::ErrorKind::NotFound && reference.transport.is_none() {
        " (no such file; an image is named by a path, or by docker://NAME, docker-archive:PATH[:NAME], docker-daemon:NAME, oci:DIRECTORY[:NAME], oci-archive:PATH[:NAME], rootfs:PATH or - for standard input)"
    } else {
        ""
    };
    let shown = path.display().to_string();
    Error::io(
        format!("cannot open {}{hint}", without_login(&shown)),
        error,
    )
}
