use std::collections::BTreeSet;

const PAGE: usize = 256;
const SECTOR: usize = 4096;
/// Blocks of a UF2 file that bring as many bytes as a sector has.
const BLOCKS_A_SECTOR: u32 = (SECTOR / PAGE) as u32;

/// The flash from `start` on after the boot ROM of an RP2040 has taken a UF2 file, of `len` bytes that
/// were all `before`.
///
/// The ROM erases the sector of a block if it has erased none yet for the block's number divided by 16,
/// whatever the address (erratum RP2040-E14). Writing turns ones to zeros, and never zeros to ones.
pub fn flash_of_rp2040(uf2: &[u8], start: u32, len: usize, before: u8) -> Vec<u8> {
    let mut flash = vec![before; len];
    let mut erased = BTreeSet::new();
    for block in uf2.chunks(512) {
        let word = |at: usize| u32::from_le_bytes(block[at..at + 4].try_into().expect("4 bytes"));
        let (address, bytes, number) = (word(12), word(16), word(20));
        assert_eq!((bytes as usize, address as usize % PAGE), (PAGE, 0));
        let at = (address - start) as usize;
        if erased.insert(number / BLOCKS_A_SECTOR) {
            flash[at - at % SECTOR..][..SECTOR].fill(0xff);
        }
        for (cell, byte) in flash[at..].iter_mut().zip(&block[32..][..PAGE]) {
            *cell &= byte;
        }
    }
    flash
}
