//! Which packages are installed in a filesystem or an image, and what changed between two.

use super::document::{Document, DocumentKind, Made};
use super::doubts::{Done, doubts};
use super::flatten::flattened;
use super::listing::not_proven_equal;
use super::request::Subject;
use crate::error::{Error, Result};
use crate::inspect::Filesystem;
use crate::packages::{FilesystemRoot, PackageChange, Packages, TreeRoot, changes};
use crate::progress::Reporter;
use crate::view::View;

/// What a filesystem or an image says is installed in it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Installed {
    /// The filesystem's path, or the image as it was named.
    pub name: String,
    /// The packages, and the lists that they are of.
    pub packages: Packages,
    /// What a reader should know of it.
    pub warnings: Vec<String>,
    /// Whether its journal holds changes that were not read.
    pub needs_recovery: bool,
}

/// Reads the lists of packages of a filesystem or an image. What there is no list of is warned of.
///
/// # Errors
/// As [`Packages::read`], and those of reading the image.
pub fn packages(subject: &Subject, reporter: &dyn Reporter) -> Result<Installed> {
    match subject {
        Subject::Filesystem(path) => {
            Filesystem::read(path)?;
            let view = View::open(path)?;
            let name = path.display().to_string();
            let packages = Packages::read(&mut FilesystemRoot::new(&view));
            let packages = packages.map_err(|error| error.in_image(&name))?;
            let needs_recovery = view.needs_recovery();
            let doubts = doubts(view.superblock(), path, Done::Read);
            Ok(Installed {
                warnings: doubts
                    .into_iter()
                    .chain(packages.warnings.lines())
                    .collect(),
                name,
                packages,
                needs_recovery,
            })
        }
        Subject::Image(request) => {
            let flattened = flattened(&request.or_filesystem(), None, reporter)?;
            let name = flattened.image.reference.clone();
            let mut root = TreeRoot::new(&flattened.tree, &flattened.contents);
            let packages = Packages::read(&mut root).map_err(|error| error.in_image(&name))?;
            let mut warnings = flattened.warnings;
            warnings.merge(packages.warnings.clone());
            Ok(Installed {
                name,
                packages,
                warnings: warnings.lines().collect(),
                needs_recovery: false,
            })
        }
    }
}

/// What two have installed, and what differs.
#[derive(Debug)]
#[non_exhaustive]
pub struct PackageComparison {
    /// The earlier and the later one.
    pub sides: [Installed; 2],
    /// What changed between them, ascending by name.
    pub changes: Vec<PackageChange>,
}

impl PackageComparison {
    /// Whether both have the same.
    ///
    /// # Errors
    /// [`crate::Error::BadImage`] where that is not known: no change is found, and one has changes in
    /// its journal or lists of packages that were not read.
    pub fn is_equal(&self) -> Result<bool> {
        match self.sides.iter().find(|side| side.needs_recovery) {
            Some(side) if self.changes.is_empty() => Err(not_proven_equal(&side.name)),
            _ if !self.changes.is_empty() => Ok(false),
            _ => match self.sides.iter().find(|side| side.packages.is_part) {
                Some(side) => Err(Error::bad_image(
                    "nothing differs, but not all lists of packages were read",
                )
                .in_image(&side.name)),
                None => Ok(true),
            },
        }
    }
}

/// Reads the lists of both and finds what differs.
///
/// # Errors
/// As [`packages()`].
pub fn compare_packages(
    before: &Subject,
    after: &Subject,
    reporter: &dyn Reporter,
) -> Result<PackageComparison> {
    let sides = [packages(before, reporter)?, packages(after, reporter)?];
    let changes = changes(&sides[0].packages.packages, &sides[1].packages.packages);
    Ok(PackageComparison { sides, changes })
}

/// The document that `--packages` writes beside an output: read from the filesystem that was made.
#[derive(Debug, Clone, Copy, Default)]
pub struct PackagesDocument;

impl Document for PackagesDocument {
    fn kind(&self) -> DocumentKind {
        DocumentKind::Packages
    }

    fn bytes(&self, made: &Made<'_>) -> Result<Vec<u8>> {
        let view = View::open(made.readable)?;
        let packages = Packages::read(&mut FilesystemRoot::new(&view))?;
        made.notice(packages.warnings.clone());
        packages.to_json()
    }
}
