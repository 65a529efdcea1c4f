//! The checks of a file of version 3.

use super::{
    Checked, aligned_words, check_format, check_layer_ranges, check_order, check_padding,
    check_rows, check_shapes, check_window,
};
use crate::Alphabet;
use crate::format::{
    DenseShape, Input, MAX_CHANNELS, MAX_DENSE_LAYERS, MAX_DENSE_WIDTH, ModelError, OutputHead,
    SENSOR_COLUMN_ALIGN, SensorDescription, SensorPayload, VerifiedFile, is_line_end,
};
use crate::layout::Arrays;
#[cfg(feature = "ngram")]
use crate::ngram::Lookups;
use crate::scaling::Scaling;

/// What a model reads and gives, and its dense layers before the head.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sensor<'m> {
    pub(crate) input: Input<'m>,
    pub(crate) head: OutputHead<'m>,
    pub(crate) backwards: bool,
    pub(crate) num_outputs: u16,
    pub(crate) num_dense: u8,
    pub(crate) dense: [DenseShape; MAX_DENSE_LAYERS],
}

impl<'m> Sensor<'m> {
    /// Of a file of version 1 or 2.
    pub(super) fn of_text(alphabet: &Alphabet<'m>) -> Self {
        Sensor {
            input: Input::Symbols {
                symbols: alphabet.symbols(),
                fold_case: alphabet.fold_case(),
            },
            head: OutputHead::Symbols,
            backwards: false,
            num_outputs: alphabet.len() as u16,
            num_dense: 0,
            dense: [DenseShape::default(); MAX_DENSE_LAYERS],
        }
    }
}

/// As [`super::check`].
pub(super) fn check<'m>(file: &VerifiedFile<'m>) -> Result<Checked<'m>, ModelError> {
    let SensorPayload {
        description,
        golden,
    } = SensorPayload::decode(file.payload)?;
    check_padding(description.padding)?;
    check_format(description.format)?;
    let alphabet = check_input(description.input)?;
    let num_outputs = check_head(description.input, description.head, &alphabet)?;
    check_sequence(&description)?;
    check_order(description.format, description.order)?;
    let expected = bytes(&description, &alphabet, num_outputs)?;
    let data = aligned_words(description.data, expected)?;
    check_numbers(&description, &alphabet, num_outputs, data)?;
    let mut dense = [DenseShape::default(); MAX_DENSE_LAYERS];
    for (to, from) in dense.iter_mut().zip(description.dense.iter()) {
        *to = *from;
    }
    Ok(Checked {
        name: description.name,
        alphabet,
        window: description.window,
        format: description.format,
        dead_zone: description.order.dead_zone(),
        data,
        golden,
        #[cfg(feature = "ngram")]
        lookups: Lookups {
            embeddings: None,
            backoff: None,
        },
        sensor: Sensor {
            input: description.input,
            head: description.head,
            backwards: description.backwards,
            num_outputs: num_outputs as u16,
            num_dense: description.dense.len() as u8,
            dense,
        },
        layers: description.layers,
    })
}

/// The alphabet, without symbols for values.
fn check_input(input: Input<'_>) -> Result<Alphabet<'_>, ModelError> {
    match input {
        Input::Symbols { symbols, fold_case } => Alphabet::new(symbols, fold_case),
        Input::Values { channels, count } => {
            let expected = usize::from(count);
            if expected == 0 || expected > MAX_CHANNELS {
                return Err(ModelError::Channels { found: expected });
            }
            let found = channels.split(is_line_end).count();
            if found != expected {
                return Err(ModelError::ChannelNames { found, expected });
            }
            Ok(Alphabet::NONE)
        }
    }
}

/// The number of logits.
fn check_head(
    input: Input<'_>,
    head: OutputHead<'_>,
    alphabet: &Alphabet<'_>,
) -> Result<usize, ModelError> {
    let found = head.names().count();
    match (head, input) {
        (OutputHead::Symbols, Input::Symbols { .. }) => Ok(alphabet.len()),
        (OutputHead::Symbols, Input::Values { .. }) => Err(ModelError::SymbolsHead),
        (OutputHead::Classes { .. }, _) if !(2..=MAX_CHANNELS).contains(&found) => {
            Err(ModelError::Classes { found })
        }
        (OutputHead::Values { .. }, _) if found > MAX_CHANNELS => Err(ModelError::Values { found }),
        _ => Ok(found),
    }
}

/// How a sequence is read.
fn check_sequence(description: &SensorDescription<'_>) -> Result<(), ModelError> {
    let window = description.window;
    let has_values_window = match description.input {
        Input::Symbols { .. } => {
            check_window(window)?;
            false
        }
        Input::Values { .. } if window == Some(0) => {
            return Err(ModelError::ValuesWindow { found: 0 });
        }
        Input::Values { .. } => window.is_some(),
    };
    match description.backwards && !has_values_window {
        true => Err(ModelError::Backwards),
        false => Ok(()),
    }
}

/// Bytes of the data of a description.
///
/// # Errors
///
/// Those of its input, of its head and of its shapes.
#[cfg(feature = "export")]
pub fn sensor_data_bytes(description: &SensorDescription<'_>) -> Result<usize, ModelError> {
    let alphabet = check_input(description.input)?;
    let num_outputs = check_head(description.input, description.head, &alphabet)?;
    bytes(description, &alphabet, num_outputs)
}

fn arrays<'m>(
    description: &SensorDescription<'_>,
    alphabet: &Alphabet<'_>,
    data: &'m [u32],
) -> Arrays<'m> {
    let dead_zone = description.order.dead_zone();
    Arrays::new(
        description.format,
        SENSOR_COLUMN_ALIGN,
        dead_zone,
        alphabet.len(),
        data,
    )
}

fn bytes(
    description: &SensorDescription<'_>,
    alphabet: &Alphabet<'_>,
    num_outputs: usize,
) -> Result<usize, ModelError> {
    let mut arrays = arrays(description, alphabet, &[]);
    if let Input::Values { count, .. } = description.input {
        arrays.channels(count.into());
    }
    check_shapes(description.format, &mut arrays, &description.layers)?;
    for shape in description.dense.iter() {
        let width = usize::from(shape.width);
        if width == 0 || width > MAX_DENSE_WIDTH {
            return Err(ModelError::DenseWidth { found: width });
        }
        arrays.dense(width);
    }
    arrays.dense(num_outputs);
    if let OutputHead::Values { .. } = description.head {
        arrays.scaling(num_outputs);
    }
    Ok(arrays.bytes())
}

/// Checks that no row's sum can leave 32 bits, and that what scales values is finite.
fn check_numbers(
    description: &SensorDescription<'_>,
    alphabet: &Alphabet<'_>,
    num_outputs: usize,
    data: &[u32],
) -> Result<(), ModelError> {
    let mut arrays = arrays(description, alphabet, data);
    let mut rows = 0;
    if let Input::Values { count, .. } = description.input {
        match Scaling::new(arrays.channels(count.into())).not_finite() {
            None => {}
            Some(channel) => return Err(ModelError::ChannelScaling { channel }),
        }
    }
    check_layer_ranges(&mut arrays, &description.layers, &mut rows)?;
    for shape in description.dense.iter() {
        check_rows(&arrays.dense(shape.width.into()), &mut rows)?;
    }
    check_rows(&arrays.dense(num_outputs), &mut rows)?;
    if let OutputHead::Values { .. } = description.head {
        match Scaling::new(arrays.scaling(num_outputs)).not_finite() {
            None => {}
            Some(value) => return Err(ModelError::ValueScaling { value }),
        }
    }
    Ok(())
}
