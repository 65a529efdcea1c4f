//! The layer whose step a Loop's body computes: its gates are found in the terms that its states become.

use super::array::{Array, Budget};
use super::body::{MAX_NODES, Term};
use super::constant::Constant;
use crate::interchange::plan::{Piece, Recurrent, within};
use crate::network::sensor::Cell;
use lstm_core::MAX_HIDDEN;
use std::ops::Range;
use std::rc::Rc;

/// Terms that are looked at to find the sums of a gate.
const MAX_TERMS: usize = 10_000;

/// A layer, and the place where its output is carried.
pub(super) struct Found {
    pub(super) layer: Recurrent,
    pub(super) output: usize,
}

/// The sums of a gate.
#[derive(Default)]
struct Sums {
    input: Option<Array>,
    state: Option<Array>,
    bias: Vec<Array>,
    /// A GRU's reset gate, and the product that reads what it has left of the state.
    reset_before: Option<(Rc<Term>, Array)>,
    /// A GRU's reset gate, and the sums that it passes.
    reset_after: Option<(Rc<Term>, Box<Sums>)>,
}

/// Finds a gate's sums. `output` is where the layer's output is carried.
struct Finder<'b> {
    budget: &'b Budget,
    output: usize,
    looked: usize,
}

impl Finder<'_> {
    fn sums(&mut self, term: &Term) -> Option<Sums> {
        let mut sums = Sums::default();
        self.add(term, None, &mut sums)?;
        Some(sums)
    }

    /// Adds a term, or some of its numbers, to the sums; `None` for what is no part of a gate.
    fn add(&mut self, term: &Term, range: Option<Range<usize>>, sums: &mut Sums) -> Option<()> {
        self.looked += 1;
        (self.looked <= MAX_TERMS).then_some(())?;
        let budget = self.budget;
        let cut = |array: &Array| match &range {
            Some(range) => array.slice(array.shape.len().checked_sub(1)?, range.clone(), budget),
            None => Some(array.clone()),
        };
        match term {
            Term::Add(a, b) => {
                self.add(a, range.clone(), sums)?;
                self.add(b, range, sums)
            }
            Term::Columns(inner, own) => {
                let range = match range {
                    None => own.clone(),
                    Some(range) => {
                        let end = own.start.checked_add(range.end)?;
                        (end <= own.end).then(|| own.start + range.start..end)?
                    }
                };
                self.add(inner, Some(range), sums)
            }
            Term::Constant(Constant::Floats(array)) => {
                let array = match array.values.len() {
                    1 => (**array).clone(),
                    _ => cut(array)?,
                };
                array.vector()?;
                sums.bias.push(array);
                Some(())
            }
            Term::Matmul(inner, matrix) => {
                let matrix = cut(matrix)?;
                let place = match &**inner {
                    Term::Input => &mut sums.input,
                    Term::State(at) if *at == self.output => &mut sums.state,
                    Term::Mul(a, b) => {
                        let gate = match (&**a, &**b) {
                            (Term::Sigmoid(gate), Term::State(at))
                            | (Term::State(at), Term::Sigmoid(gate))
                                if *at == self.output =>
                            {
                                gate
                            }
                            _ => return None,
                        };
                        let before = sums.reset_before.replace((gate.clone(), matrix));
                        return before.is_none().then_some(());
                    }
                    _ => return None,
                };
                place.replace(matrix).is_none().then_some(())
            }
            Term::Mul(a, b) => {
                let (gate, passed) = match (&**a, &**b) {
                    (Term::Sigmoid(gate), _) => (gate, b),
                    (_, Term::Sigmoid(gate)) => (gate, a),
                    _ => return None,
                };
                let mut inner = Sums::default();
                // The gate is as wide as what it passes, so only a whole product can be taken.
                range.is_none().then_some(())?;
                self.add(passed, None, &mut inner)?;
                let before = sums.reset_after.replace((gate.clone(), Box::new(inner)));
                before.is_none().then_some(())
            }
            _ => None,
        }
    }
}

/// The layer whose states become these terms in a step, each with the place where it is carried.
///
/// # Errors
/// It is no layer that is known.
pub(super) fn layer_of(
    states: &[(usize, Rc<Term>)],
    label: &str,
    budget: &Budget,
) -> Result<Found, String> {
    let found = match states {
        [(output, term)] => gru(*output, term, label, budget),
        [a, b] => lstm(a, b, label, budget).or_else(|| lstm(b, a, label, budget)),
        _ => return Err(format!("carries {} states", states.len())),
    };
    found.ok_or_else(|| {
        let others = states.iter().find_map(|(_, term)| other(term, MAX_NODES));
        match others {
            Some(other) => format!("computes its state from {other}"),
            None => "has a body that computes something else".to_owned(),
        }
    })
}

/// A name for what a term holds that no layer has.
fn other(term: &Term, depth: usize) -> Option<String> {
    let depth = depth
        .checked_sub(1)
        .filter(|&depth| depth + 20 > MAX_NODES)?;
    match term {
        Term::Other(what) => Some(what.clone()),
        Term::Add(a, b) | Term::Sub(a, b) | Term::Mul(a, b) => {
            other(a, depth).or_else(|| other(b, depth))
        }
        Term::Matmul(a, _) | Term::Columns(a, _) | Term::Sigmoid(a) | Term::Tanh(a) => {
            other(a, depth)
        }
        _ => None,
    }
}

/// h' = z h + (1 - z) tanh(n).
fn gru(output: usize, term: &Term, label: &str, budget: &Budget) -> Option<Found> {
    let Term::Add(a, b) = term else { return None };
    let kept = |term: &Term| match term {
        Term::Mul(a, b) => match (&**a, &**b) {
            (Term::Sigmoid(z), Term::State(at)) | (Term::State(at), Term::Sigmoid(z))
                if *at == output =>
            {
                Some(z.clone())
            }
            _ => None,
        },
        _ => None,
    };
    let made = |term: &Term| match term {
        Term::Mul(a, b) => {
            let (rest, n) = match (&**a, &**b) {
                (Term::Sub(one, z), Term::Tanh(n)) | (Term::Tanh(n), Term::Sub(one, z)) => {
                    ((one, z), n)
                }
                _ => return None,
            };
            let (one, z) = rest;
            let is_one =
                matches!(&**one, Term::Constant(Constant::Floats(array)) if array.values == [1.0]);
            match &**z {
                Term::Sigmoid(z) if is_one => Some((z.clone(), n.clone())),
                _ => None,
            }
        }
        _ => None,
    };
    let (z, (other_z, n)) = match (kept(a), made(b)) {
        (Some(z), Some(made)) => (z, made),
        _ => (kept(b)?, made(a)?),
    };
    Rc::ptr_eq(&z, &other_z).then_some(())?;
    let mut finder = Finder {
        budget,
        output,
        looked: 0,
    };
    let n = finder.sums(&n)?;
    let (gate, after, before) = match (n.reset_after, n.reset_before, n.state) {
        (Some((gate, after)), None, None) => (gate, Some(after), None),
        (None, Some((gate, matrix)), None) => (gate, None, Some(matrix)),
        _ => return None,
    };
    let (r, z) = (finder.plain(&gate)?, finder.plain(&z)?);
    let (r_state, z_state) = (r.state?, z.state?);
    let hidden = r_state.shape[1];
    let (cell, n_state, n_bias) = match (after, before) {
        (Some(after), None) => {
            let is_plain = after.input.is_none()
                && after.reset_after.is_none()
                && after.reset_before.is_none();
            is_plain.then_some(())?;
            (Cell::Gru, after.state?, Some(after.bias))
        }
        (None, Some(matrix)) => (Cell::GruResetBefore, matrix, None),
        _ => return None,
    };
    let recurrent_bias = match n_bias {
        None => None,
        Some(bias) => Some(joined(&[Vec::new(), Vec::new(), bias], hidden)?),
    };
    let layer = Recurrent {
        name: label.to_owned(),
        cell,
        hidden,
        w_ih: side_by_side(&[r.input?, z.input?, n.input?], hidden, budget)?,
        w_hh: side_by_side(&[r_state, z_state, n_state], hidden, budget)?,
        bias: joined(&[r.bias, z.bias, n.bias], hidden)?,
        recurrent_bias,
        projection: None,
    };
    Some(Found { layer, output })
}

/// c' = f c + i tanh(g), h' = o tanh(c').
fn lstm(
    (output, h): &(usize, Rc<Term>),
    (cell, c): &(usize, Rc<Term>),
    label: &str,
    budget: &Budget,
) -> Option<Found> {
    let Term::Mul(a, b) = &**h else { return None };
    let o = match (&**a, &**b) {
        (Term::Sigmoid(o), Term::Tanh(inner)) | (Term::Tanh(inner), Term::Sigmoid(o))
            if Rc::ptr_eq(inner, c) =>
        {
            o
        }
        _ => return None,
    };
    let Term::Add(a, b) = &**c else { return None };
    let kept = |term: &Term| match term {
        Term::Mul(a, b) => match (&**a, &**b) {
            (Term::Sigmoid(f), Term::State(at)) | (Term::State(at), Term::Sigmoid(f))
                if at == cell =>
            {
                Some(f.clone())
            }
            _ => None,
        },
        _ => None,
    };
    let made = |term: &Term| match term {
        Term::Mul(a, b) => match (&**a, &**b) {
            (Term::Sigmoid(i), Term::Tanh(g)) | (Term::Tanh(g), Term::Sigmoid(i)) => {
                Some((i.clone(), g.clone()))
            }
            _ => None,
        },
        _ => None,
    };
    let (f, (i, g)) = match (kept(a), made(b)) {
        (Some(f), Some(made)) => (f, made),
        _ => (kept(b)?, made(a)?),
    };
    let mut finder = Finder {
        budget,
        output: *output,
        looked: 0,
    };
    let gates: Option<Vec<Sums>> = [&i, &f, &g, o]
        .into_iter()
        .map(|gate| finder.plain(gate))
        .collect();
    let (mut inputs, mut states, mut biases) = (Vec::new(), Vec::new(), Vec::new());
    for gate in gates? {
        inputs.push(gate.input?);
        states.push(gate.state?);
        biases.push(gate.bias);
    }
    let hidden = states[0].shape[1];
    let layer = Recurrent {
        name: label.to_owned(),
        cell: Cell::Lstm,
        hidden,
        w_ih: side_by_side(&inputs, hidden, budget)?,
        w_hh: side_by_side(&states, hidden, budget)?,
        bias: joined(&biases, hidden)?,
        recurrent_bias: None,
        projection: None,
    };
    let output = *output;
    Some(Found { layer, output })
}

impl Finder<'_> {
    /// The sums of a gate without a reset gate.
    fn plain(&mut self, term: &Term) -> Option<Sums> {
        let sums = self.sums(term)?;
        let is_plain = sums.reset_after.is_none() && sums.reset_before.is_none();
        is_plain.then_some(sums)
    }
}

/// The matrices `[in, H]` of gates as one, `[in, G H]`.
fn side_by_side(gates: &[Array], hidden: usize, budget: &Budget) -> Option<Piece> {
    within("", "", hidden, MAX_HIDDEN).ok()?;
    let fits = |gate: &Array| gate.shape.len() == 2 && gate.shape[1] == hidden;
    gates.iter().all(fits).then_some(())?;
    let gates: Vec<&Array> = gates.iter().collect();
    let joined = Array::concat(&gates, 1, budget)?;
    Some(Piece {
        shape: joined.shape,
        values: joined.values,
        from: joined.from,
    })
}

/// The biases of gates after each other; those of one gate are added.
fn joined(gates: &[Vec<Array>], hidden: usize) -> Option<Piece> {
    within("", "", hidden, MAX_HIDDEN).ok()?;
    let mut values = Vec::new();
    let mut from: Vec<&str> = Vec::new();
    for gate in gates {
        let start = values.len();
        values.resize(start + hidden, 0.0);
        for bias in gate {
            let n = bias.values.len();
            (n == hidden || n == 1).then_some(())?;
            let sums = values[start..].iter_mut().enumerate();
            sums.for_each(|(at, sum)| *sum += bias.values[at % n]);
            if !from.contains(&&bias.from[..]) {
                from.push(&bias.from);
            }
        }
    }
    let piece = Piece::zeros(values.len());
    Some(Piece {
        from: match from[..] {
            [] => piece.from,
            _ => format!("{}, gates put together", from.join(" + ")),
        },
        values,
        shape: piece.shape,
    })
}
