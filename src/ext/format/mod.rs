//! An empty filesystem by mke2fs and tune2fs, held against the plan.

mod tools;

use std::ffi::OsStr;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::fs::{MemfdFlags, memfd_create};

use crate::command::path_of_open_file;
use crate::error::{Error, Result};
use crate::ext::plan::Plan;
use crate::ext::plan::flex_positions::GROUPS_PER_FLEX;
use crate::ext::plan::identity::{PLACE_HOLDER_UUID, uuid_text};
use crate::ext::profile::{JournalSize, Profile};
use crate::ondisk::features::INCOMPAT_FLEX_BG;
use crate::ondisk::superblock::{MAGIC, SUPERBLOCK_BYTES, SUPERBLOCK_OFFSET_BYTES, Superblock};
use crate::partial_file::PartialFile;
use crate::progress::Reporter;
use crate::units::InodeNumber;

pub use tools::{ToolPaths, Tools};

/// What `-t KIND -T default` means, whatever the machine's own /etc/mke2fs.conf says. mke2fs wants
/// the kind to have features of its own, or it notes that it does not know it.
fn configuration(profile: &Profile) -> String {
    format!(
        "\
[defaults]
base_features = none
default_mntopts = acl,user_xattr
enable_periodic_fsck = 0
blocksize = 4096
inode_size = 256
inode_ratio = 16384
flex_bg_size = {GROUPS_PER_FLEX}
[fs_types]
{} = {{
features = {}
}}
default = {{
}}
",
        profile.kind,
        features(profile)
    )
}

/// The features as mke2fs takes them.
fn features(profile: &Profile) -> String {
    profile.features.names().join(",")
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
    let birth = &plan.birth;
    let request = &plan.sized.request;
    let kind = plan.profile.kind.to_string();
    let mut mke2fs = tools
        .mke2fs(birth.mke2fs_seconds())
        .env("MKE2FS_CONFIG", Some(&path_of_open_file(&configuration)?))
        .args(["-q", "-F", "-t", &kind, "-T", "default", "-m", "1"])
        // None but these, even where a program in between goes by a configuration of its own.
        .args(["-O", &format!("none,{}", features(&plan.profile))])
        .args(["-N", &request.inodes.to_string()])
        .args(["-U", &uuid_text(PLACE_HOLDER_UUID)])
        .args(["-E", &extended_options(plan)]);
    if !birth.label.is_empty() {
        mke2fs = mke2fs.args(["-L", &birth.label]);
    }
    if let JournalSize::Mebibytes(size) = request.journal {
        mke2fs = mke2fs.args(["-J", &format!("size={size}")]);
    }
    let path = partial.path_for_programs()?;
    mke2fs.arg(&path).run_to_success(reporter)?;
    tools
        .tune2fs(birth.mke2fs_seconds())
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

/// What has no letter of its own. The blocks of ext4's journal are zeros as the file has them, and mke2fs is
/// not to take them of the disk; those of ext3's it writes whatever it is told.
fn extended_options(plan: &Plan) -> String {
    let seed = uuid_text(plan.birth.hash_seed);
    let growing = plan.sized.request.growing_to_blocks(&plan.profile);
    let growing = growing.map_or_else(String::new, |blocks| format!(",resize={blocks}"));
    format!("hash_seed={seed},root_owner=0:0,lazy_journal_init=1{growing}")
}

fn configuration_file(profile: &Profile) -> Result<File> {
    let make = || {
        let mut file = File::from(memfd_create("mke2fs.conf", MemfdFlags::CLOEXEC)?);
        file.write_all(configuration(profile).as_bytes())?;
        Ok(file)
    };
    make().map_err(|error| Error::io("cannot keep mke2fs' configuration in memory", error))
}

/// What a superblock's fields, by the kernel's names, are expected to hold and hold.
macro_rules! fields {
    ($superblock:ident: $($name:ident, $($field:ident).+ = $planned:expr;)+) => {
        [$((stringify!($name), u64::from($planned), u64::from($superblock.$($field).+))),+]
    };
}

/// Everything that the plan or the populate step counts on.
fn hold_against_plan(superblock: &Superblock, plan: &Plan) -> Result<()> {
    let (features, planned) = (&plan.profile.features, &plan.sized.geometry);
    let flex = match features.has_incompat(INCOMPAT_FLEX_BG) {
        true => GROUPS_PER_FLEX.ilog2(),
        false => 0,
    };
    let expected = fields! { superblock:
        s_magic, magic = MAGIC;
        s_rev_level, revision = 1_u32;
        s_state, state = 1_u32;
        s_log_block_size, log_block_size = 2_u32;
        s_first_data_block, first_data_block = 0_u32;
        s_inode_size, inode_size_bytes = 256_u32;
        s_first_ino, first_inode = 11_u32;
        s_desc_size, descriptor_size_bytes = plan.profile.descriptor_bytes as u32;
        s_log_groups_per_flex, log_groups_per_flex = flex;
        s_checksum_type, checksum_type = u8::from(plan.profile.checksums);
        s_feature_compat, features.compat = features.compat;
        s_feature_incompat, features.incompat = features.incompat;
        s_feature_ro_compat, features.ro_compat = features.ro_compat;
        s_def_hash_version, default_hash_version = 1_u32;
        s_checkinterval, check_interval_seconds = 0_u32;
        s_journal_inum, journal_inode = if features.has_journal() { InodeNumber::JOURNAL.0 } else { 0 };
        s_mkfs_time, made_seconds = plan.birth.mke2fs_seconds();
        s_blocks_count, blocks_count = planned.blocks;
        s_blocks_per_group, blocks_per_group = planned.blocks_per_group;
        s_inodes_per_group, inodes_per_group = planned.inodes_per_group;
        s_reserved_gdt_blocks, reserved_gdt_blocks = planned.reserved_descriptor_blocks_per_copy;
        s_r_blocks_count, reserved_blocks_count = planned.reserved_blocks;
        s_free_blocks_count, free_blocks_count = planned.free_blocks;
        s_free_inodes_count, free_inodes_count = planned.free_inodes;
    };
    for (field, planned, found) in expected {
        if planned != found {
            return Err(Error::Mismatch(format!(
                "mke2fs made another filesystem than planned: {field}: expected {planned}, found {found}"
            )));
        }
    }
    if superblock.uuid != PLACE_HOLDER_UUID || superblock.hash_seed != plan.birth.hash_seed_words()
    {
        return Err(Error::Mismatch(
            "mke2fs made another filesystem than planned: place-holder UUID or hash seed differ"
                .to_owned(),
        ));
    }
    Ok(())
}
