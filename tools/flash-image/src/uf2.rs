//! Microsoft's UF2: a file of blocks, each with a page of flash and its address.

use crate::{Error, Segment};

/// Bytes of a page, of which a block has one.
const PAGE: usize = 256;
/// Bytes of flash that are erased together.
const SECTOR: usize = 4096;
const BLOCK: usize = 512;
/// Bytes of a block before those for the flash, and the most of those.
const HEAD: usize = 32;
const MOST: usize = 476;
const MAGIC: [u32; 2] = [0x0a32_4655, 0x9e5d_5157];
const END: u32 = 0x0ab1_6f30;
const NOT_FOR_FLASH: u32 = 1;
const HAS_FAMILY: u32 = 0x2000;

/// The file for these segments, which come by address: every sector that they touch, whole. What they
/// leave of it is 0xff, as in erased flash.
///
/// The boot ROM of the RP2040 erases a sector before the first of each 16 blocks, counted by their
/// numbers instead of their addresses. So it keeps what it has written only if 16 blocks are a sector.
pub(super) fn encode(segments: &[Segment], family: u32) -> Vec<u8> {
    let sectors = sectors(segments);
    let pages = sectors.iter().flat_map(|(start, bytes)| {
        let addresses = (*start..).step_by(PAGE);
        addresses.zip(bytes.chunks(PAGE))
    });
    let count = (sectors.len() * SECTOR / PAGE) as u32;
    let mut file = Vec::new();
    for (number, (address, page)) in (0..).zip(pages) {
        let end = file.len() + BLOCK;
        let head = [MAGIC[0], MAGIC[1], HAS_FAMILY, address];
        let numbers = [PAGE as u32, number, count, family];
        file.extend(head.into_iter().chain(numbers).flat_map(u32::to_le_bytes));
        file.extend(page);
        file.resize(end - 4, 0);
        file.extend(u32::to_le_bytes(END));
    }
    file
}

/// The sectors that the segments touch, with their addresses.
fn sectors(segments: &[Segment]) -> Vec<(u32, [u8; SECTOR])> {
    let mut sectors: Vec<(u32, [u8; SECTOR])> = Vec::new();
    for segment in segments {
        for (address, &byte) in (segment.address..=u32::MAX).zip(&segment.bytes) {
            let offset = address as usize % SECTOR;
            let start = address - offset as u32;
            if sectors.last().is_none_or(|sector| sector.0 != start) {
                sectors.push((start, [0xff; SECTOR]));
            }
            if let Some((_, bytes)) = sectors.last_mut() {
                bytes[offset] = byte;
            }
        }
    }
    sectors
}

/// What stands in a file for the chips of this family, in segments of a block each.
pub(super) fn decode(file: &[u8], family: u32) -> Result<Vec<Segment>, Error> {
    let (blocks, rest) = file.as_chunks::<BLOCK>();
    if !rest.is_empty() {
        return Err(Error::Uf2Length { found: file.len() });
    }
    let mut segments = Vec::new();
    for (number, block) in blocks.iter().enumerate() {
        let wrong = Error::Uf2Block { block: number };
        let (words, _) = block.as_chunks::<4>();
        let words = words.iter().map(|&word| u32::from_le_bytes(word));
        let words: Vec<u32> = words.collect();
        let &[first, second, flags, address, len, index, count, found, ..] = &words[..] else {
            return Err(wrong);
        };
        let is_one = [first, second] == MAGIC && words.last() == Some(&END);
        if !is_one || flags & NOT_FOR_FLASH != 0 || index as usize != number {
            return Err(wrong);
        }
        if flags & HAS_FAMILY != 0 && found != family {
            let expected = family;
            return Err(Error::Uf2Family { found, expected });
        }
        let (found, expected) = (blocks.len(), count);
        if found != expected as usize {
            return Err(Error::Uf2Blocks { found, expected });
        }
        let bytes = match len as usize {
            len @ ..=MOST => block[HEAD..HEAD + len].to_vec(),
            _ => return Err(wrong),
        };
        segments.push(Segment { address, bytes });
    }
    Ok(segments)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAMILY: u32 = 0xe48b_ff56;

    fn segments() -> [Segment; 2] {
        [(0x1_ff05, 100), (0x2_0003, 300)].map(|(address, len)| Segment {
            address,
            bytes: (0..len).map(|i| (i * 7 + 1) as u8).collect(),
        })
    }

    #[test]
    fn another_reader_finds_the_bytes() {
        let file = encode(&segments(), FAMILY);
        let (found, families) = uf2_decode::convert_from_uf2(&file).unwrap();
        assert_eq!(
            families.into_iter().collect::<Vec<_>>(),
            [(FAMILY, 0x1_f000)]
        );
        let mut expected = vec![0xff; 2 * SECTOR];
        for segment in segments() {
            let start = segment.address as usize - 0x1_f000;
            expected[start..][..segment.bytes.len()].copy_from_slice(&segment.bytes);
        }
        assert_eq!(found, expected);
    }

    #[test]
    fn what_is_no_uf2_for_the_chip_is_refused() {
        let file = encode(&segments(), FAMILY);
        let refused = |file: &[u8]| decode(file, FAMILY).unwrap_err();
        let changed = |at: usize, byte: u8| {
            let mut file = file.clone();
            file[at] = byte;
            file
        };
        let found = file.len() - 1;
        assert_eq!(refused(&file[1..]), Error::Uf2Length { found });
        let (found, expected) = (31, 32);
        let short = &file[..file.len() - BLOCK];
        assert_eq!(refused(short), Error::Uf2Blocks { found, expected });
        let error = decode(&file, FAMILY + 1).unwrap_err();
        assert_eq!(
            error.to_string(),
            "found UF2 for the chips of family 0xe48bff56, expected 0xe48bff57"
        );
        // Magic, flags, length, number and end of the second block.
        for (at, byte) in [(0, 1), (4, 1), (8, 1), (17, 2), (20, 5), (BLOCK - 1, 1)] {
            let file = changed(BLOCK + at, byte);
            assert_eq!(refused(&file), Error::Uf2Block { block: 1 }, "{at}");
        }
    }
}
