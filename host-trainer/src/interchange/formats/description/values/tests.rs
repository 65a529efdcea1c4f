use super::normalization::numbers;
use super::*;
use crate::files::tensors::NamedTensor;
use crate::interchange::plan::Numbers;

/// Why a network of these layers is refused.
fn refusal(layers: &str) -> String {
    let json = format!(
        r#"{{"class_name": "Sequential", "config": {{"layers": [
            {{"class_name": "InputLayer", "config": {{"batch_shape": [null, 40, 3]}}}}, {layers}]}}}}"#
    );
    let description = Description::parse(json.as_bytes()).unwrap();
    description.values(&Tensors::new()).unwrap_err()
}

#[test]
fn what_computes_otherwise_is_refused_by_name() {
    let lstm = |settings: &str| {
        format!(r#"{{"class_name": "LSTM", "config": {{"name": "a", "units": 2, {settings}}}}}"#)
    };
    for (layers, expected) in [
        (
            lstm(r#""recurrent_activation": "hard_sigmoid""#),
            "layer a (LSTM) has recurrent_activation \"hard_sigmoid\", expected \"sigmoid\"",
        ),
        (
            lstm(r#""activation": "relu""#),
            "layer a (LSTM) has activation \"relu\", expected \"tanh\"",
        ),
        (
            lstm(r#""unroll": true"#),
            "found no tensor for layer a (LSTM), expected",
        ),
        (
            r#"{"class_name": "Bidirectional", "config": {"name": "b"}}"#.to_owned(),
            "found layer b (Bidirectional), expected LSTMs and GRUs that read forwards alone",
        ),
        (
            r#"{"class_name": "SimpleRNN", "config": {"name": "s"}}"#.to_owned(),
            "found a layer SimpleRNN (s), expected perhaps a Normalization",
        ),
        (
            r#"{"class_name": "Dense", "config": {"name": "d"}}"#.to_owned(),
            "found no tensor for layer d (Dense), expected the weights of 1",
        ),
        (
            r#"{"class_name": "Normalization", "config": {"name": "n", "axis": [1]}}"#.to_owned(),
            "layer n (Normalization) has axis [1], expected [-1]",
        ),
        (
            r#"{"class_name": "Normalization", "config": {"name": "n", "axis": [-1]}}"#.to_owned(),
            "layer n (Normalization) has no mean and variance in the file",
        ),
        (
            r#"{"class_name": "Dropout", "config": {"name": "n"}}"#.to_owned(),
            "found no recurrent layer",
        ),
    ] {
        let error = refusal(&layers);
        assert!(error.contains(expected), "{error}");
    }
}

/// The network of these layers, whose weights are the places in their tensors.
fn plan(layers: &str, shapes: &[(&str, &[usize])]) -> Plan {
    let json = format!(
        r#"{{"class_name": "Sequential", "config": {{"layers": [
            {{"class_name": "InputLayer", "config": {{"batch_shape": [null, 40, 3]}}}}, {layers}]}}}}"#
    );
    let tensor = |&(name, shape): &(&str, &[usize])| {
        let values = (0..shape.iter().product::<usize>()).map(|at| at as f32);
        let (shape, values) = (shape.to_vec(), values.collect());
        (name.to_owned(), NamedTensor { shape, values })
    };
    let tensors = shapes.iter().map(tensor).collect();
    let description = Description::parse(json.as_bytes()).unwrap();
    description.values(&tensors).unwrap()
}

const LSTM: &str = r#"{"class_name": "LSTM", "config": {"name": "a", "units": 2}}"#;
const LSTM_SHAPES: [(&str, &[usize]); 2] = [
    ("layers/lstm/cell/vars/0", &[3, 8]),
    ("layers/lstm/cell/vars/1", &[2, 8]),
];

#[test]
fn the_identity_follows_a_recurrent_layer_without_a_dense_one() {
    for (behind, end) in [
        ("", End::Of(Activation::Linear)),
        (
            r#", {"class_name": "ReLU", "config": {"name": "r"}}"#,
            End::Of(Activation::Relu),
        ),
        (
            r#", {"class_name": "Softmax", "config": {"name": "s"}}"#,
            End::Softmax,
        ),
    ] {
        let plan = plan(&format!("{LSTM}{behind}"), &LSTM_SHAPES);
        assert_eq!(plan.dense.len(), 1);
        assert_eq!(plan.dense[0].weight.values, [1.0, 0.0, 0.0, 1.0]);
        assert_eq!(plan.dense[0].end, end);
        assert!(plan.notes[0].contains("the identity is one"));
    }
}

#[test]
fn what_scales_the_answer_is_folded_into_the_dense_layer() {
    let dense = r#"{"class_name": "Dense", "config": {"name": "d", "units": 2}}"#;
    let shapes: [(&str, &[usize]); 2] = [
        ("layers/dense/vars/0", &[2, 2]),
        ("layers/dense/vars/1", &[2]),
    ];
    let shapes = [&LSTM_SHAPES[..], &shapes].concat();
    for (behind, weight, bias) in [
        (
            r#""Rescaling", "config": {"name": "r", "scale": 2.0, "offset": 1.0}"#,
            [0.0, 2.0, 4.0, 6.0],
            [1.0, 3.0],
        ),
        (
            r#""Normalization", "config": {"name": "n", "invert": true, "mean": [[1.0, 2.0]], "variance": [[4.0, 9.0]]}"#,
            [0.0, 3.0, 4.0, 9.0],
            [1.0, 5.0],
        ),
    ] {
        let layers = format!(r#"{LSTM}, {dense}, {{"class_name": {behind}}}"#);
        let plan = plan(&layers, &shapes);
        assert_eq!(plan.dense.len(), 1);
        assert_eq!(plan.dense[0].weight.values, weight);
        assert_eq!(plan.dense[0].bias.values, bias);
    }
}

#[test]
fn one_mean_and_one_variance_of_all_channels() {
    let layer = r#"{"class_name": "Normalization", "config": {"name": "n", "axis": [], "mean": 1.0, "variance": 4.0}}"#;
    let plan = plan(&format!("{layer}, {LSTM}"), &LSTM_SHAPES);
    let Input::Values(Some(found)) = plan.input else {
        panic!("no normalization");
    };
    assert_eq!(found.mean, Numbers::Given(vec![1.0]));
    assert_eq!(found.scale, Numbers::Given(vec![0.5]));
}

#[test]
fn each_cell_of_a_stack_finds_its_tensors() {
    let cell = |class: &str, units: usize| {
        format!(r#"{{"class_name": "{class}", "config": {{"name": "{class}", "units": {units}}}}}"#)
    };
    let cells = [cell("LSTMCell", 2), cell("GRUCell", 4), cell("GRUCell", 5)].join(", ");
    let layer = format!(
        r#"{{"class_name": "RNN", "config": {{"name": "r", "cell": {{"class_name": "StackedRNNCells",
            "config": {{"cells": [{cells}]}}}}}}}}"#
    );
    let plan = plan(
        &layer,
        &[
            ("layers/rnn/cell/cells/gru_cell/vars/0", &[2, 12]),
            ("layers/rnn/cell/cells/gru_cell/vars/1", &[4, 12]),
            ("layers/rnn/cell/cells/gru_cell_1/vars/0", &[4, 15]),
            ("layers/rnn/cell/cells/gru_cell_1/vars/1", &[5, 15]),
            ("layers/rnn/cell/cells/lstm_cell/vars/0", &[3, 8]),
            ("layers/rnn/cell/cells/lstm_cell/vars/1", &[2, 8]),
        ],
    );
    let hidden = plan.layers.iter().map(|layer| layer.hidden);
    assert_eq!(hidden.collect::<Vec<_>>(), [2, 4, 5]);
}

#[test]
fn numbers_are_taken_from_lists_within_lists() {
    let value = |json: &str| numbers(&serde_json::from_str(json).unwrap());
    assert_eq!(value("2.5"), Some(vec![2.5]));
    assert_eq!(value("[[[1.0, 2]]]"), Some(vec![1.0, 2.0]));
    let wrapped = r#"{"class_name": "__numpy__", "config": {"value": [3.0]}}"#;
    assert_eq!(value(wrapped), Some(vec![3.0]));
    assert_eq!((value("[]"), value("\"x\"")), (None, None));
}
