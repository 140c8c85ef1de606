//! Formatting, and holding the result against the plan.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::fs::{MemfdFlags, memfd_create};

use super::tools::Tools;
use crate::command::path_of_open_file;
use crate::error::{Error, Result};
use crate::ext::plan::Plan;
use crate::ext::plan::identity::uuid_text;
use crate::ext::profile::{JournalSize, Profile};
use crate::ondisk::superblock::{MAGIC, SUPERBLOCK_BYTES, SUPERBLOCK_OFFSET_BYTES, Superblock};
use crate::partial_file::PartialFile;
use crate::progress::Reporter;
use crate::units::InodeNumber;

/// What `-t KIND -T default` means, whatever the machine's own /etc/mke2fs.conf says.
fn configuration(profile: &Profile) -> String {
    format!(
        "\
[defaults]
base_features = {}
default_mntopts = acl,user_xattr
enable_periodic_fsck = 0
blocksize = 4096
inode_size = 256
inode_ratio = 16384
[fs_types]
{} = {{
}}
default = {{
}}
",
        profile.features.names().join(","),
        profile.kind
    )
}

/// A formatted filesystem that is exactly what the plan says, with nothing in it yet.
#[derive(Debug)]
pub struct EmptyFilesystem {
    /// The file it is in.
    pub partial: PartialFile,
    /// The superblock as mke2fs and tune2fs left it.
    pub superblock: Box<[u8; SUPERBLOCK_BYTES]>,
}

/// Makes the file and the filesystem in it.
///
/// # Errors
/// [`Error::Io`] when the file cannot be made, [`Error::Tool`] when a program fails,
/// [`Error::Mismatch`] when it made something else than planned.
pub fn format(
    plan: &Plan,
    tools: &Tools,
    output: &Path,
    reporter: &dyn Reporter,
) -> Result<EmptyFilesystem> {
    let partial = PartialFile::create(output)?;
    partial
        .file()
        .set_len(plan.sized.file_bytes)
        .map_err(|error| Error::path("make room for", output, error))?;
    let configuration = configuration_file(&plan.profile)?;
    let identity = &plan.identity;
    let request = &plan.sized.request;
    let kind = plan.profile.kind.to_string();
    let mut mke2fs = tools
        .mke2fs(identity.mke2fs_seconds())
        .env("MKE2FS_CONFIG", Some(&path_of_open_file(&configuration)?))
        .args(["-q", "-F", "-t", &kind, "-T", "default", "-m", "1"])
        .args(["-N", &request.inodes.to_string()])
        .args(["-U", &uuid_text(identity.uuid)])
        .args([
            "-E",
            &format!("hash_seed={},root_owner=0:0", uuid_text(identity.hash_seed)),
        ]);
    if !identity.label.is_empty() {
        mke2fs = mke2fs.args(["-L", &identity.label]);
    }
    if let JournalSize::Mebibytes(size) = request.journal {
        mke2fs = mke2fs.args(["-J", &format!("size={size}")]);
    }
    let path = partial.path_for_programs()?;
    mke2fs.arg(&path).run_to_success(reporter)?;
    tools
        .tune2fs(identity.mke2fs_seconds())
        .args(["-c", "0", "-i", "0"].map(OsStr::new))
        .arg(&path)
        .run_to_success(reporter)?;
    let mut superblock = Box::new([0; SUPERBLOCK_BYTES]);
    partial
        .file()
        .read_exact_at(&mut superblock[..], SUPERBLOCK_OFFSET_BYTES)
        .map_err(|error| Error::path("read", output, error))?;
    hold_against_plan(&Superblock::decode(&superblock), plan)?;
    Ok(EmptyFilesystem {
        partial,
        superblock,
    })
}

fn configuration_file(profile: &Profile) -> Result<File> {
    let make = || {
        let mut file = File::from(memfd_create("mke2fs.conf", MemfdFlags::CLOEXEC)?);
        file.write_all(configuration(profile).as_bytes())?;
        Ok(file)
    };
    make().map_err(|error| Error::io("cannot keep mke2fs' configuration in memory", error))
}

/// Everything that the plan or the populate step counts on.
fn hold_against_plan(superblock: &Superblock, plan: &Plan) -> Result<()> {
    let (identity, features) = (&plan.identity, &plan.profile.features);
    let (found, planned) = (superblock, &plan.sized.geometry);
    let reserved_gdt_blocks = planned.reserved_descriptor_blocks_per_copy;
    let expected: [(&str, u64, u64); 21] = [
        ("s_magic", MAGIC.into(), found.magic.into()),
        ("s_rev_level", 1, found.revision.into()),
        ("s_state", 1, found.state.into()),
        ("s_log_block_size", 2, found.log_block_size.into()),
        ("s_first_data_block", 0, found.first_data_block.into()),
        ("s_inode_size", 256, found.inode_size_bytes.into()),
        ("s_first_ino", 11, found.first_inode.into()),
        (
            "s_feature_compat",
            features.compat.into(),
            found.features.compat.into(),
        ),
        (
            "s_feature_incompat",
            features.incompat.into(),
            found.features.incompat.into(),
        ),
        (
            "s_feature_ro_compat",
            features.ro_compat.into(),
            found.features.ro_compat.into(),
        ),
        ("s_def_hash_version", 1, found.default_hash_version.into()),
        ("s_checkinterval", 0, found.check_interval_seconds.into()),
        (
            "s_journal_inum",
            InodeNumber::JOURNAL.0.into(),
            found.journal_inode.into(),
        ),
        (
            "s_mkfs_time",
            identity.mke2fs_seconds().into(),
            found.made_seconds,
        ),
        ("s_blocks_count", planned.blocks.into(), found.blocks_count),
        (
            "s_blocks_per_group",
            planned.blocks_per_group.into(),
            found.blocks_per_group.into(),
        ),
        (
            "s_inodes_per_group",
            planned.inodes_per_group.into(),
            found.inodes_per_group.into(),
        ),
        (
            "s_reserved_gdt_blocks",
            reserved_gdt_blocks.into(),
            found.reserved_gdt_blocks.into(),
        ),
        (
            "s_r_blocks_count",
            planned.reserved_blocks.into(),
            found.reserved_blocks_count,
        ),
        (
            "s_free_blocks_count",
            planned.free_blocks.into(),
            found.free_blocks_count,
        ),
        (
            "s_free_inodes_count",
            planned.free_inodes.into(),
            found.free_inodes_count.into(),
        ),
    ];
    for (field, planned, found) in expected {
        if planned != found {
            return Err(Error::Mismatch(format!(
                "mke2fs made another filesystem than planned: {field}: expected {planned}, found {found}"
            )));
        }
    }
    if superblock.uuid != plan.identity.uuid
        || superblock.hash_seed != plan.identity.hash_seed_words()
    {
        return Err(Error::Mismatch(
            "mke2fs made another filesystem than planned: UUID or hash seed differ".to_owned(),
        ));
    }
    Ok(())
}
