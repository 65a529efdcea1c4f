//! The state of a network as a picture needs it: a small number for each unit.

use lstm_core::{LayerShape, MAX_HIDDEN, MAX_LAYERS, Memory, Session};

/// The most units that a model has: h and c of each layer.
pub(crate) const MOST: usize = MAX_LAYERS * 2 * MAX_HIDDEN;

/// What is written for 1.
const ONE: f32 = 127.0;

/// Writes a signed byte for each unit of the session's state, in units of 1/127, and gives their number: of
/// each layer `h`, then `c`. What may be beyond 1, the cell state of an LSTM and what a projection gives, is
/// written as its tanh.
pub(crate) fn write<M: Memory>(session: &Session<'_, M>, to: &mut [u8]) -> usize {
    let mut state = [0; MOST * size_of::<f32>()];
    let state = state.get_mut(..session.state_bytes()).unwrap_or_default();
    if session.save(state).is_err() {
        return 0;
    }
    let model = session.model();
    let (hidden_bytes, cell_bytes) = model.format().state_element_bytes();
    let mut rest = &*state;
    let mut to = to.iter_mut();
    let mut written = 0;
    for shape in model.layers() {
        for (units, bytes, scale) in [
            (shape.output(), hidden_bytes, hidden_scale(shape)),
            (shape.hidden.into(), cell_bytes, cell_scale(shape)),
        ] {
            let (part, next) = rest.split_at_checked(units * bytes).unwrap_or_default();
            rest = next;
            for (element, to) in part.chunks_exact(bytes).zip(&mut to) {
                *to = (scale.apply(element) * ONE) as i8 as u8;
                written += 1;
            }
        }
    }
    written
}

/// What an element of a state means.
struct Scale {
    /// What stands for 1 in the integer formats.
    one: f32,
    /// Whether it may be beyond 1.
    is_open: bool,
}

fn hidden_scale(shape: &LayerShape) -> Scale {
    match shape.projection {
        Some(_) => Scale {
            one: 16.0,
            is_open: true,
        },
        None => Scale {
            one: 127.0,
            is_open: false,
        },
    }
}

fn cell_scale(shape: &LayerShape) -> Scale {
    match shape.cell.has_unit_cell_state() {
        true => Scale {
            one: 16384.0,
            is_open: false,
        },
        false => Scale {
            one: 2048.0,
            is_open: true,
        },
    }
}

impl Scale {
    /// A number from -1 to 1, of the bytes of an element.
    fn apply(&self, element: &[u8]) -> f32 {
        let value = match *element {
            [h] => f32::from(h as i8) / self.one,
            [a, b] => f32::from(i16::from_le_bytes([a, b])) / self.one,
            [a, b, c, d] => f32::from_le_bytes([a, b, c, d]),
            _ => 0.0,
        };
        match self.is_open {
            true => libm::tanhf(value),
            false => value,
        }
    }
}
