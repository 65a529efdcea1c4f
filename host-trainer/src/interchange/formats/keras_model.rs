//! `.keras`: a zip of the weights and of a description, which must be of a network that runs here.

use super::archive::Archive;
use super::{Contents, hdf5};
use serde::Deserialize;
use serde_json::Value;

/// The description's name in the zip file.
pub(super) const CONFIG: &str = "config.json";
const WEIGHTS: &str = "model.weights.h5";

#[derive(Deserialize)]
struct Object {
    class_name: String,
    #[serde(default)]
    config: Value,
}

#[derive(Deserialize)]
struct Model {
    layers: Vec<Object>,
}

pub(super) fn read(archive: &mut Archive) -> Result<Contents, String> {
    let config = archive.read(CONFIG)?;
    let window = check(&config)?;
    Ok(Contents {
        kind: "Keras model",
        tensors: hdf5::read(archive.read(WEIGHTS)?)?,
        window,
        notes: Vec::new(),
    })
}

/// Refuses layers and settings that would compute something else here; returns the window, if the
/// network gives an answer only at its end.
fn check(config: &[u8]) -> Result<Option<usize>, String> {
    let parse = |e| format!("{CONFIG} does not parse ({e}), expected Keras's description");
    let model: Object = serde_json::from_slice(config).map_err(parse)?;
    if !["Sequential", "Functional"].contains(&model.class_name.as_str()) {
        return Err(format!(
            "found a model of class {}, expected Sequential or Functional",
            model.class_name
        ));
    }
    let layers = Model::deserialize(model.config).map_err(parse)?.layers;
    let (mut steps, mut every_step) = (None, true);
    for layer in &layers {
        // What is within a TimeDistributed is applied at every step, as everything is here.
        let inner = Object::deserialize(&layer.config["layer"]).ok();
        let layer = match layer.class_name.as_str() {
            "TimeDistributed" => inner.as_ref().unwrap_or(layer),
            _ => layer,
        };
        let expect = |key: &str, expected: &[Value]| match &layer.config[key] {
            Value::Null => Ok(()),
            found if expected.contains(found) => Ok(()),
            found => {
                let name = layer.config["name"].as_str().unwrap_or("of no name");
                Err(format!(
                    "layer {name} ({}) has {key} {found}, expected {}",
                    layer.class_name, expected[0]
                ))
            }
        };
        match layer.class_name.as_str() {
            "InputLayer" => steps = layer.config["batch_shape"][1].as_u64(),
            "Dropout" | "SpatialDropout1D" | "Softmax" => {}
            "Embedding" => expect("mask_zero", &[false.into()])?,
            "LSTM" => {
                expect("activation", &["tanh".into()])?;
                expect("recurrent_activation", &["sigmoid".into()])?;
                expect("go_backwards", &[false.into()])?;
                every_step = layer.config["return_sequences"] != Value::Bool(false);
            }
            "Dense" | "Activation" => expect("activation", &["softmax".into(), "linear".into()])?,
            other => {
                return Err(format!(
                    "found a layer {other}, expected Embedding, LSTM, Dropout and Dense"
                ));
            }
        }
    }
    let window = steps.filter(|_| !every_step);
    Ok(window.map(|length| usize::try_from(length).unwrap_or(usize::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(layer: &str) -> Result<Option<usize>, String> {
        check(
            format!(
                r#"{{"class_name": "Sequential", "config": {{"layers": [
                    {{"class_name": "InputLayer", "config": {{"batch_shape": [null, 40]}}}},
                    {layer},
                    {{"class_name": "Dense", "config": {{"activation": "softmax"}}}}]}}}}"#
            )
            .as_bytes(),
        )
    }

    #[test]
    fn what_runs_here_is_taken() {
        let lstm = |returns| {
            model(&format!(
                r#"{{"class_name": "LSTM", "config": {{"activation": "tanh",
                    "recurrent_activation": "sigmoid", "return_sequences": {returns}}}}}"#
            ))
        };
        assert_eq!(lstm(true), Ok(None));
        let inner =
            r#"{"class_name": "TimeDistributed", "config": {"layer": {"class_name": "Dense"}}}"#;
        assert_eq!(model(inner), Ok(None));
        assert_eq!(lstm(false), Ok(Some(40)));
    }

    #[test]
    fn what_computes_otherwise_is_refused() {
        for (layer, expected) in [
            (
                r#"{"class_name": "LSTM", "config": {"name": "a", "recurrent_activation": "hard_sigmoid"}}"#,
                "layer a (LSTM) has recurrent_activation \"hard_sigmoid\", expected \"sigmoid\"",
            ),
            (
                r#"{"class_name": "LSTM", "config": {"name": "a", "activation": "relu"}}"#,
                "layer a (LSTM) has activation \"relu\", expected \"tanh\"",
            ),
            (
                r#"{"class_name": "LSTM", "config": {"name": "a", "go_backwards": true}}"#,
                "has go_backwards true, expected false",
            ),
            (
                r#"{"class_name": "Embedding", "config": {"name": "e", "mask_zero": true}}"#,
                "has mask_zero true, expected false",
            ),
            (
                r#"{"class_name": "Dense", "config": {"name": "d", "activation": "relu"}}"#,
                "has activation \"relu\", expected \"softmax\"",
            ),
            (
                r#"{"class_name": "TimeDistributed", "config": {"layer": {"class_name": "Dense",
                    "config": {"name": "t", "activation": "tanh"}}}}"#,
                "layer t (Dense) has activation \"tanh\", expected \"softmax\"",
            ),
            (
                r#"{"class_name": "GRU"}"#,
                "found a layer GRU, expected Embedding, LSTM",
            ),
            (r#"{"class": "LSTM"}"#, "does not parse"),
        ] {
            let error = model(layer).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
