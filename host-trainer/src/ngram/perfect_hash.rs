//! Perfect hashing by displacement: CHD (Belazzougui, Botelho and Dietzfelbinger 2009), without its compression.
//!
//! A context's hash chooses its bucket, of some four contexts. A bucket's displacement is the smallest number
//! that sends its contexts to slots of their own, by the device's own
//! [`place`](lstm_core::export::ngram::place). Full buckets choose first, while most slots are free.

use crate::files::error::{Error, Result};
use lstm_core::export::ngram::{bucket, buckets, place};
use std::cmp::Reverse;

/// The most slots of a map.
const MOST_SLOTS: usize = u16::MAX as usize;

/// The slots of a map of so many contexts: a fiftieth more, for the last ones must find one; none for no
/// contexts. `None` if they are more than a map can have.
pub(crate) fn slots_for(contexts: usize) -> Option<usize> {
    let slots = match contexts {
        0 => 0,
        _ => contexts + contexts / 50 + 1,
    };
    (slots <= MOST_SLOTS).then_some(slots)
}

/// A map in which every context has a slot of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PerfectHash {
    pub(crate) slots: usize,
    /// By bucket.
    pub(crate) displacements: Vec<u16>,
    /// Of each context its slot, and the number whose low bits are its tag.
    pub(crate) places: Vec<(usize, u32)>,
}

impl PerfectHash {
    /// Of contexts with these hashes in so many slots. `None` if two are the same, or a bucket finds no
    /// displacement: another salt helps.
    fn new(hashes: &[u32], slots: usize) -> Option<Self> {
        let count = buckets(slots);
        let mut members = vec![Vec::new(); count];
        for (context, &x) in hashes.iter().enumerate() {
            members[bucket(x, count)].push(context);
        }
        let mut order: Vec<usize> = (0..count).collect();
        // A stable sort: of two as full, the first.
        order.sort_by_key(|&bucket| Reverse(members[bucket].len()));
        let mut map = Self {
            slots,
            displacements: vec![0; count],
            places: vec![(0, 0); hashes.len()],
        };
        let mut is_taken = vec![false; slots];
        for bucket in order {
            let members = &members[bucket];
            map.displacements[bucket] = (0..=u16::MAX).find(|&displacement| {
                let free = members.iter().take_while(|&&context| {
                    let found = place(hashes[context], displacement, slots);
                    map.places[context] = found;
                    !std::mem::replace(&mut is_taken[found.0], true)
                });
                let free = free.count();
                let fits = free == members.len();
                if !fits {
                    for &context in &members[..free] {
                        is_taken[map.places[context].0] = false;
                    }
                }
                fits
            })?;
        }
        Some(map)
    }
}

/// A map of each length of context and the salt that they have in common: the first one that does. `hashes` gives
/// the hashes of a length's contexts under a salt.
///
/// # Errors
/// A length has more contexts than a map can hold, or one context twice.
pub(crate) fn perfect_hashes(
    contexts: &[usize],
    hashes: impl Fn(usize, u32) -> Vec<u32>,
) -> Result<(u32, Vec<PerfectHash>)> {
    /// Salts that are tried. More than a few are needed only where there are so many contexts that two are likely to
    /// have the same hash.
    const SALTS: u32 = 10_000;
    let mut slots = Vec::new();
    for &count in contexts {
        slots.push(slots_for(count).ok_or_else(|| {
            Error::bad_input(format!(
                "found {count} contexts of one length, expected at most {}",
                (0..=MOST_SLOTS)
                    .rev()
                    .find(|&n| slots_for(n).is_some())
                    .unwrap_or(0)
            ))
        })?);
    }
    for salt in 1..=SALTS {
        let by_length: Vec<Vec<u32>> = (0..contexts.len()).map(|i| hashes(i, salt)).collect();
        // This is seen soon, and is the common cause.
        if by_length.iter().any(|hashes| has_repetition(hashes)) {
            continue;
        }
        let maps = by_length.iter().zip(&slots);
        let maps: Option<_> = maps
            .map(|(hashes, &slots)| PerfectHash::new(hashes, slots))
            .collect();
        if let Some(maps) = maps {
            return Ok((salt, maps));
        }
    }
    Err(Error::failed(format!(
        "found no perfect hash of {contexts:?} contexts with any of {SALTS} salts"
    )))
}

fn has_repetition(hashes: &[u32]) -> bool {
    let mut sorted = hashes.to_vec();
    sorted.sort_unstable();
    !sorted.is_sorted_by(|a, b| a < b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use lstm_core::export::ngram::hash;

    fn tokens(context: usize) -> [u8; 3] {
        [context % 40, context / 40 % 40, context / 1600].map(|x| x as u8)
    }

    #[test]
    fn every_context_has_a_slot_of_its_own() {
        for count in [0, 1, 2, 3, 4, 5, 50, 1000, 60_000] {
            let hashes = |_, salt| (0..count).map(|i| hash(salt, &tokens(i))).collect();
            let (salt, maps) = perfect_hashes(&[count], hashes).unwrap();
            let map = &maps[0];
            assert_eq!(map.slots, slots_for(count).unwrap());
            let mut found = vec![false; map.slots];
            for (context, &expected) in map.places.iter().enumerate() {
                let x = hash(salt, &tokens(context));
                let displacement = map.displacements[bucket(x, map.displacements.len())];
                let (slot, y) = place(x, displacement, map.slots);
                assert_eq!((slot, y), expected);
                assert!(!std::mem::replace(&mut found[slot], true));
            }
        }
    }

    #[test]
    fn a_repetition_is_no_map() {
        assert_eq!(PerfectHash::new(&[7, 7], 3), None);
        let error = perfect_hashes(&[2], |_, _| vec![7, 7]).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("no perfect hash of [2] contexts")
        );
        let error = perfect_hashes(&[65_535], |_, _| Vec::new()).unwrap_err();
        assert!(
            error.to_string().ends_with("expected at most 64249"),
            "{error}"
        );
    }
}
