//! The input is a pair of n-gram sections and a text: the look-ups give what hash maps of the same
//! contexts give.

use crate::is_planted;
use arbitrary::{Result, Unstructured};
use lstm_core::export::ngram::{Backoff, Embeddings, History, bucket, buckets, hash, place};
use lstm_core::export::{
    BackoffSection, COLUMN_ALIGN, EmbeddingsSection, HISTORY, List, MAX_DENSE, MAX_SHIFT, Ngrams,
    encode_weight, round_up,
};
use std::collections::HashMap;

/// The most slots of a length.
const MAX_SLOTS: u16 = 9;
const EMPTY: u32 = 0xf_ffff;

pub(crate) fn run(data: &[u8]) {
    let _: Result<()> = compare(&mut Unstructured::new(data));
}

fn compare(input: &mut Unstructured<'_>) -> Result<()> {
    let vocab = *input.choose(&[1, 2, 3, 5, 16, 17])?;
    let width = input.int_in_range(1..=20)?;
    let mut history = [0; HISTORY];
    for token in &mut history {
        *token = input.int_in_range(0..=vocab - 1)? as u8;
    }
    let sections = Sections::of(input, vocab, width, width, &history)?;
    let ngrams = sections.ngrams();
    let (vectors, table) = (&sections.vectors, &sections.table);
    let embeddings = ngrams.embeddings.expect("both sections");
    let embeddings = Embeddings::new(width, &embeddings).expect("a sound section");
    let columns = round_up(width, COLUMN_ALIGN);
    let backoff = Backoff::new(vocab, columns, &ngrams.backoff.expect("both sections"));
    let backoff = backoff.expect("a sound section");
    for _ in 0..3 {
        let rows = embeddings.rows(&history);
        assert_eq!(rows, vectors.rows(&history));
        let start: Vec<i8> = (0..width)
            .map(|_| input.int_in_range(-127..=127))
            .collect::<Result<_>>()?;
        let mut hidden = start.clone();
        embeddings.add(&history, &mut hidden);
        assert_eq!(hidden, vectors.add(rows, &start));
        let mut costs = vec![0; vocab];
        let longest = backoff.costs(&history, &mut costs);
        assert_eq!((longest, costs), table.costs(&history));
        history.rotate_right(1);
        history[0] = input.int_in_range(0..=vocab - 1)? as u8;
    }
    Ok(())
}

/// Two sections that are sound.
pub(crate) struct Sections {
    vectors: Vectors,
    table: Table,
}

impl Sections {
    /// Sections in which some of the contexts of these last tokens are found.
    pub(crate) fn of(
        input: &mut Unstructured<'_>,
        vocab: usize,
        first: usize,
        last: usize,
        history: &History,
    ) -> Result<Self> {
        Ok(Sections {
            vectors: Vectors::of(input, first, history)?,
            table: Table::of(input, vocab, last, history)?,
        })
    }

    pub(crate) fn ngrams(&self) -> Ngrams<'_> {
        let slots = |maps: &[Map]| -> Vec<u16> { maps.iter().map(|map| map.slots).collect() };
        let Sections { vectors, table } = self;
        let lengths = slots(&vectors.maps);
        Ngrams {
            embeddings: Some(EmbeddingsSection {
                salt: vectors.salt,
                shift: vectors.shift,
                slots: [lengths[0], lengths[1], lengths[2]],
                padding: &[],
                data: bytemuck::cast_slice(&vectors.data),
            }),
            backoff: Some(BackoffSection {
                salt: table.salt,
                dense: table.dense as u8,
                slots: List::new(&slots(&table.maps)).expect("at most ten"),
                coefficients: List::new(&table.coefficients).expect("at most eleven"),
                row_bytes: table.row_bytes,
                padding: &[],
                data: bytemuck::cast_slice(&table.data),
            }),
        }
    }
}

/// The map of a length, which may have no slots.
struct Map {
    length: usize,
    slots: u16,
    displacements: Vec<u16>,
    /// The lowest bits of a tag that count.
    tag_bits: u32,
    /// What the slots and their tags stand for.
    found: HashMap<(usize, u32), usize>,
}

impl Map {
    fn of(input: &mut Unstructured<'_>, length: usize, tag_bits: u32) -> Result<Self> {
        let slots = input.int_in_range(0..=MAX_SLOTS)?;
        let displacements = match slots {
            0 => Vec::new(),
            _ => (0..buckets(slots.into()))
                .map(|_| input.arbitrary())
                .collect::<Result<_>>()?,
        };
        Ok(Map {
            length,
            slots,
            displacements,
            tag_bits,
            found: HashMap::new(),
        })
    }

    /// The slot of the last tokens, and their tag.
    fn seek(&self, salt: u32, history: &History) -> (usize, u32) {
        let x = hash(salt, &history[..self.length]);
        let displacement = self.displacements[bucket(x, self.displacements.len())];
        let (slot, y) = place(x, displacement, self.slots.into());
        (slot, y & ((1 << self.tag_bits) - 1))
    }

    fn displacement_words(&self) -> Vec<u32> {
        halves(&self.displacements)
    }
}

struct Vectors {
    salt: u32,
    shift: u8,
    maps: Vec<Map>,
    /// For each length the rows.
    rows: Vec<Vec<Vec<i8>>>,
    data: Vec<u32>,
}

impl Vectors {
    fn of(input: &mut Unstructured<'_>, width: usize, history: &History) -> Result<Self> {
        let salt = input.arbitrary()?;
        let shift = input.int_in_range(0..=MAX_SHIFT)?;
        let (mut maps, mut rows, mut data) = (Vec::new(), Vec::new(), Vec::new());
        for length in 2..=4 {
            let mut map = Map::of(input, length, 16)?;
            if map.slots == 0 {
                maps.push(map);
                rows.push(Vec::new());
                continue;
            }
            let mut tags = vec![0; map.slots.into()];
            if input.arbitrary()? {
                let (slot, tag) = map.seek(salt, history);
                tags[slot] = tag as u16;
            }
            for (slot, &tag) in tags.iter().enumerate() {
                map.found.insert((slot, tag.into()), slot);
            }
            let mut vector =
                |_| -> Result<Vec<i8>> { (0..width).map(|_| input.int_in_range(-8..=7)).collect() };
            let vectors = (0..=map.slots)
                .map(&mut vector)
                .collect::<Result<Vec<_>>>()?;
            data.extend(map.displacement_words());
            data.extend(halves(&tags));
            for vector in &vectors {
                let stored = |k: usize| (vector.get(k).copied().unwrap_or(0) + 8) as u8;
                for w in 0..width.div_ceil(8) {
                    let byte = |i: usize| stored(8 * w + i) | stored(8 * w + 4 + i) << 4;
                    data.push(u32::from_ne_bytes([0, 1, 2, 3].map(byte)));
                }
            }
            maps.push(map);
            rows.push(vectors);
        }
        Ok(Vectors {
            salt,
            shift,
            maps,
            rows,
            data,
        })
    }

    fn rows(&self, history: &History) -> [Option<usize>; 3] {
        [0, 1, 2].map(|i| {
            let map = &self.maps[i];
            (map.slots > 0).then(|| {
                let found = map.found.get(&map.seek(self.salt, history));
                found.copied().unwrap_or(map.slots.into())
            })
        })
    }

    fn add(&self, rows: [Option<usize>; 3], hidden: &[i8]) -> Vec<i8> {
        let element = |(k, &h): (usize, &i8)| {
            let of = |i: usize| rows[i].map_or(0, |row| i32::from(self.rows[i][row][k]));
            let sum = (of(0) + of(1) + of(2)) << self.shift;
            (i32::from(h) + sum).clamp(-127, 127) as i8
        };
        hidden.iter().enumerate().map(element).collect()
    }
}

/// What a context costs.
struct Costs {
    backoff: u8,
    symbols: Vec<(usize, u8)>,
}

struct Table {
    salt: u32,
    vocab: usize,
    dense: usize,
    coefficients: Vec<i16>,
    /// `[vocab^dense][vocab]`
    costs: Vec<u8>,
    maps: Vec<Map>,
    rows: Vec<Costs>,
    row_bytes: u32,
    data: Vec<u32>,
}

impl Table {
    fn of(
        input: &mut Unstructured<'_>,
        vocab: usize,
        width: usize,
        history: &History,
    ) -> Result<Self> {
        let salt = input.arbitrary()?;
        let most = if vocab > 20 { 1 } else { MAX_DENSE };
        let dense = usize::from(input.int_in_range(0..=most)?);
        let lengths = input.int_in_range(0..=5)?;
        let coefficients = (0..=lengths).map(|_| input.arbitrary());
        let coefficients = coefficients.collect::<Result<_>>()?;
        // The gate: a small row, and weights of any bytes.
        let mut bytes = vec![0; 32];
        bytes[0] = input.arbitrary()?;
        bytes[4] = input.arbitrary()?;
        for group in 0..round_up(width, COLUMN_ALIGN) / 4 {
            for row in 0..4 {
                for k in 4 * group..4 * group + 4 {
                    let is_used = row == 0 && k < width;
                    let weight = if is_used { input.arbitrary()? } else { 0 };
                    bytes.push(encode_weight(weight, k));
                }
            }
        }
        let start: u8 = input.arbitrary()?;
        let costs = (0..vocab.pow(dense as u32 + 1)).map(|i| (i as u8).wrapping_mul(37) ^ start);
        let costs: Vec<u8> = costs.collect();
        bytes.extend(&costs);
        let mut data = words(bytes);
        let (mut maps, mut rows, mut row_bytes) = (Vec::new(), Vec::new(), Vec::new());
        for length in dense + 1..=dense + lengths {
            let mut map = Map::of(input, length, 12)?;
            let mut slots = vec![EMPTY; map.slots.into()];
            if map.slots > 0 && input.ratio(3, 4)? {
                let (slot, tag) = map.seek(salt, history);
                let row = row(input, vocab)?;
                slots[slot] = tag << 20 | row_bytes.len() as u32;
                row_bytes.extend(encode(&row, vocab));
                map.found.insert((slot, tag), rows.len());
                rows.push(row);
            }
            data.extend(map.displacement_words());
            data.extend(slots.into_iter().map(u32::to_le));
            maps.push(map);
        }
        let length = row_bytes.len() as u32;
        data.extend(words(row_bytes));
        Ok(Table {
            salt,
            vocab,
            dense,
            coefficients,
            costs,
            maps,
            rows,
            row_bytes: length,
            data,
        })
    }

    fn costs(&self, history: &History) -> (usize, Vec<u8>) {
        let mut found = vec![None; self.vocab];
        let (mut longest, mut sum) = (0, 0);
        for (i, map) in self.maps.iter().enumerate().rev() {
            if map.slots == 0 {
                continue;
            }
            let Some(&row) = map.found.get(&map.seek(self.salt, history)) else {
                continue;
            };
            let row = &self.rows[row];
            longest = longest.max(i + 1);
            for &(symbol, cost) in &row.symbols {
                let place: &mut Option<u32> = &mut found[symbol];
                *place = place.or(Some((sum + u32::from(cost)).min(255)));
            }
            // A back-off is not added.
            if !is_planted() {
                sum = (sum + u32::from(row.backoff)).min(255);
            }
        }
        let tokens = history[..self.dense].iter().rev();
        let line = tokens.fold(0, |line, &token| line * self.vocab + usize::from(token));
        let line = &self.costs[line * self.vocab..][..self.vocab];
        let costs = found.iter().zip(line).map(|(found, &cost)| {
            let cost = found.unwrap_or((sum + u32::from(cost)).min(255));
            cost as u8
        });
        (longest, costs.collect())
    }
}

fn row(input: &mut Unstructured<'_>, vocab: usize) -> Result<Costs> {
    let entries = input.int_in_range(1..=vocab)?;
    let first = input.int_in_range(0..=vocab - 1)?;
    let symbols = (0..entries).map(|i| Ok(((first + i) % vocab, input.int_in_range(0..=63)?)));
    Ok(Costs {
        symbols: symbols.collect::<Result<_>>()?,
        backoff: input.int_in_range(0..=63)?,
    })
}

fn encode(row: &Costs, vocab: usize) -> Vec<u8> {
    let width = (1..).find(|&bits| 1 << bits >= vocab).unwrap_or(1);
    let mut bits = Vec::new();
    for &(symbol, cost) in &row.symbols {
        bits.extend((0..width).map(|k| (symbol >> k & 1) as u8));
        bits.extend((0..6).map(|k| cost >> k & 1));
    }
    let mut bytes = vec![(row.symbols.len() - 1) as u8, row.backoff];
    for byte in bits.chunks(8) {
        bytes.push(byte.iter().rev().fold(0, |byte, bit| 2 * byte + bit));
    }
    bytes
}

fn halves(values: &[u16]) -> Vec<u32> {
    words(
        values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect(),
    )
}

fn words(mut bytes: Vec<u8>) -> Vec<u32> {
    bytes.resize(round_up(bytes.len(), 4), 0);
    let words = bytes.as_chunks().0.iter();
    words.map(|&bytes| u32::from_ne_bytes(bytes)).collect()
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let bytes = |seed: u32| (0..400u32).map(move |i| (i * i * 11 + seed * 53 * (i + 3)) as u8);
    (0..24).map(|seed| bytes(seed).collect()).collect()
}
