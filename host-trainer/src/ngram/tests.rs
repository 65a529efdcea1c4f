//! The tables against their definitions.

use super::backoff_table::{BackoffTable, Gate, data_bytes};
use super::discounts::Discounts;
use super::prune::{Context, PrunedTable, Pruning, Watch};
use super::{CrossFitted, EmbeddingMaps, Occurrences, PARTS, Settings, Size, Text, part_range};
use crate::files::error::Error;
use crate::kernels::pool::Pool;
use crate::kernels::random::Random;
use crate::text::corpus::Split;
use lstm_core::export::ngram::{Backoff, Embeddings, History};
use lstm_core::export::{HISTORY, Row, decode_weight};
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

/// As many tokens as the sonnets have: random words of one to seven letters, and blanks (0). A word comes the rarer,
/// the later it was made, as in a language (Zipf).
fn text() -> Vec<u8> {
    let mut random = Random::new(1);
    let mut word = || -> Vec<u8> {
        let letters = 1 + random.below(7);
        let letter = |_| 1 + random.below(26).min(random.below(26)) as u8;
        (0..letters).map(letter).collect()
    };
    let words: Vec<_> = (0..3000).map(|_| word()).collect();
    let mut tokens = Vec::new();
    while tokens.len() < 95_650 {
        let rank = (words.len() as f32).powf(random.uniform()) as usize;
        tokens.extend(&words[rank]);
        tokens.push(0);
    }
    tokens.truncate(95_650);
    tokens
}

fn history(tokens: &[u8], position: usize) -> History {
    std::array::from_fn(|age| position.checked_sub(age + 1).map_or(0, |at| tokens[at]))
}

fn prune(occurrences: &Occurrences, max_length: usize, threshold: f32) -> PrunedTable {
    let pruning = Pruning {
        max_length,
        threshold,
        discounts: Discounts::new(occurrences, max_length).unwrap(),
    };
    PrunedTable::new(occurrences, &pruning, &Watch::new("", 0, &|| false)).unwrap()
}

fn counted(tokens: &[u8], num_symbols: usize) -> Occurrences {
    Occurrences::new(num_symbols, &[Text { tokens, weight: 1 }]).unwrap()
}

/// The costs after a history, and the number of the longest context, by the definition of the look-up.
fn look_up(table: &PrunedTable, history: &History) -> (Vec<u8>, usize) {
    let (mut costs, mut longest, mut backoff) = (vec![None; table.num_symbols], 0, 0u8);
    for (i, contexts) in table.contexts.iter().enumerate().rev() {
        let tokens = |context: &Context| {
            context.tokens[..table.dense + 1 + i] == history[..table.dense + 1 + i]
        };
        let Some(context) = contexts.iter().find(|&context| tokens(context)) else {
            continue;
        };
        longest = longest.max(i + 1);
        for &(symbol, cost) in &context.entries {
            costs[usize::from(symbol)].get_or_insert(backoff.saturating_add(cost));
        }
        backoff = backoff.saturating_add(context.backoff);
    }
    let digits = history[..table.dense].iter().rev();
    let line = digits.fold(0, |line, &t| line * table.num_symbols + usize::from(t));
    let shortest = &table.costs[line * table.num_symbols..][..table.num_symbols];
    let costs = costs.iter().zip(shortest);
    let costs = costs.map(|(cost, &s)| cost.unwrap_or(backoff.saturating_add(s)));
    (costs.collect(), longest)
}

/// What was counted by the definition: all contexts of a length, oldest token first, and the probabilities after
/// them where they are kept.
fn by_definition(
    texts: &[Text<'_>],
    num_symbols: usize,
    max_length: usize,
    threshold: f64,
) -> Vec<BTreeMap<Vec<u8>, Vec<f64>>> {
    let mut kept: Vec<BTreeMap<Vec<u8>, Vec<f64>>> = Vec::new();
    for length in 0..=max_length {
        // How often each symbol was met, and the same by weight.
        let mut counts: HashMap<Vec<u8>, [Vec<f64>; 2]> = HashMap::new();
        for text in texts {
            for (at, &token) in text.tokens.iter().enumerate() {
                let mut context = history(text.tokens, at)[..length].to_vec();
                context.reverse();
                let none = || [vec![0.0; num_symbols], vec![0.0; num_symbols]];
                let [met, weighed] = counts.entry(context).or_insert_with(none);
                met[usize::from(token)] += 1.0;
                weighed[usize::from(token)] += f64::from(text.weight);
            }
        }
        let with_count = |n: i32| {
            let all = counts.values().flat_map(|[met, _]| met);
            all.filter(|&&x| x == f64::from(n)).count() as f64
        };
        let n: Vec<f64> = (1..=4).map(with_count).collect();
        let y = n[0] / (n[0] + 2.0 * n[1]);
        let off = |x: f64| match x as usize {
            0 => 0.0,
            x if n.contains(&0.0) => [0.75, 1.0, 1.25][x.min(3) - 1],
            x => {
                let r = x.min(3) as f64;
                let d = r - (r + 1.0) * y * n[r as usize] / n[r as usize - 1];
                d.clamp(0.1, r)
            }
        };
        let mut found = BTreeMap::new();
        for (context, [met, row]) in &counts {
            let shorter = (1..=length).find_map(|cut| kept[length - cut].get(&context[cut..]));
            let uniform = vec![1.0 / num_symbols as f64; num_symbols];
            let shorter = shorter.unwrap_or(&uniform);
            let total = row.iter().sum::<f64>();
            let taken = |v: usize| row[v] * off(met[v]) / met[v].max(1.0);
            let b = (0..num_symbols).map(taken).sum::<f64>() / total;
            let left = |v: usize| row[v] - taken(v);
            let p = |v: usize| left(v) / total + b * shorter[v];
            let p: Vec<f64> = (0..num_symbols).map(p).collect();
            let symbols = || (0..num_symbols).filter(|&v| row[v] > 0.0);
            let seen: f64 = symbols().map(|v| shorter[v]).sum();
            let gain = |v: usize| left(v) * (p[v] / shorter[v]).log2();
            let saved = symbols().map(gain).sum::<f64>() + total * b * b.log2() * (1.0 - seen);
            let entries = symbols().filter(|&v| left(v) > 0.0).count() as f64;
            let is_dense = length <= super::dense_length(num_symbols);
            let is_known = met.iter().sum::<f64>() >= 3.0 && total >= threshold;
            let pays = is_known && saved > threshold * entries;
            if is_dense || pays {
                found.insert(context.clone(), p);
            }
        }
        kept.push(found);
    }
    kept
}

#[test]
fn a_table_is_that_of_the_definition() {
    let text = &text()[..20_000];
    // Three alphabets, whose dense contexts have 2, 1 and 0 tokens.
    let spread = |factor: u8| text.iter().map(|t| t * factor).collect::<Vec<u8>>();
    for (tokens, num_symbols) in [(spread(1), 27), (spread(4), 120), (spread(9), 256)] {
        for (threshold, weight) in [(2.0, 1), (8.0, 1), (5.0, 3)] {
            let text = |tokens, weight| Text { tokens, weight };
            let texts = [text(&tokens[..14_000], 1), text(&tokens[14_000..], weight)];
            let table = prune(
                &Occurrences::new(num_symbols, &texts).unwrap(),
                5,
                threshold,
            );
            let expected = by_definition(&texts, num_symbols, 5, threshold.into());
            assert_eq!(table.dense, super::dense_length(num_symbols));
            assert_eq!(table.contexts.len(), 5 - table.dense);
            let near = |cost: u8, p: f64, most: f64| {
                assert!(
                    (f64::from(cost) - (-4.0 * p.log2()).min(most)).abs() < 0.51,
                    "{cost} {p}"
                );
            };
            for (i, contexts) in table.contexts.iter().enumerate() {
                let expected = &expected[table.dense + 1 + i];
                assert_eq!(contexts.len(), expected.len());
                for context in contexts {
                    let mut tokens = context.tokens[..table.dense + 1 + i].to_vec();
                    tokens.reverse();
                    for &(symbol, cost) in &context.entries {
                        near(cost, expected[&tokens][usize::from(symbol)], 63.0);
                    }
                }
            }
            for (context, p) in &expected[table.dense] {
                let digits = context.iter();
                let line = digits.fold(0, |line, &t| line * num_symbols + usize::from(t));
                let costs = &table.costs[line * num_symbols..][..num_symbols];
                costs
                    .iter()
                    .zip(p)
                    .for_each(|(&cost, &p)| near(cost, p, 255.0));
            }
        }
    }
}

#[test]
fn costs_are_those_of_probabilities() {
    let tokens = text();
    let table = prune(&counted(&tokens[..80_000], 27), 9, 2.0);
    for at in (80_000..tokens.len()).step_by(37) {
        let (costs, _) = look_up(&table, &history(&tokens, at));
        let sum: f64 = costs
            .iter()
            .map(|&cost| (-f64::from(cost) / 4.0).exp2())
            .sum();
        assert!((0.85..1.15).contains(&sum), "{sum}");
    }
}

#[test]
fn the_device_finds_what_was_counted() {
    let tokens = text();
    for (num_symbols, factor) in [(27, 1), (53, 2), (256, 9)] {
        let tokens: Vec<u8> = tokens.iter().map(|t| t * factor).collect();
        let pruned = prune(&counted(&tokens[..80_000], num_symbols), 7, 3.0);
        let table = BackoffTable::new(&pruned).unwrap();
        assert_eq!(Some(table.data_bytes(48)), data_bytes(&pruned, 48));
        let reader = table.reader().unwrap();
        let mut costs = vec![0; num_symbols];
        let mut false_hits = 0;
        let places = (0..tokens.len()).step_by(101);
        let count = places.clone().count();
        for at in places {
            let history = history(&tokens, at);
            let found = reader.costs(&history, &mut costs);
            // A tag of 12 bits takes a context for another once in 4,096 times.
            false_hits += usize::from((costs.clone(), found) != look_up(&pruned, &history));
        }
        assert!(false_hits * 100 < count, "{false_hits} of {count}");
        // What is in the table is always found.
        for (i, contexts) in pruned.contexts.iter().enumerate().rev() {
            for context in contexts.iter().step_by(29) {
                let mut tokens = [0; HISTORY];
                let length = pruned.dense + 1 + i;
                tokens[..length].copy_from_slice(&context.tokens[..length]);
                assert!(reader.costs(&tokens, &mut costs) > i);
            }
        }
    }
}

#[test]
fn a_gate_stands_before_the_table() {
    let tokens = &text()[..30_000];
    let pruned = prune(&counted(tokens, 27), 6, 3.0);
    let table = BackoffTable::new(&pruned).unwrap();
    let gate = Gate {
        coefficients: (0..table.coefficients()).map(|i| 100 * i as i16).collect(),
        row: Row {
            bias: -77,
            weight_scale: 5,
            table_scale: 0,
        },
        weights: (-8..8).collect(),
    };
    let data = table.data(&gate);
    assert_eq!(4 * data.len(), table.data_bytes(16));
    let bytes: &[u8] = bytemuck::cast_slice(&data);
    assert_eq!(Row::from_bytes(bytes.first_chunk().unwrap()), gate.row);
    for column in 0..16 {
        let byte = |row: usize| bytes[32 + column / 4 * 16 + 4 * row + column % 4];
        assert_eq!(decode_weight(byte(0), column), gate.weights[column]);
        assert_eq!(decode_weight(byte(3), column), 0);
    }
    let section = table.section(&gate.coefficients, bytes);
    let (with, without) = (
        Backoff::new(27, 16, &section).unwrap(),
        table.reader().unwrap(),
    );
    let (mut a, mut b) = ([0; 27], [0; 27]);
    for at in (0..tokens.len()).step_by(53) {
        let history = history(tokens, at);
        assert_eq!(
            with.costs(&history, &mut a),
            without.costs(&history, &mut b)
        );
        assert_eq!(a, b);
    }
}

#[test]
fn a_weight_of_all_texts_says_nothing() {
    let tokens = text();
    let weighed = |weight| {
        let text = Text {
            tokens: &tokens,
            weight,
        };
        Occurrences::new(27, &[text]).unwrap()
    };
    // Powers of two, so that no sum is rounded otherwise.
    let once = prune(&weighed(1), 7, 2.0);
    assert!(once == prune(&weighed(4), 7, 8.0));
    assert!(once != prune(&weighed(4), 7, 2.0));
}

fn build(size: Size, is_stopped: &(dyn Fn() -> bool + Sync)) -> Result<CrossFitted, Error> {
    let tokens = text();
    let texts = [(0..50_000, 1), (50_000..86_085, 2)];
    let texts = texts.map(|(range, weight)| Text {
        tokens: &tokens[range],
        weight,
    });
    let settings = Settings {
        max_length: 9,
        size,
    };
    CrossFitted::build(27, &texts, settings, is_stopped)
}

#[test]
fn threads_change_no_bit() {
    let size = Size::Bytes {
        most: 40_000,
        columns: 32,
    };
    let with = |threads| {
        Pool::new(threads)
            .unwrap()
            .run(|| build(size, &|| false).unwrap())
    };
    assert!(with(1) == with(3));
}

#[test]
fn a_table_fits_its_bytes_and_uses_them() {
    let sized = |most| build(Size::Bytes { most, columns: 32 }, &|| false);
    let mut before = f32::INFINITY;
    for most in [25_000, 30_000, 40_000, 60_000] {
        let tables = sized(most).unwrap();
        let found = tables.whole().data_bytes(32);
        assert!(found <= most && found > most - most / 20, "{found} {most}");
        assert!(tables.threshold() < before);
        before = tables.threshold();
    }
    let error = sized(1000).unwrap_err().to_string();
    assert!(error.starts_with("found 1000 bytes for a back-off table, expected at least 19"));
    let least = crate::ngram::least_bytes(27, 32);
    assert!(sized(least).unwrap().whole().data_bytes(32) == least && sized(least - 1).is_err());
}

#[test]
fn counting_stops_when_it_is_to() {
    let asked = AtomicUsize::new(0);
    let stop_soon = || asked.fetch_add(1, Ordering::Relaxed) > 900;
    let stopped = build(Size::Threshold(4.0), &stop_soon);
    assert!(matches!(stopped, Err(Error::Interrupted(_))));
    let text = [0; 100];
    let pruning = Pruning {
        max_length: 13,
        threshold: 1.0,
        discounts: Discounts::new(&counted(&text, 27), 13).unwrap(),
    };
    let watch = Watch::new("", 0, &|| false);
    let error = PrunedTable::new(&counted(&text, 27), &pruning, &watch).unwrap_err();
    let expected = "found contexts of 13 characters for a back-off table, expected 2 to 12";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn a_part_is_new_to_its_table() {
    let mut tokens = text();
    let saying: Vec<u8> = (0..60).map(|i| i * 7 % 26 + 1).collect();
    let part = 3;
    let range = part_range(tokens.len(), part);
    let place = range.start + 100..range.start + 100 + 20 * saying.len();
    let many = saying.iter().cycle();
    tokens[place.clone()]
        .iter_mut()
        .zip(many)
        .for_each(|(t, &s)| *t = s);
    let text = Text {
        tokens: &tokens,
        weight: 1,
    };
    let settings = Settings {
        max_length: 6,
        size: Size::Threshold(2.0),
    };
    let tables = CrossFitted::build(27, &[text], settings, &|| false).unwrap();
    let reader = tables.reader().unwrap();
    let mut costs = [0; 27];
    let (mut own, mut whole) = (0, 0);
    for at in place.clone() {
        let (history, token) = (history(&tokens, at), usize::from(tokens[at]));
        reader.costs(0, at, &history, &mut costs);
        own += u32::from(costs[token]);
        reader.unseen(&history, &mut costs);
        whole += u32::from(costs[token]);
    }
    let characters = place.len() as u32;
    // In quarter bits: seen twenty times and never.
    assert!(whole < 4 * characters, "{whole}");
    assert!(own > 16 * characters, "{own}");
}

#[test]
fn tables_and_maps_are_read_back() {
    let tables = build(Size::Threshold(6.0), &|| false).unwrap();
    let tensors: HashMap<String, Vec<u8>> = tables.to_tensors().into_iter().collect();
    assert_eq!(tensors.len(), PARTS + 2);
    let read = |symbols| CrossFitted::from_tensors(symbols, |name| Ok(tensors[name].clone()));
    assert!(read(27).unwrap() == tables);
    let error = read(26).unwrap_err().to_string();
    assert_eq!(
        error,
        "tensor ngram.backoff is a back-off table of 27 symbols, expected 26"
    );
    let maps = EmbeddingMaps::new(&counted(&text(), 27), [300, 0, 900]).unwrap();
    let bytes = maps.to_bytes();
    assert_eq!(EmbeddingMaps::from_bytes("maps", &bytes).unwrap(), maps);
    for damaged in [&bytes[1..], &bytes[..bytes.len() - 1]] {
        let error = EmbeddingMaps::from_bytes("maps", damaged).unwrap_err();
        assert!(error.to_string().starts_with("tensor maps: "), "{error}");
    }
}

#[test]
fn the_most_frequent_contexts_have_rows_of_their_own() {
    let tokens = text();
    let most = [200, 500, 1000];
    let maps = EmbeddingMaps::new(&counted(&tokens, 27), most).unwrap();
    let reader = maps.reader().unwrap();
    let mut counts: [HashMap<&[u8], usize>; 3] = Default::default();
    for at in 0..tokens.len() {
        for (i, counts) in counts.iter_mut().enumerate() {
            if let Some(start) = at.checked_sub(i + 2) {
                *counts.entry(&tokens[start..at]).or_default() += 1;
            }
        }
    }
    for (i, counts) in counts.iter().enumerate() {
        let others = maps.rows()[i] - 1;
        let row = |context: &[u8]| {
            let mut tokens = [0; HISTORY];
            tokens
                .iter_mut()
                .zip(context.iter().rev())
                .for_each(|(to, &from)| *to = from);
            reader.rows(&tokens)[i].unwrap()
        };
        let mut sorted: Vec<usize> = counts.values().copied().collect();
        sorted.sort_unstable_by_key(|&count| std::cmp::Reverse(count));
        let last = sorted[most[i] - 1];
        let mut is_used = vec![false; others];
        let mut false_hits = 0;
        for (&context, &count) in counts {
            let row = row(context);
            assert!(count <= last || row != others, "{context:?}");
            // A tag of 16 bits takes a context for another once in 65,536 times.
            false_hits += usize::from(count < last && row != others);
            if count > last {
                assert!(!std::mem::replace(&mut is_used[row], true));
            }
        }
        assert!(false_hits * 1000 < counts.len(), "{false_hits}");
    }
    let none = EmbeddingMaps::new(&counted(&tokens, 27), [0, 9, 0]).unwrap();
    assert_eq!(none.rows(), [0, 11, 0]);
    assert_eq!(none.reader().unwrap().rows(&[0; HISTORY])[0], None);
}

#[test]
fn vectors_are_added_as_they_were_packed() {
    let tokens = text();
    let maps = EmbeddingMaps::new(&counted(&tokens, 27), [200, 0, 300]).unwrap();
    let mut random = Random::new(3);
    for (width, shift) in [(5, 0), (8, 2), (19, 4)] {
        let mut number = |_| random.below(16) as i8 - 8;
        let vectors = maps
            .rows()
            .map(|rows| (0..rows * width).map(&mut number).collect::<Vec<i8>>());
        let packed = maps.pack(vectors.each_ref().map(|v| &v[..]), shift, width);
        let section = packed.section();
        let device = Embeddings::new(width, &section).unwrap();
        for at in (0..tokens.len()).step_by(501) {
            let history = history(&tokens, at);
            let rows = device.rows(&history);
            assert_eq!(rows, maps.reader().unwrap().rows(&history));
            let mut hidden = vec![3i8; width];
            device.add(&history, &mut hidden);
            for (k, &h) in hidden.iter().enumerate() {
                let vectors = vectors.iter().zip(rows);
                let number = |(v, row): (&Vec<i8>, Option<usize>)| {
                    row.map(|row| i32::from(v[row * width + k]) << shift)
                };
                let sum: i32 = vectors.filter_map(number).sum();
                assert_eq!(i32::from(h), (3 + sum).clamp(-127, 127));
            }
        }
    }
}

/// Mean of what a text costs, in bits a character, where the costs of all tokens are made those of probabilities.
fn bits(tokens: &[u8], part: Range<usize>, costs: impl Fn(usize, &History, &mut [u8])) -> f64 {
    let mut room = [0; 27];
    let cost = |at: usize| {
        costs(at, &history(tokens, at), &mut room);
        let bits = |cost: u8| f64::from(cost) / 4.0;
        let sum: f64 = room.iter().map(|&cost| (-bits(cost)).exp2()).sum();
        bits(room[usize::from(tokens[at])]) + sum.log2()
    };
    let characters = part.len() as f64;
    part.map(cost).sum::<f64>() / characters
}

/// What cross-fitting is for: in training costs are about as good as on a text that is new, where those of a table of
/// the same text are far too good.
#[test]
fn costs_in_training_are_those_of_a_new_text() {
    let tokens = text();
    let train = Split::Train.range(tokens.len());
    let text = Text {
        tokens: &tokens[train.clone()],
        weight: 1,
    };
    let settings = Settings {
        max_length: 9,
        size: Size::Threshold(2.0),
    };
    let tables = CrossFitted::build(27, &[text], settings, &|| false).unwrap();
    let reader = tables.reader().unwrap();
    let held_out = train.end..tokens.len();
    let new = bits(&tokens, held_out, |_, history, costs| {
        reader.unseen(history, costs);
    });
    let fitted = bits(text.tokens, train.clone(), |at, history, costs| {
        reader.costs(0, at, history, costs);
    });
    let naive = bits(text.tokens, train, |_, history, costs| {
        reader.unseen(history, costs);
    });
    assert!((fitted - new).abs() < 0.05, "{fitted} {new}");
    assert!(naive < new - 0.2, "{naive} {new}");
}
