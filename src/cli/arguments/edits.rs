//! What is changed of the tree that an image shows.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{Args, ValueHint};

use crate::edits::{
    Add, Edits, MakeDirectory, MakeSymlink, Mode, Overlay, Owner, OwnerMapping, TreePath, WriteFile,
};

/// Edits of the tree between the image and the filesystem. The order in which they work is fixed
/// (see [`crate::edits`]), that in which they were typed counts among those of one kind.
#[derive(Debug, Args)]
#[command(next_help_heading = "Edits of a container image's tree, in this order")]
pub struct EditArguments {
    /// Of the image only this, what is below it, and the directories on the way; may be repeated.
    /// A symbolic link is kept as one, not what it leads to
    #[arg(long, value_name = "PATH", value_parser = typed(TreePath::typed))]
    pub include: Vec<TreePath>,
    /// Leave out what matches, by gitignore's rules: with a slash inside or before it from the
    /// root on, else at any depth; a slash behind it for directories alone, ! takes back; may be
    /// repeated, the last that matches counts
    #[arg(long, value_name = "GLOB", allow_hyphen_values = true)]
    pub exclude: Vec<String>,
    /// Take away what is at this path, and all below it; may be repeated
    #[arg(long, value_name = "PATH", value_parser = typed(TreePath::typed))]
    pub remove: Vec<TreePath>,
    /// Lay a directory or a tar of this machine over the tree, or over PATH in it; whiteouts of
    /// tars count; may be repeated, the later wins
    #[arg(long, value_name = "DIR|TAR[:PATH]", value_hint = ValueHint::AnyPath, value_parser = typed(Overlay::typed))]
    pub overlay: Vec<Overlay>,
    /// Make a directory, owned by 0:0 with mode 0755 unless told otherwise; may be repeated
    #[arg(long, value_name = "PATH[:MODE[:UID:GID]]", value_parser = typed(MakeDirectory::typed))]
    pub mkdir: Vec<MakeDirectory>,
    /// Put a file or directory of this machine in at DST; may be repeated
    #[arg(long, value_name = "SRC:DST[:MODE[:UID:GID]]", value_hint = ValueHint::AnyPath, value_parser = typed(Add::typed))]
    pub add: Vec<Add>,
    /// Make a symbolic link; may be repeated
    #[arg(long, value_name = "PATH=TARGET", value_parser = typed(MakeSymlink::typed))]
    pub symlink: Vec<MakeSymlink>,
    /// Write a file with exactly this text, owned by 0:0 with mode 0644; may be repeated
    #[arg(long, value_name = "PATH=TEXT", value_parser = typed(WriteFile::typed))]
    pub file: Vec<WriteFile>,
    /// Make the directories dev, proc, sys, run and tmp where the tree lacks them
    #[arg(long)]
    pub mount_points: bool,
    /// Write what the image says about how it is started (entrypoint, environment, user, ...) to
    /// this path of the tree
    #[arg(long, value_name = "PATH", value_parser = typed(TreePath::typed_name))]
    pub config_file: Option<TreePath>,
    /// Give everything to this user and group
    #[arg(long, value_name = "UID:GID", conflicts_with = "map_owner")]
    pub owner: Option<Owner>,
    /// Give what belongs to the user or group FROM to TO (1000:0), or what belongs to a user with a
    /// group to others (1000:1000:0:0); may be repeated, the first that fits counts
    #[arg(long, value_name = "FROM:TO")]
    pub map_owner: Vec<OwnerMapping>,
    /// The root directory's permissions
    #[arg(long, value_name = "MODE")]
    pub root_mode: Option<Mode>,
    /// Keep owners, modes, times and extended attributes of what comes from this machine's disk
    #[arg(long)]
    pub keep_attributes: bool,
    /// Leave out what is mounted below a directory of this machine that is read
    #[arg(long)]
    pub one_file_system: bool,
    /// Refuse a path or pattern that matches nothing, where there is a warning else
    #[arg(long)]
    pub strict: bool,
}

impl EditArguments {
    /// The edits that are meant.
    pub fn edits(&self) -> Edits {
        Edits {
            include: self.include.clone(),
            exclude: self.exclude.clone(),
            remove: self.remove.clone(),
            overlay: self.overlay.clone(),
            add: self.add.clone(),
            mkdir: self.mkdir.clone(),
            symlink: self.symlink.clone(),
            file: self.file.clone(),
            owner: self.owner,
            map_owner: self.map_owner.clone(),
            root_mode: self.root_mode,
            mount_points: self.mount_points,
            config_file: self.config_file.clone(),
            keep_attributes: self.keep_attributes,
            one_file_system: self.one_file_system,
            strict: self.strict,
        }
    }
}

/// Reads an argument's bytes, which need not be UTF-8.
fn typed<T: Clone + Send + Sync + 'static>(
    parse: fn(&[u8]) -> Result<T, String>,
) -> impl TypedValueParser<Value = T> {
    OsStringValueParser::new().try_map(move |typed: OsString| parse(typed.as_bytes()))
}
