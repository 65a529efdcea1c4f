//! The layers of a file as a plan has them: gates, matrices and biases as they lie here.

use super::parts::{Layout, Linear, Recurrent, Tensors};
use crate::interchange::plan::{self, End, Piece, within};
use crate::network::config::CellKind;
use crate::network::sensor::Cell;
use lstm_core::MAX_DENSE_WIDTH;
use lstm_core::MAX_HIDDEN;

/// Keras's name for the setting that tells its two GRUs apart.
const RESET_AFTER: &str = "reset_after";

/// A recurrent layer of a file; `reset_after` is Keras's setting of a GRU, where the file tells it.
///
/// # Errors
/// Its tensors do not fit each other.
pub(in crate::interchange) fn recurrent(
    layer: &Recurrent,
    tensors: &Tensors,
    reset_after: Option<bool>,
    notes: &mut Vec<String>,
) -> Result<plan::Recurrent, String> {
    let config = layer.config(tensors)?;
    let (gates, hidden) = (config.cell.gates().len(), config.hidden);
    within(&layer.w_hh, "hidden units", hidden, MAX_HIDDEN)?;
    let columns = gates * hidden;
    let cell = match (config.cell, layer.layout, &layer.biases[..]) {
        (CellKind::Gru, Layout::InOut, biases) => {
            let found = biases.first().map(|bias| tensors[bias].shape.len() == 2);
            if reset_after.is_none() && found.is_none() {
                notes.push(format!(
                    "layer {} has no bias, which would tell where its reset gate is: taken as {RESET_AFTER}=True",
                    layer.name
                ));
            }
            match reset_after.or(found).unwrap_or(true) {
                true => Cell::Gru,
                false => Cell::GruResetBefore,
            }
        }
        (cell, ..) => cell.into(),
    };
    let order: Vec<usize> = match (layer.layout, config.cell.framework()) {
        (Layout::InOut, Some(framework)) => framework.keras_gates.to_vec(),
        _ => (0..gates).collect(),
    };
    let matrix = |name: &str, rows: usize, columns: usize| {
        let piece = Piece::of(tensors, name);
        Ok::<_, String>(match layer.layout {
            Layout::InOut => {
                piece.expect(&[rows, columns])?;
                piece.gates(gates, &order)
            }
            Layout::OutIn => {
                piece.expect(&[columns, rows])?;
                piece.transposed()
            }
        })
    };
    let [input, _] = layer.widths(tensors);
    let vector = |name: &String| {
        let piece = Piece::of(tensors, name);
        piece.expect(&[columns])?;
        Ok::<_, String>(piece.gates(gates, &order))
    };
    let (bias, recurrent_bias) = match (cell, layer.layout, &layer.biases[..]) {
        (Cell::Gru, _, []) => (Piece::zeros(columns), Some(Piece::zeros(columns))),
        (_, _, []) => (Piece::zeros(columns), None),
        (Cell::Gru, Layout::InOut, [both]) => {
            let both = Piece::of(tensors, both);
            both.expect(&[2, columns])?;
            let row = |row| both.row(row).gates(gates, &order);
            (row(0), Some(row(1)))
        }
        (Cell::Gru, Layout::OutIn, [input, recurrent]) => {
            (vector(input)?, Some(vector(recurrent)?))
        }
        (_, Layout::InOut, [bias]) => {
            let found = &tensors[bias].shape;
            if *found == [2 * columns] {
                return Err(format!(
                    "tensor {bias} has shape {found:?}, two biases as in a CuDNN layer, expected [{columns}]: load \
                     its weights into a layer without CuDNN and save that"
                ));
            }
            (vector(bias)?, None)
        }
        (_, Layout::OutIn, [input, recurrent]) => (vector(input)?.plus(&vector(recurrent)?), None),
        (_, _, biases) => {
            return Err(format!(
                "found {} alone, expected both biases or none",
                biases.join(" + ")
            ));
        }
    };
    let output = config.output();
    let projection = layer.projection.as_deref();
    Ok(plan::Recurrent {
        name: layer.name.clone(),
        cell,
        hidden,
        w_ih: matrix(&layer.w_ih, input, columns)?,
        w_hh: matrix(&layer.w_hh, output, columns)?,
        bias,
        recurrent_bias,
        projection: projection
            .map(|name| match layer.layout {
                Layout::InOut => Err(format!("found {name}, expected no projection of Keras's")),
                Layout::OutIn => {
                    let piece = Piece::of(tensors, name);
                    piece.expect(&[output, hidden])?;
                    Ok(piece.transposed())
                }
            })
            .transpose()?,
    })
}

/// A dense layer of a file.
///
/// # Errors
/// Its tensors do not fit each other.
pub(in crate::interchange) fn dense(
    linear: &Linear,
    tensors: &Tensors,
    end: End,
) -> Result<plan::Dense, String> {
    let [input, output] = linear.layout.in_out(&tensors[&linear.weight].shape);
    within(&linear.weight, "outputs", output, MAX_DENSE_WIDTH)?;
    let weight = Piece::of(tensors, &linear.weight);
    let weight = match linear.layout {
        Layout::InOut => weight,
        Layout::OutIn => weight.transposed(),
    };
    weight.expect(&[input, output])?;
    let bias = match &linear.bias {
        Some(name) => Piece::of(tensors, name),
        None => Piece::zeros(output),
    };
    bias.expect(&[output])?;
    Ok(plan::Dense {
        name: linear.name.clone(),
        weight,
        bias,
        end,
        is_identity: false,
    })
}
