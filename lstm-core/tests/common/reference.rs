//! docs/NUMBERS.md over plain numbers.

use lstm_core::{CellKind, Format, Token};

use super::ngrams::{Table, Vectors};
use super::{Int8Plain, Net};

/// docs/NUMBERS.md, section by section, over weights in plain order.
pub struct Int8Reference<'n> {
    net: &'n Net<i8, Int8Plain>,
    vectors: Option<&'n Vectors>,
    table: Option<&'n Table>,
    /// The last tokens, from the newest.
    history: [u8; 12],
    h: Vec<Vec<i64>>,
    c: Vec<Vec<i64>>,
}

fn sigmoid(z: i64) -> i64 {
    let u = z.clamp(-32768, 32767) + 32768;
    let at = |i: i64| (32768.0 / (1.0 + (-(i as f64 - 128.0) / 16.0).exp())).round() as i64;
    let (value, next) = (at(u >> 8), at((u >> 8) + 1));
    value + (((next - value) * (u & 255)) >> 8)
}

impl<'n> Int8Reference<'n> {
    pub fn new(net: &'n Net<i8, Int8Plain>) -> Self {
        let shapes = net.shapes.iter();
        Int8Reference {
            net,
            vectors: None,
            table: None,
            history: [0; 12],
            h: shapes
                .clone()
                .map(|shape| vec![0; shape.output()])
                .collect(),
            c: shapes.map(|shape| vec![0; shape.hidden.into()]).collect(),
        }
    }

    /// With n-gram sections.
    pub fn with(self, vectors: Option<&'n Vectors>, table: Option<&'n Table>) -> Self {
        Int8Reference {
            vectors,
            table,
            ..self
        }
    }

    pub fn step(&mut self, token: Token) -> Vec<i64> {
        self.history.rotate_right(1);
        self.history[0] = token.index() as u8;
        let row_sum = |m: &Int8Plain, row: usize, x: &[i64], t: i64| {
            let products = m.weights[row].iter().zip(x).map(|(&w, x)| i64::from(w) * x);
            let p = m.rows[row];
            let weights = products.sum::<i64>() * i64::from(p.weight_scale);
            i64::from(p.bias) + weights + t * i64::from(p.table_scale)
        };
        // Columns in units of 1/127, that is all but a projected h, may count as 0.
        let counted = |x: &[i64], is_projected: bool| -> Vec<i64> {
            let zone = match (self.net.format, is_projected) {
                (Format::Int4, false) => self.net.dead_zone.into(),
                _ => 0,
            };
            let count = |&x: &i64| if x.abs() < zone { 0 } else { x };
            x.iter().map(count).collect()
        };
        let mut below: Vec<i64> = Vec::new();
        let mut x: Vec<i64> = Vec::new();
        for (l, &shape) in self.net.shapes.iter().enumerate() {
            let is_projected = shape.projection.is_some();
            let read = match self.vectors.filter(|_| l == 0) {
                None => self.h[l].clone(),
                Some(vectors) => vectors.add(&self.history, &self.h[l]),
            };
            let own = counted(&read, is_projected);
            let both = [&x[..], &own].concat();
            // Where the reset comes before the product, the candidate reads this.
            let row =
                |unit: usize, gate: usize| shape.cell.gate_row(shape.hidden.into(), unit, gate);
            let entry = |row: usize| match l {
                0 => self.net.table[token.index()][row].into(),
                _ => 0,
            };
            let reset_both = shape.cell.resets_before_product().then(|| {
                let units = read.iter().enumerate();
                let scaled = units.map(|(unit, h)| {
                    let row = row(unit, 0);
                    let r = sigmoid(row_sum(&self.net.layers[l], row, &both, entry(row)) >> 6);
                    (r * h + (1 << 14)) >> 15
                });
                [&x[..], &counted(&scaled.collect::<Vec<_>>(), false)].concat()
            });
            let mut m = vec![0; shape.hidden.into()];
            for (unit, m) in m.iter_mut().enumerate() {
                let row = |gate: usize| row(unit, gate);
                let entry = |gate: usize| entry(row(gate));
                let z = |gate: usize| row_sum(&self.net.layers[l], row(gate), &both, entry(gate));
                let c = &mut self.c[l][unit];
                match shape.cell {
                    CellKind::Lstm | CellKind::Cifg => {
                        let i = sigmoid(z(0) >> 6);
                        let (f, g, o) = match shape.cell {
                            CellKind::Lstm => (sigmoid(z(1) >> 6), z(2), z(3)),
                            _ => (32768 - i, z(1), z(2)),
                        };
                        let (g, o) = (sigmoid(g >> 5) - 16384, sigmoid(o >> 6));
                        let sum = (f * *c + ((i * g) >> 3) + (1 << 14)) >> 15;
                        *c = sum.clamp(-32768, 32767);
                        let p = o * (sigmoid(*c << 2) - 16384);
                        *m = (p - (p >> 7) + (1 << 21)) >> 22;
                    }
                    CellKind::Gru => {
                        let inputs = self.net.inputs[l].as_ref().unwrap();
                        let input = |gate: usize| row_sum(inputs, row(gate), &x, entry(gate));
                        let own = |gate: usize| row_sum(&self.net.layers[l], row(gate), &own, 0);
                        let clamp = |sum: i64| sum.clamp(i32::MIN.into(), i32::MAX.into());
                        let r = sigmoid(clamp(input(0) + own(0)) >> 6);
                        let z = sigmoid(clamp(input(1) + own(1)) >> 6);
                        let scaled = (r * (own(2) >> 6).clamp(-65535, 65535)) >> 9;
                        let n = sigmoid(clamp(input(2) + scaled) >> 5) - 16384;
                        *c = (z * *c + (32768 - z) * n + (1 << 14)) >> 15;
                        *m = (127 * *c + (1 << 13)) >> 14;
                    }
                    CellKind::GruResetBefore => {
                        let columns = reset_both.as_ref().unwrap();
                        let (layer, z) = (&self.net.layers[l], sigmoid(z(1) >> 6));
                        let sum = row_sum(layer, row(2), columns, entry(2));
                        let n = sigmoid(sum >> 5) - 16384;
                        *c = (z * *c + (32768 - z) * n + (1 << 14)) >> 15;
                        *m = (127 * *c + (1 << 13)) >> 14;
                    }
                }
            }
            self.h[l] = match &self.net.projections[l] {
                None => m,
                Some(projection) => (0..shape.output())
                    .map(|row| row_sum(projection, row, &counted(&m, false), 0) >> 14)
                    .map(|h| h.clamp(-127, 127))
                    .collect(),
            };
            below = self.h[l].clone();
            x = counted(&below, is_projected);
        }
        let rows = 0..self.net.dense.rows.len();
        let mut logits: Vec<i64> = rows
            .map(|v| row_sum(&self.net.dense, v, &below, 0) >> 6)
            .collect();
        if let Some(table) = self.table {
            table.apply(&self.history, &below, &mut logits);
        }
        logits
    }
}
