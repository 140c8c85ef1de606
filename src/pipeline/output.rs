//! What is asked for of an output.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use super::document::Beside;
use super::request::{ImageRequest, setters};
use super::words::fill;
use crate::error::Result;
use crate::ext::ToolPaths;
use crate::finish::{FinishOptions, ImageWords, VerityOptions};

/// What an output without a name would be called.
const STREAMED: &str = "layerpress-output";

/// Everything about the output.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct OutputRequest {
    /// Where it goes; a regular file there is replaced. In its last component, and in those of what
    /// is written beside it, words of the image are filled in for `{id}`, `{digest}`, `{tag}`, `{name}`
    /// and `{arch}`; `{{` and `}}` are braces.
    pub path: PathBuf,
    /// Where e2fsprogs is.
    pub tools: ToolPaths,
    /// How much proof is wanted.
    pub finish: FinishOptions,
    /// Documents that get their names together with it.
    pub beside: Vec<Beside>,
    /// Files that must stay, besides those that the image is read from: what says that it be made.
    pub spared: Vec<PathBuf>,
    /// Where the filesystem, or what it is compressed to, goes instead of a file of its own.
    pub stream: Option<Arc<File>>,
}

impl OutputRequest {
    /// A filesystem in `path`, made by the programs in the sbin directories, checked by e2fsck.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            tools: ToolPaths::default(),
            finish: FinishOptions::default(),
            beside: Vec::new(),
            spared: Vec::new(),
            stream: None,
        }
    }

    /// A filesystem that is written to a stream when it is proven. Until then it is in a file without
    /// a name in `work_dir`. Of the files beside it there can only be those that have names of their
    /// own.
    pub fn to_stream(stream: File, work_dir: impl Into<PathBuf>) -> Self {
        Self {
            stream: Some(Arc::new(stream)),
            ..Self::new(work_dir.into().join(STREAMED))
        }
    }

    /// Every file that is written.
    pub(super) fn paths(&self) -> Vec<PathBuf> {
        let mut paths = self.finish.files(&self.path);
        paths.extend(self.beside.iter().map(|beside| beside.path.clone()));
        paths
    }

    /// An image to be read for this output: of directories that are read, what is written is no part.
    pub(super) fn read_from(&self, image: &ImageRequest) -> ImageRequest {
        let mut image = image.clone().with_held_against(self.path.clone());
        image.open.written = self.paths();
        image
    }

    /// With the image's words in every name; as long as they are not known, in those that have none.
    pub(super) fn filled(mut self, words: Option<&ImageWords>) -> Result<Self> {
        let own = [&mut self.path].into_iter();
        let tree = self.finish.verity.as_mut();
        let tree = tree.and_then(VerityOptions::file_mut);
        let beside = self.beside.iter_mut().map(|beside| &mut beside.path);
        for path in own.chain(tree).chain(beside) {
            fill(path, words)?;
        }
        Ok(self)
    }

    setters! {
        with_tools: tools: ToolPaths,
        with_finish: finish: FinishOptions,
        with_beside: beside: Vec<Beside>,
        with_spared: spared: Vec<PathBuf>,
    }
}
