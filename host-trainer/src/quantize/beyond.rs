//! How much of a network goes beyond the device's integers, and beyond the tables of its activations; see docs/NUMBERS.md.

use crate::files::stdout::grouped;
use crate::quantize::fixed_point::INT8_LARGEST;
use serde::Serialize;
use std::fmt;

/// What the device does with a number beyond its range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// A state stops there, and so does what follows from it.
    State,
    /// A sum stops there.
    Sum,
    /// The table of an activation ends there, nearly flat.
    Table,
    /// A value that is read stops there: the exporter chose so, since the others are rounded finer.
    Input,
}

/// Numbers of one kind, and how far the device holds them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Kind {
    what: &'static str,
    end: End,
    limit: f32,
}

impl Kind {
    /// The sums before a sigmoid.
    pub(super) const SIGMOID: Self = Self {
        what: "sums before a sigmoid",
        end: End::Table,
        limit: 8.0,
    };
    /// The sums before a tanh.
    pub(super) const TANH: Self = Self {
        what: "sums before a tanh",
        end: End::Table,
        limit: 4.0,
    };
    /// A GRU's recurrent sums of the candidate, which the reset gate is multiplied with.
    pub(super) const CANDIDATE: Self = Self {
        what: "recurrent sums of the candidate",
        end: End::Sum,
        limit: 16.0,
    };
    /// Values that are read, in units of what their integers reach, to half a step beyond.
    pub(super) const INPUT: Self = Self {
        what: "inputs",
        end: End::Input,
        limit: 1.0 + 0.5 / INT8_LARGEST as f32,
    };

    /// Cell states.
    pub(super) const fn cells(limit: f32) -> Self {
        Self {
            what: "cell states",
            end: End::State,
            limit,
        }
    }

    /// Projected hidden states.
    pub(super) const fn projected(limit: f32) -> Self {
        Self {
            what: "projected hidden states",
            end: End::State,
            limit,
        }
    }
}

/// Where a network was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// In so many characters that it writes.
    Characters(usize),
    /// In so many steps of the user's data.
    Steps(usize),
}

/// Numbers of a layer of which some go beyond.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Beyond {
    /// The layer, from 0.
    pub layer: usize,
    /// What they are.
    pub what: &'static str,
    /// What the device does with them.
    pub end: End,
    /// The largest that it holds.
    pub limit: f32,
    /// The share of them beyond it.
    pub share: f64,
    /// The largest.
    pub largest: f32,
    /// Where they were found.
    pub place: Place,
}

impl Beyond {
    /// Whether a person should be told: of a table, whose end changes next to nothing, only where much is beyond.
    pub fn is_told(&self) -> bool {
        /// Share of the sums.
        const MUCH: f64 = 0.01;
        self.end != End::Table || self.share >= MUCH
    }
}

impl fmt::Display for Beyond {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            layer,
            what,
            limit,
            largest,
            ..
        } = self;
        let share = 100.0 * self.share;
        write!(f, "layer {layer}: {share:.2} % of its {what} go beyond ")?;
        match self.end {
            End::Input => write!(f, "their integers, up to {largest:.1} times as far, in ")?,
            _ => write!(f, "{limit:.0}, up to {largest:.1}, in ")?,
        }
        match self.place {
            Place::Characters(count) => write!(f, "{count} characters that the network writes: ")?,
            Place::Steps(count) => write!(f, "{} steps of the data: ", grouped(count))?,
        }
        f.write_str(match (self.end, self.place) {
            (End::State, Place::Characters(_)) => {
                "int8 and int4 stop there, so that their text is another than that of f32"
            }
            (End::State | End::Sum, _) => "int8 and int4 stop there",
            (End::Table, _) => "the table of int8 and int4 ends there, less than 0.001 off",
            (End::Input, _) => "int8 and int4 stop there, so that the others are rounded finer",
        })
    }
}

/// Numbers of one kind in a layer, of which some are looked at.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) layer: usize,
    kind: Kind,
    largest: f32,
    number: usize,
    found: usize,
}

impl Seen {
    pub(super) fn new(layer: usize, kind: Kind) -> Self {
        Self {
            layer,
            kind,
            largest: 0.0,
            number: 0,
            found: 0,
        }
    }

    pub(super) fn look<'x>(&mut self, numbers: impl IntoIterator<Item = &'x f32>) {
        for number in numbers {
            self.number += 1;
            self.found += usize::from(number.abs() > self.kind.limit);
            self.largest = self.largest.max(number.abs());
        }
    }

    /// What went beyond, if anything did.
    pub(super) fn told(&self, place: Place) -> Option<Beyond> {
        (self.found > 0).then(|| Beyond {
            layer: self.layer,
            what: self.kind.what,
            end: self.kind.end,
            limit: self.kind.limit,
            share: self.found as f64 / self.number as f64,
            largest: self.largest,
            place,
        })
    }
}

/// What the numbers of a layer's gates are before their activations; of a kind each, the sums of these gates.
pub(super) struct GateSums {
    seen: [Seen; 2],
    /// For each gate whether its activation is tanh.
    is_tanh: Vec<bool>,
}

impl GateSums {
    pub(super) fn new(layer: usize, is_tanh: Vec<bool>) -> Self {
        let seen = [Kind::SIGMOID, Kind::TANH].map(|kind| Seen::new(layer, kind));
        Self { seen, is_tanh }
    }

    /// `[G H]`.
    pub(super) fn look(&mut self, sums: &[f32]) {
        let hidden = sums.len() / self.is_tanh.len();
        for (&is_tanh, sums) in self.is_tanh.iter().zip(sums.chunks(hidden.max(1))) {
            self.seen[usize::from(is_tanh)].look(sums);
        }
    }

    pub(super) fn told(&self, place: Place) -> impl Iterator<Item = Beyond> {
        self.seen.iter().filter_map(move |seen| seen.told(place))
    }
}

/// The share of a layer's states of a kind that may lie beyond: the integers do not hold a network of which more do.
pub(super) const MOST: f64 = 0.5;

/// The states of which the most lie beyond.
pub(super) fn worst(beyond: &[Beyond]) -> Option<&Beyond> {
    let states = beyond.iter().filter(|beyond| beyond.end == End::State);
    states.max_by(|a, b| a.share.total_cmp(&b.share))
}

/// Why a network of which most of a layer's states are beyond the integers should not be rounded to them.
pub fn refusal(beyond: &[Beyond]) -> Option<String> {
    worst(beyond).filter(|worst| worst.share > MOST).map(found)
}

/// The beginning of a reason.
pub(super) fn found(worst: &Beyond) -> String {
    format!(
        "layer {}: {:.1} % of its {} go beyond {:.0}, up to {:.1}, where int8 and int4 stop",
        worst.layer,
        100.0 * worst.share,
        worst.what,
        worst.limit,
        worst.largest
    )
}
