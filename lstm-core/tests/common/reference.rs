//! docs/NUMBERS.md over plain numbers.

use lstm_core::{Activation, CellKind, Format, Token};

use super::ngrams::{Table, Vectors};
use super::{F32Plain, Int8Plain, Net};

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
        self.run(Some(token), Vec::new())
    }

    /// A step of a network that reads values.
    pub fn step_columns(&mut self, columns: &[i8]) -> Vec<i64> {
        self.run(None, columns.iter().map(|&x| x.into()).collect())
    }

    fn run(&mut self, token: Option<Token>, columns: Vec<i64>) -> Vec<i64> {
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
        let mut x = columns;
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
            let entry = |row: usize| match (l, token) {
                (0, Some(token)) => self.net.table[token.index()][row].into(),
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
        for (shape, matrix) in &self.net.units {
            let unit = |row: usize| {
                let z = row_sum(matrix, row, &below, 0);
                match shape.activation {
                    Activation::Linear => (z >> 14).clamp(-127, 127),
                    Activation::Relu => (z >> 14).clamp(0, 127),
                    Activation::Tanh => (127 * (sigmoid(z >> 5) - 16384) + (1 << 13)) >> 14,
                    Activation::Sigmoid => (127 * sigmoid(z >> 6) + (1 << 14)) >> 15,
                }
            };
            below = (0..matrix.rows.len()).map(unit).collect();
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

/// The equations in double precision.
pub struct F64Reference<'n> {
    net: &'n Net<f32, F32Plain>,
    h: Vec<Vec<f64>>,
    c: Vec<Vec<f64>>,
}

impl<'n> F64Reference<'n> {
    pub fn new(net: &'n Net<f32, F32Plain>) -> Self {
        let shapes = net.shapes.iter();
        F64Reference {
            net,
            h: shapes.clone().map(|s| vec![0.0; s.output()]).collect(),
            c: shapes.map(|s| vec![0.0; s.hidden.into()]).collect(),
        }
    }

    pub fn step(&mut self, token: Token) -> Vec<f64> {
        self.run(Some(token), Vec::new())
    }

    /// A step of a network that reads values.
    pub fn step_columns(&mut self, columns: &[f64]) -> Vec<f64> {
        self.run(None, columns.to_vec())
    }

    fn run(&mut self, token: Option<Token>, columns: Vec<f64>) -> Vec<f64> {
        let net = self.net;
        let mut below = columns;
        for (l, &shape) in net.shapes.iter().enumerate() {
            let (gates, own) = (&net.layers[l], &self.h[l]);
            let both = [&below[..], own].concat();
            let mut m = vec![0.0; shape.hidden.into()];
            let row =
                |unit: usize, gate: usize| shape.cell.gate_row(shape.hidden.into(), unit, gate);
            let entry = |row: usize| match (l, token) {
                (0, Some(token)) => f64::from(net.table[token.index()][row]),
                _ => 0.0,
            };
            let row_sum = |row: usize, x: &[f64]| sum(gates, row, x) + entry(row);
            // Where the reset comes before the product, the candidate reads this.
            let reset_both = shape.cell.resets_before_product().then(|| {
                let units = own.iter().enumerate();
                let scaled = units.map(|(unit, h)| logistic(row_sum(row(unit, 0), &both)) * h);
                [&below[..], &scaled.collect::<Vec<_>>()].concat()
            });
            for (unit, m) in m.iter_mut().enumerate() {
                let row = |gate: usize| row(unit, gate);
                let z = |gate: usize| row_sum(row(gate), &both);
                let c = &mut self.c[l][unit];
                match shape.cell {
                    CellKind::Lstm | CellKind::Cifg => {
                        let i = logistic(z(0));
                        let (f, g, o) = match shape.cell {
                            CellKind::Lstm => (logistic(z(1)), z(2), z(3)),
                            _ => (1.0 - i, z(1), z(2)),
                        };
                        *c = f * *c + i * g.tanh();
                        *m = logistic(o) * c.tanh();
                    }
                    CellKind::Gru => {
                        let inputs = net.inputs[l].as_ref().unwrap();
                        let input = |gate: usize| sum(inputs, row(gate), &below) + entry(row(gate));
                        let own = |gate: usize| sum(gates, row(gate), own);
                        let (r, z) = (input(0) + own(0), input(1) + own(1));
                        let n = (input(2) + logistic(r) * own(2)).tanh();
                        *c = logistic(z) * *c + (1.0 - logistic(z)) * n;
                        *m = *c;
                    }
                    CellKind::GruResetBefore => {
                        let columns = reset_both.as_ref().unwrap();
                        let n = row_sum(row(2), columns).tanh();
                        *c = logistic(z(1)) * *c + (1.0 - logistic(z(1))) * n;
                        *m = *c;
                    }
                }
            }
            self.h[l] = match &net.projections[l] {
                None => m,
                Some(projection) => all(projection, &m),
            };
            below = self.h[l].clone();
        }
        for (shape, matrix) in &net.units {
            let activation = |z: f64| match shape.activation {
                Activation::Linear => z,
                Activation::Relu => z.max(0.0),
                Activation::Tanh => z.tanh(),
                Activation::Sigmoid => logistic(z),
            };
            below = all(matrix, &below).into_iter().map(activation).collect();
        }
        all(&net.dense, &below)
    }
}

fn logistic(z: f64) -> f64 {
    1.0 / (1.0 + (-z).exp())
}

/// The sum of a row with its bias.
fn sum(matrix: &F32Plain, row: usize, x: &[f64]) -> f64 {
    let products = matrix.weights[row].iter().zip(x);
    let sum: f64 = products.map(|(&w, x)| f64::from(w) * x).sum();
    sum + f64::from(matrix.rows[row])
}

fn all(matrix: &F32Plain, x: &[f64]) -> Vec<f64> {
    (0..matrix.rows.len())
        .map(|row| sum(matrix, row, x))
        .collect()
}
