//! Reads an ext filesystem image back through three readers: our own [`crate::view`], and two that
//! are not ours, debugfs of e2fsprogs and the ext4-view crate.
//!
//! Each gives a [`View`]: a listing with what it could see, and the problems it met. [`verify()`]
//! holds all against the tree that was to be written. Our own reads everything that an ext
//! filesystem can hold. ext4-view reads names, attributes and contents at full speed; debugfs sees
//! what ext4-view has no way to show (inode and device numbers, link counts, extended attributes, flags)
//! or cannot read, and tells where a file's blocks are, so that its content can be taken straight
//! from the image. What a reader cannot know (ext4-view times beyond 2038, either of them content
//! in the inode) is unknown to it, and what is unknown is no difference; what no reader knows is
//! unreadable.
//!
//! An image may be damaged or hostile: walks do not recurse, follow no loop, and read no more than
//! an image of its length can hold.

mod debugfs;
mod ext4_view;
pub mod fsck;
mod mapped;
mod seen;
mod verify;
mod views;

pub use debugfs::{DebugfsView, InodeRecord, read_through_debugfs};
pub use ext4_view::read_through_ext4_view;
pub use mapped::{BlockMap, MappedReader};
pub use seen::{Problem, View, leave_out_note};
pub use verify::{Finding, Reader, Unread, VerifyReport, verify};
