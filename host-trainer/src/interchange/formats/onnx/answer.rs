//! Which output of a graph is the answer, and the layers that lead to it.

use super::chain::{Op, plan};
use super::graph::{EXPECTED, MAX_STEPS, Step, Walk};
use super::message::ValueInfo;
use super::value::{Answers, Data, Value};
use crate::interchange::context::Context;
use crate::interchange::plan::Plan;

impl Walk<'_> {
    /// The layers of the first output that is an answer.
    pub(super) fn answer(&self, outputs: &[ValueInfo]) -> Result<Plan, String> {
        // The layers, the output that they lead to, and the last step.
        let mut without_dense = None;
        let mut found: Option<(Plan, &ValueInfo, Option<usize>)> = None;
        for output in outputs {
            let data = match self.values.get(&output.name) {
                Some(Value::Data(data)) => data,
                // Another output is told in a note.
                Some(Value::Refused(reason)) if found.is_none() => return Err(reason.to_string()),
                _ => continue,
            };
            let steps = self.steps_to(data, &output.name)?;
            let is_dense = steps.iter().any(|(op, _)| matches!(op, Op::Product(_)));
            let is_recurrent = |(op, _): &(Op, String)| matches!(op, Op::Recurrent(_));
            if !is_dense && !steps.iter().any(is_recurrent) {
                continue;
            }
            let context = match (self.is_given_state, data.answers) {
                (true, _) | (false, Answers::EachStep) => Context::Carried,
                (false, Answers::AtTheEnd(Some(steps))) => Context::Window(steps),
                (false, Answers::AtTheEnd(None)) => Context::WindowOfUntoldLength,
            };
            let plan = match plan(steps, context) {
                Err(_) if found.is_some() => continue,
                plan => plan?,
            };
            // An output of a dense layer is likelier the answer than a state, and one that follows from it is likelier
            // than that.
            match (is_dense, &found) {
                (true, None) => found = Some((plan, output, data.step)),
                (true, Some((.., before))) if self.follows(data.step, *before) => {
                    found = Some((plan, output, data.step));
                }
                (true, Some(_)) => {}
                (false, _) => without_dense = without_dense.or(Some((plan, output, data.step))),
            }
        }
        let Some((mut plan, answer, _)) = found.or(without_dense) else {
            let mut outputs = outputs.iter();
            return Err(
                match outputs.find_map(|output| self.values.get(&output.name)) {
                    Some(Value::State(layer)) => {
                        format!(
                            "found the cell state of {layer} as the answer, expected its output"
                        )
                    }
                    _ => format!(
                        "found no output that follows from the first input by way of a recurrent layer, expected {EXPECTED}"
                    ),
                },
            );
        };
        if self.is_given_state {
            plan.notes.push(
                "the state is an input of the graph: taken as zero at the start, and carried"
                    .into(),
            );
        }
        // Where a state is given, the next one is an output.
        for other in outputs.iter().filter(|other| other.name != answer.name) {
            let is_told = match self.values.get(&other.name) {
                Some(Value::Data(data)) => {
                    let steps = self.steps_to(data, &other.name)?;
                    !self.is_given_state || steps.iter().any(|(op, _)| matches!(op, Op::Product(_)))
                }
                Some(Value::Constant(_)) | None => false,
                Some(_) => !self.is_given_state,
            };
            if is_told {
                let note = format!("the graph also gives {}: left out", other.name);
                plan.notes.push(note);
            }
        }
        Ok(plan)
    }

    /// Whether a step follows from another one.
    fn follows(&self, step: Option<usize>, from: Option<usize>) -> bool {
        let mut at = step;
        // Each step is behind the one before it.
        while let Some(index) = at.filter(|index| Some(*index) >= from) {
            if Some(index) == from {
                return true;
            }
            at = self.steps[index].before;
        }
        false
    }

    /// The steps that led to what a name stands for.
    fn steps_to(&self, data: &Data, name: &str) -> Result<Vec<(Op, String)>, String> {
        let mut steps = Vec::new();
        let mut at = data.step;
        while let Some(index) = at {
            if steps.len() == MAX_STEPS {
                return Err(format!(
                    "found more than {MAX_STEPS} nodes with numbers on the way to {name}, expected fewer"
                ));
            }
            let Step { before, op, name } = &self.steps[index];
            steps.push((op.clone(), name.clone()));
            at = *before;
        }
        steps.reverse();
        Ok(steps)
    }
}
