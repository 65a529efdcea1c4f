//! Microsoft's UF2: a file of blocks, each with a page of flash and its address.

use super::Segment;

/// Bytes of a page, of which a block has one.
const PAGE: usize = 256;
/// Bytes of flash that are erased together.
const SECTOR: usize = 4096;
const BLOCK: usize = 512;
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
        let head = [0x0a32_4655, 0x9e5d_5157, HAS_FAMILY, address];
        let numbers = [PAGE as u32, number, count, family];
        file.extend(head.into_iter().chain(numbers).flat_map(u32::to_le_bytes));
        file.extend(page);
        file.resize(end - 4, 0);
        file.extend(u32::to_le_bytes(0x0ab1_6f30));
    }
    file
}

/// The sectors that the segments touch, with their addresses.
fn sectors(segments: &[Segment]) -> Vec<(u32, [u8; SECTOR])> {
    let mut sectors: Vec<(u32, [u8; SECTOR])> = Vec::new();
    for segment in segments {
        for (address, &byte) in (segment.address..).zip(&segment.bytes) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_back() {
        let segment = |address, len| Segment {
            address,
            bytes: (0..len).map(|i| (i * 7 + 1) as u8).collect(),
        };
        let segments = [segment(0x1_ff05, 100), segment(0x2_0003, 300)];
        let family = 0xe48b_ff56;
        let file = encode(&segments, family);
        let (found, families) = uf2_decode::convert_from_uf2(&file).unwrap();
        assert_eq!(
            families.into_iter().collect::<Vec<_>>(),
            [(family, 0x1_f000)]
        );
        let mut expected = vec![0xff; 2 * SECTOR];
        for segment in segments {
            let start = segment.address as usize - 0x1_f000;
            expected[start..][..segment.bytes.len()].copy_from_slice(&segment.bytes);
        }
        assert_eq!(found, expected);
    }
}
