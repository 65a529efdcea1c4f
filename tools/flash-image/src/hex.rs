//! Intel hex: lines of bytes, each with the low half of its address.

use ihex::Record;

use crate::{Error, Segment};

const BYTES_A_LINE: usize = 16;

/// The file for these segments, which come by address.
pub(super) fn encode(segments: &[Segment]) -> Vec<u8> {
    let mut records = Vec::new();
    let mut upper = None;
    for segment in segments {
        let mut address = segment.address;
        let mut rest = &segment.bytes[..];
        while !rest.is_empty() {
            if upper != Some(address >> 16) {
                upper = Some(address >> 16);
                records.push(Record::ExtendedLinearAddress((address >> 16) as u16));
            }
            // A line ends on a multiple of its length, and so before the next 64 KB.
            let room = BYTES_A_LINE - address as usize % BYTES_A_LINE;
            let (line, after) = rest.split_at(room.min(rest.len()));
            records.push(Record::Data {
                offset: address as u16,
                value: line.to_vec(),
            });
            address = address.wrapping_add(line.len() as u32);
            rest = after;
        }
    }
    records.push(Record::EndOfFile);
    let file = ihex::create_object_file_representation(&records);
    // It refuses lines of more than 255 bytes, and a file with another end.
    file.expect("lines of 16 bytes and one end").into_bytes()
}

/// What stands in a file, in segments of a line each.
pub(super) fn decode(file: &[u8]) -> Result<Vec<Segment>, Error> {
    let text = std::str::from_utf8(file).map_err(|_| Error::HexText)?;
    let (mut segments, mut base, mut is_over) = (Vec::new(), 0u64, false);
    for (line, record) in (1..).zip(text.lines()) {
        if is_over {
            return Err(Error::HexEnd);
        }
        let record = Record::from_record_string(record);
        match record.map_err(|reason| Error::HexLine { line, reason })? {
            Record::Data { offset, value } => {
                let address = base + u64::from(offset);
                let found = address + value.len() as u64;
                let address = u32::try_from(address).map_err(|_| Error::Address { found })?;
                segments.push(Segment {
                    address,
                    bytes: value,
                });
            }
            Record::ExtendedLinearAddress(upper) => base = u64::from(upper) << 16,
            Record::ExtendedSegmentAddress(segment) => base = u64::from(segment) << 4,
            // Where a program starts, which a chip knows itself.
            Record::StartLinearAddress(_) | Record::StartSegmentAddress { .. } => {}
            Record::EndOfFile => is_over = true,
        }
    }
    match is_over {
        true => Ok(segments),
        false => Err(Error::HexEnd),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_hex_is_refused() {
        let refused = |text: &str| decode(text.as_bytes()).unwrap_err().to_string();
        let end = ":00000001FF";
        assert_eq!(decode(end.as_bytes()), Ok(Vec::new()));
        assert!(refused("").starts_with("found another last line"));
        assert!(refused(&format!("{end}\n{end}\n")).starts_with("found another last line"));
        let [right, wrong] = [":0300300002337A1E", ":0300300002337A1F"];
        assert_eq!(
            refused(&format!("{right}\n{wrong}")),
            "line 2 is none of Intel hex: invalid checksum '1E', expecting '1F'"
        );
        assert!(decode(&[0xff, 0xfe]).is_err());
    }

    /// Segments of 16 bytes, as older tools write them.
    #[test]
    fn both_kinds_of_upper_addresses_are_read() {
        let text = ":020000021000EC\n:0100000001FE\n:020000040001F9\n:0100010002FC\n:00000001FF\n";
        let segment = |address, byte| Segment {
            address,
            bytes: vec![byte],
        };
        let expected = vec![segment(0x1_0000, 1), segment(0x1_0001, 2)];
        assert_eq!(decode(text.as_bytes()), Ok(expected));
    }
}
