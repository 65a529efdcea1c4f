//! One step of a recurrent layer, as the body of a Loop computes it: products, sums and gates.

use super::array::{Array, Budget, axis, clip};
use super::constant::Constant;
use super::evaluate::{Cuts, evaluate, split_lengths};
use super::message::{Graph, Node};
use super::value::{Data, Value};
use std::collections::BTreeMap;
use std::ops::Range;
use std::rc::Rc;

/// More nodes than this are in no step.
pub(super) const MAX_NODES: usize = 1000;
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
