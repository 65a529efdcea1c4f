//! Damaged model files: every flipped bit, every truncation, bytes after the end, bursts.

use std::{
    fs,
    num::NonZero,
    ops::Range,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Instant,
};

use cross_tests::{Console, board_firmware, shipped};
use flash_image::Format;
use lstm_core::export::{HEAD_BYTES, Head};
use lstm_core::{FORMAT_VERSION, Model, ModelError};
use xtask::{aligned::AlignedBytes, boards::Board, image, qemu::Machine};

/// The polynomial of the CRC-32, bits reflected.
const POLYNOMIAL: u32 = 0xedb8_8320;
/// The bytes that hold the checksum.
const CHECKSUM: Range<usize> = HEAD_BYTES - 4..HEAD_BYTES;

fn models() -> Vec<(String, Vec<u8>)> {
    let read = |path: std::path::PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        (name, fs::read(path).unwrap())
    };
    shipped().into_iter().map(read).collect()
}

/// Numbers that are as good as random (SplitMix64), the same each time.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ z >> 31) % n as u64) as usize
    }
}

/// Runs `each` for the numbers below `count` on all cores, with a copy of the file for each thread.
fn on_all_cores(file: &[u8], count: usize, each: impl Fn(&mut [u8], usize) + Sync) {
    const SHARE: usize = 256;
    let next = AtomicUsize::new(0);
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut flash = AlignedBytes::new(file);
                loop {
                    let start = next.fetch_add(SHARE, Ordering::Relaxed);
                    if start >= count {
                        break;
                    }
                    for number in start..count.min(start + SHARE) {
                        each(flash.bytes_mut(), number);
                    }
                }
            });
        }
    });
}

fn flip(file: &mut [u8], bit: usize) {
    file[bit / 8] ^= 1 << (bit % 8);
}

/// What each flipped bit does to the checksum of the bytes that it covers. A CRC is linear: a flip
/// changes it by what the bit alone makes, whatever the other bits are.
///
/// From the last byte to the first, each bit by one more byte of zeros after it.
fn changes_of_the_checksum(file: &[u8]) -> Vec<[u32; 8]> {
    let through_a_zero = |crc: u32| {
        (0..8).fold(crc, |crc, _| {
            crc >> 1 ^ (if crc & 1 == 1 { POLYNOMIAL } else { 0 })
        })
    };
    let mut table = [0; 256];
    for (byte, entry) in (0..).zip(&mut table) {
        *entry = through_a_zero(byte);
    }
    let mut behind = [0, 1, 2, 3, 4, 5, 6, 7].map(|bit| table[1 << bit]);
    let mut changes = vec![[0; 8]; file.len()];
    for (byte, change) in changes.iter_mut().enumerate().rev() {
        if CHECKSUM.contains(&byte) {
            continue;
        }
        *change = behind;
        behind = behind.map(|crc| table[crc as u8 as usize] ^ crc >> 8);
    }
    changes
}

/// Flips a bit, sees that the file is refused for the reason that is foretold, and flips it back.
fn assert_refused(name: &str, file: &mut [u8], changes: &[[u32; 8]], bit: usize) {
    let stored = |file: &[u8]| u32::from_le_bytes(file[CHECKSUM].try_into().unwrap());
    let right = stored(file);
    flip(file, bit);
    let error = Model::from_bytes(file).expect_err("a flipped bit is noticed");
    // One flip makes version 1 version 3, which is read too.
    let is_a_version = (1..=FORMAT_VERSION).contains(&u16::from_le_bytes([file[4], file[5]]));
    match bit / 8 {
        0..4 => assert!(matches!(error, ModelError::Magic { .. })),
        4..6 if !is_a_version => assert!(matches!(error, ModelError::Version { .. })),
        8..12 => assert!(matches!(
            error,
            ModelError::Truncated { .. } | ModelError::TooLong { .. }
        )),
        byte => {
            let found = right ^ changes[byte][bit % 8];
            let expected = stored(file);
            let foretold = ModelError::Checksum { found, expected };
            assert_eq!(error, foretold, "{name}, bit {bit}");
        }
    }
    flip(file, bit);
}

/// All by what the CRC must do, one in a hundred by the reader, which finds the very checksum that
/// was foretold.
#[test]
fn flipped_bits_of_the_shipped_models_are_refused() {
    let mut random = Random(1);
    let (mut bits, mut sampled) = (0, 0);
    for (name, file) in models() {
        let changes = changes_of_the_checksum(&file);
        for (byte, changes) in changes.iter().enumerate() {
            let is_checksum = CHECKSUM.contains(&byte);
            assert!(is_checksum || changes.iter().all(|&change| change != 0));
        }
        bits += 8 * file.len();
        let sample: Vec<_> = (0..8 * file.len() / 100)
            .map(|hundred| 100 * hundred + random.below(100))
            .chain(0..8 * HEAD_BYTES)
            .collect();
        sampled += sample.len();
        on_all_cores(&file, sample.len(), |file, number| {
            assert_refused(&name, file, &changes, sample[number]);
        });
    }
    println!("{bits} flips, {sampled} of them read");
    assert!(sampled >= bits / 100);
}

#[test]
#[ignore = "takes minutes: the reader reads every model once for each of its bits"]
fn every_flipped_bit_of_the_shipped_models_is_refused() {
    let start = Instant::now();
    let mut bits = 0;
    for (name, file) in models() {
        let changes = changes_of_the_checksum(&file);
        on_all_cores(&file, 8 * file.len(), |file, bit| {
            assert_refused(&name, file, &changes, bit);
        });
        bits += 8 * file.len();
        let seconds = start.elapsed().as_secs();
        println!(
            "{name}: all {} flips refused; {bits} in {seconds} s",
            8 * file.len()
        );
    }
}

#[test]
fn every_truncation_and_bytes_behind_the_end_are_refused() {
    for (name, file) in models() {
        let flash = AlignedBytes::new(&[&file[..], &[0; 64]].concat());
        for found in 0..file.len() {
            let error = Model::from_bytes(&flash.bytes()[..found]).unwrap_err();
            let expected = if found < HEAD_BYTES {
                HEAD_BYTES
            } else {
                file.len()
            };
            assert_eq!(error, ModelError::Truncated { found, expected }, "{name}");
            let region = Model::from_region(&flash.bytes()[..found]).unwrap_err();
            assert_eq!(region, error, "{name}");
        }
        for found in file.len() + 1..=file.len() + 64 {
            let error = Model::from_bytes(&flash.bytes()[..found]).unwrap_err();
            let expected = file.len();
            assert_eq!(error, ModelError::TooLong { found, expected }, "{name}");
        }
    }
}

/// Two bits, three bits, or the bits of a burst.
fn some_bits(random: &mut Random, bits: usize) -> Vec<usize> {
    let mut chosen: Vec<_> = match random.below(3) {
        0 => (0..2).map(|_| random.below(bits)).collect(),
        1 => (0..3).map(|_| random.below(bits)).collect(),
        _ => {
            let length = 2 + random.below(31);
            let start = random.below(bits - length);
            let inner = (1..length - 1).filter(|_| random.below(2) == 1);
            let inner: Vec<_> = inner.collect();
            let ends = [0, length - 1].into_iter();
            ends.chain(inner).map(|bit| start + bit).collect()
        }
    };
    chosen.sort_unstable();
    chosen.dedup();
    chosen
}

#[test]
fn two_bits_three_bits_and_bursts_are_refused() {
    const CASES: usize = 100_000;
    let mut random = Random(2);
    let models = models();
    let each = CASES.div_ceil(models.len());
    for (name, file) in &models {
        let cases: Vec<_> = (0..each)
            .map(|_| some_bits(&mut random, 8 * file.len()))
            .collect();
        on_all_cores(file, each, |file, number| {
            cases[number].iter().for_each(|&bit| flip(file, bit));
            assert!(
                Model::from_bytes(file).is_err(),
                "{name}: {:?}",
                cases[number]
            );
            cases[number].iter().for_each(|&bit| flip(file, bit));
        });
    }
}

/// The control: with the checksum made right again, most flips go through. So it is the checksum
/// that refuses them, and the tests above can fail.
#[test]
fn without_the_checksum_flips_would_be_read() {
    let mut random = Random(3);
    for (name, file) in models() {
        let version = Head::parse(&file).unwrap().version;
        // Of a table, the checks of its rows refuse many.
        let least = if version == 1 { 80 } else { 50 };
        let accepted = (0..100).filter(|_| {
            let mut payload = file[HEAD_BYTES..].to_vec();
            flip(&mut payload, random.below(8 * (file.len() - HEAD_BYTES)));
            let head = Head::new(version, &payload).to_bytes();
            let flash = AlignedBytes::new(&[&head[..], &payload].concat());
            Model::from_bytes(flash.bytes()).is_ok()
        });
        let accepted = accepted.count();
        assert!(accepted > least, "{name}: {accepted} of 100");
    }
}

/// Flips bits of the model in the image of a board's flash, and starts the board from it each time.
fn flips_in_flash(board: &str, model: &str, flips: usize) {
    let board = Board::parse(board).unwrap();
    let model = xtask::shell::root().join("models").join(model);
    let image = image::build(board, Some(&board_firmware(board)), &model).unwrap();
    let image = image.encode(Format::Bin);
    let model = fs::read(model).unwrap();
    let segments = image::load_segments(&board_firmware(board)).unwrap();
    let start = segments[0].address;
    let place = (board.memory.model.start - start) as usize;
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut random = Random(4);
    for number in 0..flips {
        // The head is small, and worth more flips.
        let bits = if number % 8 == 0 {
            HEAD_BYTES
        } else {
            model.len()
        };
        let bit = 8 * place + random.below(8 * bits);
        let mut image = image.clone();
        flip(&mut image, bit);
        fs::write(&file, image).unwrap();
        let machine = Machine::start_images(board, &[(file.path(), Some(start))]).unwrap();
        let mut console = Console::of(machine);
        let line = console.line();
        assert!(line.starts_with("# no model runs: "), "bit {bit}: {line}");
        // It is alive, and has written nothing of the model's.
        console.send(b"to be\r");
        let answer = console.until("# no model runs: ");
        assert!(answer.trim_start().starts_with("> to be"), "{answer}");
        if number % 100 == 99 {
            println!("{}: {} flips refused", board.name, number + 1);
        }
    }
}

const M4: (&str, &str) = ("mps2-an386", "sonnets-64.lstm");
const M0: (&str, &str) = ("microbit", "sonnets-64.lstm");

#[test]
fn flips_in_the_flash_of_a_board_are_refused() {
    for (board, model) in [M4, M0] {
        flips_in_flash(board, model, 20);
    }
}

#[test]
#[ignore = "takes minutes: 500 starts of each of two boards"]
fn many_flips_in_the_flash_of_a_board_are_refused() {
    for (board, model) in [M4, M0] {
        flips_in_flash(board, model, 500);
    }
}
