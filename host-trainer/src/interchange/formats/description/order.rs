//! The order in which the layers of a Functional model run: each is given what the one before it gives.

use super::{Description, MAX_DEPTH, Object};
use serde_json::Value;
use std::collections::BTreeMap;

/// What is expected of the layers of a Functional model.
const IN_LINE: &str = "expected layers that follow each other in one line";
/// Which of the outputs of which layer: by name, and by place.
type Source<'v> = (&'v str, u64);

impl Description {
    /// The layers of a Functional model in the order in which they run, each with the place of its output that is read;
    /// each must be given what the one before it gives, and nothing else. `outputs` are those of the model.
    pub(super) fn chain(
        &mut self,
        layers: &[Object],
        outputs: &Value,
        is_outermost: bool,
    ) -> Result<Vec<(usize, u64)>, String> {
        let mut order = order_of(layers)?;
        let mut given = Vec::new();
        sources_of(outputs, MAX_DEPTH, &mut given);
        let Some((last, output)) = order.last_mut() else {
            return Ok(order);
        };
        let last = layers[*last].name();
        let answer = given.iter().position(|(name, _)| *name == last);
        match answer {
            Some(at) => *output = given.remove(at).1,
            None if given.is_empty() => {}
            None => {
                return Err(format!(
                    "found layer {last} behind those that answer, {IN_LINE}"
                ));
            }
        }
        // A model within another is read by the place of its output.
        if answer.is_some_and(|at| at > 0) && !is_outermost {
            return Err(format!(
                "found a model within the model that answers before layer {last}, {IN_LINE}"
            ));
        }
        for (name, output) in given {
            let what = if output == 0 { "what" } else { "a state that" };
            let note = format!("the model also answers {what} layer {name} gives: left out");
            self.notes.push(note);
        }
        Ok(order)
    }
}

/// The order in which layers run that are each given what the one before them gives, and the place of the output that
/// the next one reads.
fn order_of(layers: &[Object]) -> Result<Vec<(usize, u64)>, String> {
    let mut next = BTreeMap::new();
    let mut first = None;
    // What a Masking computes of the steps for the layers above it, which read them all here.
    let is_masked = layers.iter().any(|layer| layer.class_name == "Masking");
    let is_mask =
        |layer: &Object| is_masked && ["NotEqual", "Any"].contains(&&layer.class_name[..]);
    let masks = layers.iter().filter(|layer| is_mask(layer)).count();
    for (index, layer) in layers.iter().enumerate() {
        if is_mask(layer) {
            continue;
        }
        let mut sources = Vec::new();
        sources_of(&layer.inbound_nodes, MAX_DEPTH, &mut sources);
        let is_new = match &sources[..] {
            [] => first.replace(index).is_none(),
            [(source, output)] => next.insert(*source, (index, *output)).is_none(),
            _ => false,
        };
        if !is_new {
            return Err(format!(
                "found layer {} beside or between others, {IN_LINE}",
                layer.name()
            ));
        }
    }
    let mut order: Vec<(usize, u64)> = Vec::new();
    let mut at = first.map(|index| (index, 0));
    while let Some((index, read)) = at {
        if let Some((_, output)) = order.last_mut() {
            *output = read;
        }
        order.push((index, 0));
        // Each source is taken once, so the chain ends.
        at = next.remove(layers[index].name());
    }
    match order.len() + masks == layers.len() {
        true => Ok(order),
        false => Err(format!("found layers that nothing leads to, {IN_LINE}")),
    }
}

/// The layers that a layer is given: `["name", node, tensor, ...]` in Keras 2, and the same under
/// `keras_history` in Keras 3.
fn sources_of<'v>(value: &'v Value, depth: usize, sources: &mut Vec<Source<'v>>) {
    let Some(depth) = depth.checked_sub(1) else {
        return;
    };
    match value {
        Value::Array(values) => match &values[..] {
            [
                Value::String(name),
                Value::Number(_),
                Value::Number(output),
                rest @ ..,
            ] => {
                sources.push((name, output.as_u64().unwrap_or(u64::MAX)));
                rest.iter().for_each(|v| sources_of(v, depth, sources));
            }
            values => values.iter().for_each(|v| sources_of(v, depth, sources)),
        },
        Value::Object(fields) => {
            let fields = fields.iter().filter(|(key, _)| *key != "mask");
            fields.for_each(|(_, v)| sources_of(v, depth, sources));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interchange::context::Context;

    #[test]
    fn layers_that_do_not_follow_each_other_are_refused() {
        let layer = |name: &str, sources: &str| {
            let json = format!(
                r#"{{"class_name": "LSTM", "config": {{"name": "{name}"}}, "inbound_nodes": [{sources}]}}"#
            );
            serde_json::from_str::<Object>(&json).unwrap()
        };
        // As in Keras 2, and as in Keras 3.
        let (a, b) = (
            r#"[["a", 0, 0, {}]]"#,
            r#"{"args": [{"config": {"keras_history": ["b", 0, 0]}}]}"#,
        );
        let order = order_of(&[layer("c", b), layer("a", ""), layer("b", a)]);
        assert_eq!(order, Ok(vec![(1, 0), (2, 0), (0, 0)]));
        let state = r#"[["a", 0, 1, {}]]"#;
        let order = order_of(&[layer("a", ""), layer("b", state)]);
        assert_eq!(order, Ok(vec![(0, 1), (1, 0)]));
        let both = format!("{a}, {b}");
        for layers in [
            vec![layer("a", ""), layer("b", a), layer("c", a)],
            vec![layer("a", ""), layer("b", a), layer("c", &both)],
            vec![layer("a", ""), layer("b", "")],
            vec![layer("a", ""), layer("b", b)],
            vec![layer("b", b)],
        ] {
            assert!(order_of(&layers).unwrap_err().contains("in one line"));
        }
    }

    /// A Functional model of one LSTM that gives its states, and a dense layer that reads its output of this place.
    fn stateful(sequences: bool, read: u64, outputs: &str) -> Result<Description, String> {
        let json = format!(
            r#"{{"class_name": "Functional", "config": {{"output_layers": {outputs}, "layers": [
                {{"class_name": "InputLayer", "config": {{"name": "i", "batch_shape": [null, 40]}}, "inbound_nodes": []}},
                {{"class_name": "Embedding", "config": {{"name": "e"}}, "inbound_nodes": [[["i", 0, 0, {{}}]]]}},
                {{"class_name": "LSTM", "config": {{"name": "a", "return_state": true,
                    "return_sequences": {sequences}}}, "inbound_nodes": [[["e", 0, 0, {{}}]]]}},
                {{"class_name": "Dense", "config": {{"name": "d"}}, "inbound_nodes": [[["a", 0, {read}, {{}}]]]}}
            ]}}}}"#
        );
        Description::parse(json.as_bytes())
    }

    /// The hidden state is the output of the last step; the cell state is another number.
    #[test]
    fn states_of_a_recurrent_layer() {
        let of = |sequences, read| {
            let description = stateful(sequences, read, r#"["d", 0, 0]"#)?;
            assert!(description.notes().is_empty());
            description.text()
        };
        assert_eq!(of(true, 0), Ok(Context::Carried));
        assert_eq!(of(false, 0), Ok(Context::Window(40)));
        assert_eq!(of(true, 1), Ok(Context::Window(40)));
        let refused = of(true, 2).unwrap_err();
        assert!(
            refused.contains("the cell state of layer a (LSTM) is read"),
            "{refused}"
        );
        let told = stateful(true, 0, r#"[["d", 0, 0], ["a", 0, 1], ["a", 0, 0]]"#).unwrap();
        assert_eq!(
            told.notes(),
            [
                "the model also answers a state that layer a gives: left out",
                "the model also answers what layer a gives: left out"
            ]
        );
        let refused = stateful(true, 0, r#"["a", 0, 0]"#).unwrap_err();
        assert!(
            refused.contains("found layer d behind those that answer"),
            "{refused}"
        );
    }
}
