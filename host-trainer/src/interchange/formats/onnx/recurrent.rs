//! The nodes LSTM and GRU.

use super::array::{Array, Budget};
use super::message::Node;
use crate::interchange::plan::{Piece, Recurrent, within};
use crate::network::sensor::Cell;
use lstm_core::MAX_HIDDEN;

/// The layer of a node with these weights: `[1, G H, in]`, `[1, G H, H]`, and perhaps `[1, 2 G H]`.
///
/// # Errors
/// It computes something else than a layer here, or its weights do not fit each other.
pub(super) fn layer(
    node: &Node,
    w: &Array,
    r: &Array,
    b: Option<&Array>,
    budget: &Budget,
) -> Result<Recurrent, String> {
    let label = node.label();
    let is_lstm = node.op_type == "LSTM";
    let direction = node
        .attribute("direction")
        .map_or(&b"forward"[..], |a| &a.s);
    if direction != b"forward" {
        return Err(format!(
            "{label} has direction {}, expected forward: a chip has not the values that are still to come",
            String::from_utf8_lossy(direction)
        ));
    }
    let usual: &[&str] = match is_lstm {
        true => &["sigmoid", "tanh", "tanh"],
        false => &["sigmoid", "tanh"],
    };
    let found = node.attribute("activations").map(|a| {
        let names = a.strings.iter();
        let names = names.map(|name| String::from_utf8_lossy(name).to_lowercase());
        names.collect::<Vec<_>>()
    });
    if let Some(found) = found.filter(|found| !found.is_empty() && found != usual) {
        return Err(format!(
            "{label} has activations {}, expected {}",
            found.join(", "),
            usual.join(", ")
        ));
    }
    if node.attribute("clip").is_some() {
        return Err(format!("{label} clips its sums, expected no clip"));
    }
    let (gates, cell, order): (usize, Cell, &[usize]) = match is_lstm {
        // ONNX has i, o, f, c.
        true if node.int("input_forget", 0) != 0 => (4, Cell::Cifg, &[0, 3, 1]),
        true => (4, Cell::Lstm, &[0, 2, 3, 1]),
        // ONNX has z, r, h.
        false if node.int("linear_before_reset", 0) != 0 => (3, Cell::Gru, &[1, 0, 2]),
        false => (3, Cell::GruResetBefore, &[1, 0, 2]),
    };
    let hidden = r.shape.last().copied().unwrap_or(0);
    within(&label, "hidden units", hidden, MAX_HIDDEN)?;
    let told = node.int("hidden_size", hidden as i64);
    if usize::try_from(told) != Ok(hidden) {
        return Err(format!(
            "{label} has hidden_size {told}, and its recurrent weights {} {:?}, expected those of {told}",
            r.from, r.shape
        ));
    }
    let columns = gates * hidden;
    let matrix = |array: &Array, input: usize| {
        let piece = piece(array);
        piece.expect(&[1, columns, input])?;
        let turned = array
            .reshape(vec![columns, input])
            .and_then(|array| array.transpose(&[1, 0], budget))
            .ok_or_else(|| format!("tensor {} is too large", array.from))?;
        let mut turned = self::piece(&turned);
        turned.from = format!("{}, transposed", array.from);
        Ok::<_, String>(turned.gates(gates, order))
    };
    let input = w.shape.last().copied().unwrap_or(0);
    let (w_ih, w_hh) = (matrix(w, input)?, matrix(r, hidden)?);
    let biases = match b {
        None => None,
        Some(b) => {
            piece(b).expect(&[1, 2 * columns])?;
            let half = |at: usize| {
                let half = Piece {
                    shape: vec![columns],
                    values: b.values[at * columns..][..columns].to_vec(),
                    from: format!("{}, half {}", b.from, at + 1),
                };
                half.gates(gates, order)
            };
            Some([half(0), half(1)])
        }
    };
    let own = order.len() * hidden;
    let (bias, recurrent_bias) = match (cell, biases) {
        (Cell::Gru, None) => (Piece::zeros(own), Some(Piece::zeros(own))),
        (_, None) => (Piece::zeros(own), None),
        (Cell::Gru, Some([input, recurrent])) => (input, Some(recurrent)),
        (_, Some([input, recurrent])) => (input.plus(&recurrent), None),
    };
    Ok(Recurrent {
        name: label,
        cell,
        hidden,
        w_ih,
        w_hh,
        bias,
        recurrent_bias,
        projection: None,
    })
}

fn piece(array: &Array) -> Piece {
    Piece {
        shape: array.shape.clone(),
        values: array.values.clone(),
        from: array.from.clone(),
    }
}
