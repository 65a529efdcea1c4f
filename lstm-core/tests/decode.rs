//! The decoder of payloads against the `postcard` crate, which encodes them.

use lstm_core::file::{Cell, Format, LayerShape, Order, Payload};
use lstm_core::{Error, MAX_LAYERS};
use rand_xoshiro::Xoshiro128PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

/// How many times something is done: `n`, or `few` times under Miri.
const fn times(n: usize, few: usize) -> usize {
    if cfg!(miri) { few } else { n }
}

struct Random(Xoshiro128PlusPlus);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0.next_u32() as usize % n
    }

    /// One of a number's lengths in bytes is as likely as another.
    fn number(&mut self, bits: u32) -> usize {
        let bits = 1 + self.below(bits as usize) as u32;
        self.0.next_u32() as usize >> (32 - bits)
    }

    fn optional_u16(&mut self) -> Option<u16> {
        (self.below(2) == 1).then(|| self.number(16) as u16)
    }

    fn payload<'a>(&mut self, text: &'a str, bytes: &'a [u8]) -> Payload<'a> {
        let mut part = || {
            let (a, b) = (self.below(text.len() + 1), self.below(text.len() + 1));
            text.get(a.min(b)..a.max(b)).unwrap_or(text)
        };
        Payload {
            name: part(),
            symbols: part(),
            fold_case: self.below(2) == 1,
            window: self.optional_u16(),
            format: [Format::F32, Format::Int8, Format::Int4][self.below(3)],
            order: [
                Order::Rows4,
                Order::Columns16 {
                    dead_zone: self.number(8) as u8,
                },
            ][self.below(2)],
            layers: (0..self.below(MAX_LAYERS + 1))
                .map(|_| LayerShape {
                    cell: [Cell::Lstm, Cell::Lean][self.below(2)],
                    hidden: self.number(16) as u16,
                    projection: self.optional_u16(),
                })
                .collect(),
            padding: &bytes[..self.below(20)],
            data: bytes.get(self.number(15)..).unwrap_or_default(),
        }
    }
}

#[test]
fn what_postcard_encodes_is_decoded() {
    let mut random = Random(Xoshiro128PlusPlus::seed_from_u64(1));
    let bytes: Vec<u8> = (0..times(1 << 15, 1 << 9))
        .map(|i| (i % 251) as u8)
        .collect();
    for _ in 0..times(500, 2) {
        let payload = random.payload(" aäß€𝄞z", &bytes);
        let mut file = postcard::to_stdvec(&payload).unwrap();
        assert_eq!(Payload::decode(&file), Ok((payload.clone(), &[][..])));
        file.extend([1, 2, 3]);
        assert_eq!(Payload::decode(&file), Ok((payload, &[1, 2, 3][..])));
    }
}

#[test]
fn what_is_cut_short_is_refused() {
    let mut random = Random(Xoshiro128PlusPlus::seed_from_u64(2));
    for _ in 0..times(50, 1) {
        let mut payload = random.payload(" aäß€𝄞z", &[0; 1 << 15]);
        payload.data = &[0; 7];
        let file = postcard::to_stdvec(&payload).unwrap();
        for length in 0..file.len() {
            assert_eq!(Payload::decode(&file[..length]), Err(Error::Payload));
        }
    }
}

/// Whatever is decoded is what `postcard` decodes, and has one encoding only.
#[test]
fn changed_bytes_mean_what_they_mean_to_postcard() {
    let mut random = Random(Xoshiro128PlusPlus::seed_from_u64(3));
    let (mut decoded, mut refused) = (0, 0);
    for _ in 0..times(5_000, 20) {
        let mut payload = random.payload(" aäß€𝄞z", &[0; 1 << 15]);
        payload.data = &[0; 300];
        let mut file = postcard::to_stdvec(&payload).unwrap();
        for _ in 0..1 + random.below(3) {
            let place = random.below(file.len() - 300);
            file[place] = [random.below(256), random.below(4), 0x80][random.below(3)] as u8;
        }
        match Payload::decode(&file) {
            Ok((found, rest)) => {
                decoded += 1;
                assert_eq!(postcard::take_from_bytes(&file), Ok((found.clone(), rest)));
                let mut again = postcard::to_stdvec(&found).unwrap();
                again.extend(rest);
                assert_eq!(again, file);
            }
            Err(error) => {
                refused += 1;
                assert_eq!(error, Error::Payload);
                // Only an integer that takes too many bytes is refused by this decoder alone.
                if let Ok((found, rest)) = postcard::take_from_bytes::<Payload<'_>>(&file) {
                    let again = postcard::to_stdvec(&found).unwrap();
                    assert!(again.len() + rest.len() < file.len());
                }
            }
        }
    }
    let most = times(1_000, 3);
    assert!(decoded > most && refused > most, "{decoded}, {refused}");
}
