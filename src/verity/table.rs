//! What device-mapper is told.

use super::{BLOCK_BYTES, RootHash, Salt};

/// Sectors of a block, by which device-mapper counts.
const SECTORS: u64 = BLOCK_BYTES / 512;

/// A verity device in the words of device-mapper.
#[derive(Debug, Clone, Copy)]
pub struct Table<'a> {
    /// Blocks of data.
    pub data_blocks: u64,
    /// Where the tree's first block is on the device that has it, in blocks: one behind the
    /// superblock.
    pub hash_start_block: u64,
    /// The root hash.
    pub root_hash: RootHash,
    /// The salt.
    pub salt: &'a Salt,
}

impl Table<'_> {
    /// The line of a table (`dmsetup create`), for these devices.
    pub fn line(&self, data_device: &str, hash_device: &str) -> String {
        let salt = match self.salt.bytes() {
            [] => "-".to_owned(),
            _ => self.salt.to_string(),
        };
        format!(
            "0 {} verity 1 {data_device} {hash_device} {BLOCK_BYTES} {BLOCK_BYTES} {} {} sha256 {} {salt}",
            self.data_blocks * SECTORS,
            self.data_blocks,
            self.hash_start_block,
            self.root_hash
        )
    }

    /// What the kernel's command line says to start from it without an initramfs (`CONFIG_DM_INIT`).
    pub fn kernel_parameters(&self, data_device: &str, hash_device: &str, kind: &str) -> String {
        let line = self.line(data_device, hash_device);
        format!("dm-mod.create=\"root,,,ro,{line}\" root=/dev/dm-0 ro rootfstype={kind}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_as_the_kernel_documents_it() {
        let table = Table {
            data_blocks: 190_976,
            hash_start_block: 190_977,
            root_hash: RootHash([0xab; 32]),
            salt: &Salt::new(&[]).unwrap(),
        };
        let root = "ab".repeat(32);
        assert_eq!(
            table.line("/dev/vda", "/dev/vdb"),
            format!("0 1527808 verity 1 /dev/vda /dev/vdb 4096 4096 190976 190977 sha256 {root} -")
        );
        let salt = Salt::new(&[1, 2]).unwrap();
        let table = Table {
            salt: &salt,
            ..table
        };
        let parameters = table.kernel_parameters("/dev/vda", "/dev/vda", "ext4");
        assert!(parameters.ends_with(" 0102\" root=/dev/dm-0 ro rootfstype=ext4"));
        assert!(parameters.starts_with("dm-mod.create=\"root,,,ro,0 1527808 verity 1 "));
    }
}
