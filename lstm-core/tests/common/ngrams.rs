//! Small random n-gram sections, and the look-ups in them said again with hash maps.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use lstm_core::export::ngram::{bucket, buckets, hash, place};
use lstm_core::export::{
    BackoffSection, EmbeddingsSection, List, Ngrams, Row, encode_weight, round_up,
};

use super::Random;

/// A perfect hash of some contexts.
pub struct Map {
    pub slots: usize,
    pub displacements: Vec<u16>,
    /// The contexts, tokens from the newest, in their slots.
    pub places: Vec<Option<Vec<u8>>>,
}

impl Map {
    /// `None` if the salt does not do.
    fn new(salt: u32, contexts: &BTreeSet<Vec<u8>>) -> Option<Self> {
        let slots = contexts.len() + contexts.len() / 50 + 1;
        let mut map = Map {
            slots,
            displacements: vec![0; buckets(slots)],
            places: vec![None; slots],
        };
        let mut groups = vec![Vec::new(); buckets(slots)];
        for context in contexts {
            let group = bucket(hash(salt, context), map.displacements.len());
            groups[group].push(context);
        }
        let mut order: Vec<_> = (0..groups.len()).collect();
        order.sort_by_key(|&group| std::cmp::Reverse(groups[group].len()));
        for group in order {
            let contexts = &groups[group];
            let spots = |displacement| {
                let spots = contexts.iter();
                spots
                    .map(|context| place(hash(salt, context), displacement, slots).0)
                    .collect::<Vec<_>>()
            };
            let is_free = |spots: &Vec<usize>| {
                let mut seen = BTreeSet::new();
                spots
                    .iter()
                    .all(|&spot| map.places[spot].is_none() && seen.insert(spot))
            };
            let displacement = (0..=u16::MAX).find(|&d| is_free(&spots(d)))?;
            map.displacements[group] = displacement;
            for (spot, context) in spots(displacement).into_iter().zip(contexts) {
                map.places[spot] = Some(context.to_vec());
            }
        }
        Some(map)
    }

    fn tag(&self, salt: u32, context: &[u8]) -> u32 {
        let x = hash(salt, context);
        let displacement = self.displacements[bucket(x, self.displacements.len())];
        place(x, displacement, self.slots).1
    }

    fn displacement_bytes(&self) -> Vec<u8> {
        halves(&self.displacements)
    }
}

fn maps(lengths: &[BTreeSet<Vec<u8>>]) -> (u32, Vec<Option<Map>>) {
    let of = |salt| {
        let maps = lengths.iter().map(|contexts| match contexts.is_empty() {
            true => Some(None),
            false => Map::new(salt, contexts).map(Some),
        });
        maps.collect::<Option<Vec<_>>>()
    };
    (1..)
        .find_map(|salt: u32| of(salt).map(|maps| (salt, maps)))
        .unwrap()
}

/// Up to so many contexts of a length that a short text has; few enough that others are met.
fn contexts(random: &mut Random, vocab: usize, length: usize, count: usize) -> BTreeSet<Vec<u8>> {
    let mut token = || random.below(vocab.min(4) as u32) as u8;
    (0..count)
        .map(|_| (0..length).map(|_| token()).collect())
        .collect()
}

fn halves(values: &[u16]) -> Vec<u8> {
    padded(values.iter().flat_map(|v| v.to_le_bytes()).collect())
}

fn padded(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.resize(round_up(bytes.len(), 4), 0);
    bytes
}

/// Bytes at an address that is a multiple of 4.
pub fn words(bytes: &[u8]) -> Vec<u32> {
    let words = bytes.as_chunks().0.iter();
    words.map(|&bytes| u32::from_ne_bytes(bytes)).collect()
}

/// N-gram embeddings, with their numbers in plain sight.
pub struct Vectors {
    pub salt: u32,
    pub shift: u8,
    pub width: usize,
    pub maps: Vec<Option<Map>>,
    /// For each length the vectors of the slots, then that of all others.
    pub vectors: Vec<Vec<Vec<i8>>>,
    data: Vec<u32>,
}

impl Vectors {
    /// With so many contexts of each length at most.
    pub fn random(vocab: usize, width: usize, counts: [usize; 3], seed: u64) -> Self {
        let mut random = Random::new(seed);
        let lengths: Vec<_> = counts
            .iter()
            .enumerate()
            .map(|(i, &count)| contexts(&mut random, vocab, i + 2, count))
            .collect();
        Self::of(width, &lengths, &mut random)
    }

    /// Of these contexts.
    pub fn of(width: usize, lengths: &[BTreeSet<Vec<u8>>], random: &mut Random) -> Self {
        let (salt, maps) = maps(lengths);
        let (mut vectors, mut data) = (Vec::new(), Vec::new());
        for map in &maps {
            let Some(map) = map else {
                vectors.push(Vec::new());
                continue;
            };
            let mut vector = || (0..width).map(|_| random.between(-8, 7) as i8).collect();
            let found: Vec<Vec<i8>> = (0..=map.slots).map(|_| vector()).collect();
            data.extend(map.displacement_bytes());
            let tag = |place: &Option<Vec<u8>>| {
                place
                    .as_ref()
                    .map_or(0, |context| map.tag(salt, context) as u16)
            };
            data.extend(halves(&map.places.iter().map(tag).collect::<Vec<_>>()));
            data.extend(found.iter().flat_map(|vector| nibbles(vector)));
            vectors.push(found);
        }
        Vectors {
            salt,
            shift: random.below(5) as u8,
            width,
            maps,
            vectors,
            data: words(&data),
        }
    }

    pub fn section(&self) -> EmbeddingsSection<'_> {
        EmbeddingsSection {
            salt: self.salt,
            shift: self.shift,
            slots: [0, 1, 2].map(|i| self.maps[i].as_ref().map_or(0, |map| map.slots as u16)),
            padding: &[],
            data: bytemuck::cast_slice(&self.data),
        }
    }

    /// As [`lstm_core::export::ngram::Embeddings::rows`].
    pub fn rows(&self, history: &[u8; 12]) -> [Option<usize>; 3] {
        [0, 1, 2].map(|i| {
            let map = self.maps[i].as_ref()?;
            let mut rows = HashMap::new();
            for (slot, place) in map.places.iter().enumerate() {
                let tag = place.as_ref().map_or(0, |c| map.tag(self.salt, c) as u16);
                rows.insert((slot, tag), slot);
            }
            let found = seek(self.salt, &map.displacements, map.slots, &history[..i + 2]);
            let row = rows.get(&(found.0, found.1 as u16)).copied();
            Some(row.unwrap_or(map.slots))
        })
    }

    /// As [`lstm_core::export::ngram::Embeddings::add`].
    pub fn add(&self, history: &[u8; 12], hidden: &[i64]) -> Vec<i64> {
        let rows = self.rows(history);
        let element = |(k, &h): (usize, &i64)| {
            let of = |i: usize| rows[i].map_or(0, |row| i64::from(self.vectors[i][row][k]));
            let sum = of(0) + of(1) + of(2);
            (h + sum * (1 << self.shift)).clamp(-127, 127)
        };
        hidden.iter().enumerate().map(element).collect()
    }
}

/// Eight numbers a word: the first four in the low halves of its bytes.
fn nibbles(vector: &[i8]) -> impl Iterator<Item = u8> {
    let stored = |k: usize| (vector.get(k).copied().unwrap_or(0) + 8) as u8;
    let words = 0..vector.len().div_ceil(8);
    words.flat_map(move |w| (0..4).map(move |i| stored(8 * w + i) | stored(8 * w + 4 + i) << 4))
}

/// The slot of a context, and the number whose low bits are its tag, in 64 bits.
fn seek(salt: u32, displacements: &[u16], slots: usize, context: &[u8]) -> (usize, u32) {
    let cut = |x: u64| x % (1 << 32);
    let reduce = |h: u64, n: usize| ((h >> 16) * n as u64 / 65_536) as usize;
    let mut x = u64::from(salt);
    for &token in context {
        x = cut(((cut(x * 32) + (x >> 27)) ^ u64::from(token)) * 0x9e37_79b9);
    }
    let d = displacements[reduce(x, displacements.len())];
    let y = cut((x ^ u64::from(d)) * 0x85eb_ca6b);
    let y = cut((y ^ y >> 15) * 0xc2b2_ae35);
    (reduce(y, slots), y as u32)
}

/// What a context costs.
#[derive(Clone)]
pub struct Costs {
    pub backoff: u8,
    pub symbols: Vec<(u8, u8)>,
}

/// A back-off table, with its numbers in plain sight.
pub struct Table {
    pub salt: u32,
    pub vocab: usize,
    pub dense: usize,
    pub coefficients: Vec<i16>,
    pub gate: Row,
    pub gate_weights: Vec<i8>,
    /// `[vocab^dense][vocab]`
    pub costs: Vec<u8>,
    pub maps: Vec<Option<Map>>,
    /// For each length what the contexts in the slots cost.
    pub rows: Vec<Vec<Option<Costs>>>,
    row_bytes: u32,
    data: Vec<u32>,
}

impl Table {
    /// With so many contexts of each length at most, for a dense layer over so many elements.
    pub fn random(vocab: usize, width: usize, dense: usize, counts: &[usize], seed: u64) -> Self {
        let mut random = Random::new(seed);
        let lengths: Vec<_> = counts
            .iter()
            .enumerate()
            .map(|(i, &count)| {
                let contexts = contexts(&mut random, vocab, dense + 1 + i, count).into_iter();
                let rows = contexts.map(|context| (context, row(&mut random, vocab)));
                rows.collect::<BTreeMap<_, _>>()
            })
            .collect();
        // Most are small, so that a text varies; some saturate.
        let costs = (0..vocab.pow(dense as u32 + 1)).map(|_| match random.below(8) {
            0 => random.below(256) as u8,
            _ => random.below(32) as u8,
        });
        let costs = costs.collect();
        Self::of(vocab, width, dense, &lengths, costs, &mut random)
    }

    /// Of these contexts, and the costs after `dense` tokens.
    pub fn of(
        vocab: usize,
        width: usize,
        dense: usize,
        lengths: &[BTreeMap<Vec<u8>, Costs>],
        costs: Vec<u8>,
        random: &mut Random,
    ) -> Self {
        let contexts = lengths.iter().map(|rows| rows.keys().cloned().collect());
        let (salt, maps) = maps(&contexts.collect::<Vec<_>>());
        let coefficients = (0..=lengths.len()).map(|_| random.between(-500, 2500) as i16);
        let coefficients: Vec<_> = coefficients.collect();
        let gate = Row {
            bias: random.between(-30_000, 30_000),
            weight_scale: random.between(1, 3) as u16,
            table_scale: 0,
        };
        let weights = (0..width).map(|_| random.between(-127, 127) as i8);
        let gate_weights: Vec<_> = weights.collect();
        let mut data = gate.to_bytes().to_vec();
        data.extend([0; 24]);
        for group in 0..round_up(width, 32) / 4 {
            for row in 0..4 {
                data.extend((4 * group..4 * group + 4).map(|k| {
                    let weight = gate_weights.get(k).copied().filter(|_| row == 0);
                    encode_weight(weight.unwrap_or(0), k)
                }));
            }
        }
        data.extend(padded(costs.clone()));
        let (mut rows, mut row_bytes) = (Vec::new(), Vec::new());
        for (map, counts) in maps.iter().zip(lengths) {
            let Some(map) = map else {
                rows.push(Vec::new());
                continue;
            };
            data.extend(map.displacement_bytes());
            let mut found = Vec::new();
            for place in &map.places {
                let row = place.as_ref().map(|context| counts[context].clone());
                let word = match (&row, place) {
                    (Some(row), Some(context)) => {
                        let offset = row_bytes.len() as u32;
                        row_bytes.extend(encode_row(row, vocab));
                        map.tag(salt, context) << 20 | offset
                    }
                    _ => 0xf_ffff,
                };
                data.extend(word.to_le_bytes());
                found.push(row);
            }
            rows.push(found);
        }
        let bytes = row_bytes.len() as u32;
        data.extend(padded(row_bytes));
        Table {
            salt,
            vocab,
            dense,
            coefficients,
            gate,
            gate_weights,
            costs,
            maps,
            rows,
            row_bytes: bytes,
            data: words(&data),
        }
    }

    pub fn section(&self) -> BackoffSection<'_> {
        let slots = self.maps.iter();
        let slots: Vec<_> = slots
            .map(|map| map.as_ref().map_or(0, |map| map.slots as u16))
            .collect();
        BackoffSection {
            salt: self.salt,
            dense: self.dense as u8,
            slots: List::new(&slots).unwrap(),
            coefficients: List::new(&self.coefficients).unwrap(),
            row_bytes: self.row_bytes,
            padding: &[],
            data: bytemuck::cast_slice(&self.data),
        }
    }

    /// As [`lstm_core::export::ngram::Backoff::costs`].
    pub fn costs(&self, history: &[u8; 12]) -> (usize, Vec<u8>) {
        let mut found = vec![None; self.vocab];
        let (mut longest, mut sum) = (0, 0u32);
        for i in (0..self.maps.len()).rev() {
            let Some(map) = &self.maps[i] else { continue };
            let mut rows = HashMap::new();
            for (slot, place) in map.places.iter().enumerate() {
                if let (Some(context), Some(row)) = (place, &self.rows[i][slot]) {
                    rows.insert((slot, map.tag(self.salt, context) & 0xfff), row);
                }
            }
            let context = &history[..self.dense + 1 + i];
            let (slot, y) = seek(self.salt, &map.displacements, map.slots, context);
            let Some(row) = rows.get(&(slot, y & 0xfff)) else {
                continue;
            };
            longest = longest.max(i + 1);
            for &(symbol, cost) in &row.symbols {
                let place = &mut found[usize::from(symbol)];
                *place = place.or(Some((sum + u32::from(cost)).min(255) as u8));
            }
            sum = (sum + u32::from(row.backoff)).min(255);
        }
        let line = match self.dense {
            0 => 0,
            1 => usize::from(history[0]),
            _ => usize::from(history[1]) * self.vocab + usize::from(history[0]),
        };
        let line = &self.costs[self.vocab * line..][..self.vocab];
        let all = found.iter().zip(line);
        let all = all
            .map(|(&found, &cost)| found.unwrap_or_else(|| (sum + u32::from(cost)).min(255) as u8));
        (longest, all.collect())
    }

    /// Takes the costs off the logits, Q12. `hidden` is the state that the dense layer reads.
    pub fn apply(&self, history: &[u8; 12], hidden: &[i64], logits: &mut [i64]) {
        let (longest, costs) = self.costs(history);
        let dot = self.gate_weights.iter().zip(hidden);
        let dot: i64 = dot.map(|(&w, h)| i64::from(w) * h).sum();
        let sum = i64::from(self.gate.bias) + i64::from(self.gate.weight_scale) * dot;
        let k = (i64::from(self.coefficients[longest]) + (sum >> 6)).clamp(-32_768, 32_767);
        let f = (k * 11_357) >> 12;
        for (logit, &cost) in logits.iter_mut().zip(&costs) {
            *logit -= (i64::from(cost) * f + 8) >> 4;
        }
    }
}

fn row(random: &mut Random, vocab: usize) -> Costs {
    let mut symbols: Vec<u8> = (0..vocab).map(|v| v as u8).collect();
    let entries = 1 + random.below(vocab as u32) as usize;
    for i in 0..entries {
        let other = i + random.below((vocab - i) as u32) as usize;
        symbols.swap(i, other);
    }
    symbols.truncate(entries);
    let symbols = symbols.into_iter();
    Costs {
        backoff: random.below(64) as u8,
        symbols: symbols.map(|s| (s, random.below(64) as u8)).collect(),
    }
}

fn encode_row(row: &Costs, vocab: usize) -> Vec<u8> {
    let width = (1..).find(|&bits| 1 << bits >= vocab).unwrap();
    let mut bits = Vec::new();
    let mut push = |value: u8, width: u32| bits.extend((0..width).map(|k| value >> k & 1));
    for &(symbol, cost) in &row.symbols {
        push(symbol, width);
        push(cost, 6);
    }
    let mut bytes = vec![(row.symbols.len() - 1) as u8, row.backoff];
    for byte in bits.chunks(8) {
        bytes.push(byte.iter().rev().fold(0, |byte, bit| 2 * byte + bit));
    }
    bytes
}

/// Both sections, or one of them.
pub fn ngrams<'a>(vectors: Option<&'a Vectors>, table: Option<&'a Table>) -> Ngrams<'a> {
    Ngrams {
        embeddings: vectors.map(Vectors::section),
        backoff: table.map(Table::section),
    }
}
