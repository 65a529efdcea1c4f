//! One step of a recurrent layer, as the body of a Loop computes it: products, sums, gates; and the layer that it is.

use super::array::{Array, Budget, axis, clip};
use super::constant::{Constant, Cuts, evaluate, split_lengths};
use super::message::{Graph, Node};
use super::value::{Data, Value};
use crate::interchange::plan::{Piece, Recurrent, within};
use crate::network::sensor::Cell;
use lstm_core::MAX_HIDDEN;
use std::collections::BTreeMap;
use std::ops::Range;
use std::rc::Rc;

/// More nodes than this are in no step.
const MAX_NODES: usize = 1000;
/// Terms that are looked at to find the sums of a gate.
const MAX_TERMS: usize = 10_000;

/// What a loop carries from step to step.
#[derive(Clone, Debug)]
pub(super) enum Carried {
    /// The step's number.
    Count,
    Constant(Constant),
    /// A state.
    State,
}

/// What a name in a body stands for.
#[derive(Clone, Debug)]
pub(super) enum Term {
    Constant(Constant),
    /// The number of the step.
    Count,
    /// That of the next step.
    Next,
    /// The values of the step.
    Input,
    /// What is carried at a place.
    State(usize),
    /// With a matrix `[in, out]`.
    Matmul(Rc<Term>, Rc<Array>),
    Add(Rc<Term>, Rc<Term>),
    Sub(Rc<Term>, Rc<Term>),
    Mul(Rc<Term>, Rc<Term>),
    /// Some of a term's numbers.
    Columns(Rc<Term>, Range<usize>),
    Sigmoid(Rc<Term>),
    Tanh(Rc<Term>),
    /// What a recurrent layer needs not, such as the loop's condition.
    Other(String),
}

/// The body of a loop.
pub(super) struct Body {
    /// What it gives: whether it goes on, what is carried, what is collected.
    pub(super) outputs: Vec<Rc<Term>>,
    /// What it reads a step of.
    pub(super) series: Option<Data>,
}

/// A layer, and the place where its output is carried.
pub(super) struct Found {
    pub(super) layer: Recurrent,
    pub(super) output: usize,
}

impl Body {
    /// # Errors
    /// The body is damaged, or reads several series.
    pub(super) fn read(
        graph: &Graph,
        kinds: &[Carried],
        outside: &BTreeMap<String, Value>,
        budget: &Budget,
    ) -> Result<Self, String> {
        if graph.nodes.len() > MAX_NODES {
            return Err(format!("has {} nodes in its body", graph.nodes.len()));
        }
        let mut reader = Reader {
            outside,
            budget,
            terms: BTreeMap::new(),
            series: None,
        };
        let mut inputs = graph.inputs.iter().map(|input| input.name.clone());
        let mut first = inputs.by_ref().take(2);
        if let Some(count) = first.next() {
            reader.terms.insert(count, Rc::new(Term::Count));
        }
        if let Some(condition) = first.next() {
            reader
                .terms
                .insert(condition, Rc::new(Term::Other("its condition".into())));
        }
        for (at, (name, kind)) in graph.inputs.iter().skip(2).zip(kinds).enumerate() {
            let term = match kind {
                Carried::Count => Term::Count,
                Carried::Constant(constant) => Term::Constant(constant.clone()),
                Carried::State => Term::State(at),
            };
            reader.terms.insert(name.name.clone(), Rc::new(term));
        }
        for tensor in &graph.initializers {
            let value = Constant::read(tensor.clone(), &tensor.name, budget)?;
            reader
                .terms
                .insert(tensor.name.clone(), Rc::new(Term::Constant(value)));
        }
        for inner in &graph.nodes {
            reader.node(inner)?;
        }
        let outputs = graph.outputs.iter();
        let outputs = outputs.map(|output| reader.term(&output.name));
        Ok(Self {
            outputs: outputs.collect::<Result<_, _>>()?,
            series: reader.series.map(|(_, value)| value),
        })
    }
}

struct Reader<'o> {
    outside: &'o BTreeMap<String, Value>,
    budget: &'o Budget,
    terms: BTreeMap<String, Rc<Term>>,
    /// What steps are taken of, and its name outside.
    series: Option<(String, Data)>,
}

impl Reader<'_> {
    /// What a name is, in the body or outside it.
    fn term(&self, name: &str) -> Result<Rc<Term>, String> {
        if let Some(term) = self.terms.get(name) {
            return Ok(term.clone());
        }
        Ok(Rc::new(match self.outside.get(name) {
            Some(Value::Constant(constant)) => Term::Constant(constant.clone()),
            Some(_) => Term::Other(format!("{name} as a whole")),
            None => return Err(format!("reads {name} in its body, which nothing gives")),
        }))
    }

    fn node(&mut self, node: &Node) -> Result<(), String> {
        // A step of a series outside.
        if let ("Gather", Some(series), Some(place)) =
            (&node.op_type[..], node.input(0), node.input(1))
            && !self.terms.contains_key(series)
            && let Some(Value::Data(value)) = self.outside.get(series)
            && matches!(*self.term(place)?, Term::Count)
            && node.int("axis", 0) == 0
        {
            if self.series.as_ref().is_some_and(|(name, _)| name != series) {
                return Err("reads steps of several series".into());
            }
            self.series = Some((series.to_owned(), value.clone()));
            return self.set(node, vec![Term::Input]);
        }
        let mut inputs = Vec::new();
        for name in &node.inputs {
            inputs.push(match &name[..] {
                "" => Rc::new(Term::Constant(Constant::Unknown)),
                name => self.term(name)?,
            });
        }
        let constants: Vec<Constant> = inputs
            .iter()
            .map(|term| match &**term {
                Term::Constant(constant) => constant.clone(),
                _ => Constant::Unknown,
            })
            .collect();
        if inputs
            .iter()
            .all(|term| matches!(**term, Term::Constant(_)))
        {
            let values = evaluate(node, &constants, self.budget);
            return self.set(node, values.into_iter().map(Term::Constant).collect());
        }
        let terms = self.run(node, &inputs, &constants);
        let terms = terms.unwrap_or_else(|| {
            vec![Term::Other(format!("what {} gives", node.label())); node.outputs.len()]
        });
        self.set(node, terms)
    }

    fn set(&mut self, node: &Node, terms: Vec<Term>) -> Result<(), String> {
        for (name, term) in node.outputs.iter().zip(terms) {
            self.terms.insert(name.clone(), Rc::new(term));
        }
        Ok(())
    }

    fn run(
        &mut self,
        node: &Node,
        inputs: &[Rc<Term>],
        constants: &[Constant],
    ) -> Option<Vec<Term>> {
        let budget = self.budget;
        let one = |term: Term| Some(vec![term]);
        let floats = |index: usize| match constants.get(index) {
            Some(Constant::Floats(array)) => Some(array.clone()),
            _ => None,
        };
        match (&node.op_type[..], inputs) {
            // The very same term, so that it is known again.
            ("Identity" | "Cast" | "Squeeze" | "Unsqueeze", [same, ..]) => {
                for name in &node.outputs {
                    self.terms.insert(name.clone(), same.clone());
                }
                Some(Vec::new())
            }
            ("Add", [a, b]) => match (&**a, &**b) {
                (Term::Count, Term::Constant(Constant::Wholes(n)))
                | (Term::Constant(Constant::Wholes(n)), Term::Count) => {
                    (n.known()? == [1]).then(|| vec![Term::Next])
                }
                _ => one(Term::Add(a.clone(), b.clone())),
            },
            ("Sub", [a, b]) => one(Term::Sub(a.clone(), b.clone())),
            ("Mul", [a, b]) => one(Term::Mul(a.clone(), b.clone())),
            ("Sigmoid", [a]) => one(Term::Sigmoid(a.clone())),
            ("Tanh", [a]) => one(Term::Tanh(a.clone())),
            ("MatMul", [a, _]) => {
                let matrix = floats(1)?.matrix(false, budget)?;
                one(Term::Matmul(a.clone(), Rc::new(matrix)))
            }
            ("Gemm", [a, _, rest @ ..]) => {
                let is_plain = node.int("transA", 0) == 0
                    && node.float("alpha", 1.0) == 1.0
                    && node.float("beta", 1.0) == 1.0;
                is_plain.then_some(())?;
                let matrix = floats(1)?.matrix(node.int("transB", 0) != 0, budget)?;
                let product = Term::Matmul(a.clone(), Rc::new(matrix));
                one(match rest {
                    [] => product,
                    [c, ..] => Term::Add(Rc::new(product), c.clone()),
                })
            }
            ("Split", [a, ..]) => {
                is_last_axis(node.int("axis", 0)).then_some(())?;
                let mut start = 0;
                let parts = split_lengths(node, constants, width(a)?)?.into_iter();
                let parts = parts.map(|length| {
                    let range = start..start + length;
                    start += length;
                    Term::Columns(a.clone(), range)
                });
                Some(parts.collect())
            }
            ("Slice", [a, ..]) => {
                let width = width(a)?;
                let mut range = 0..width;
                for (at, start, end) in Cuts::of(node, constants)?.0 {
                    match is_last_axis(at) {
                        true => range = clip(start, end, width),
                        // All series.
                        false => (start == 0 && end >= i32::MAX as i64).then_some(())?,
                    }
                }
                one(Term::Columns(a.clone(), range))
            }
            _ => None,
        }
    }
}

/// The last axis of `[series, numbers]`.
fn is_last_axis(at: i64) -> bool {
    axis(at, 2) == Some(1)
}

/// How many numbers a term has, as far as products tell.
fn width(term: &Term) -> Option<usize> {
    // Each look goes one down, and the first that tells is enough.
    let mut term = term;
    for _ in 0..MAX_NODES {
        term = match term {
            Term::Matmul(_, matrix) => return Some(matrix.shape[1]),
            Term::Columns(_, range) => return Some(range.len()),
            Term::Add(a, b) | Term::Sub(a, b) | Term::Mul(a, b) => match &**a {
                Term::Constant(_) => b,
                _ => a,
            },
            Term::Sigmoid(a) | Term::Tanh(a) => a,
            _ => return None,
        };
    }
    None
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

/// The biases of gates behind each other; those of one gate are added.
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
