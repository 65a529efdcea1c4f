//! Every check of a file after its checksum, in the order of `docs/FORMAT.md`.

use crate::format::{
    ARRAY_ALIGN, COLUMN_ALIGN, Format, LayerShape, Layers, MAX_DEAD_ZONE, MAX_HIDDEN,
    MAX_INTEGER_COLUMNS, MAX_LAYERS, MAX_WINDOW, ModelError, Ngrams, Order, Payload, Row,
    VerifiedFile, WeightFormat, round_up,
};
use crate::layout::{Arrays, Gates, Matrix};
use crate::{Alphabet, Token};
#[cfg(feature = "ngram")]
use crate::{
    format::Description,
    ngram::{Backoff, Embeddings, Lookups},
};

#[cfg(feature = "sensor")]
mod sensor;

#[cfg(feature = "sensor")]
pub(crate) use sensor::Sensor;
#[cfg(feature = "export")]
pub use sensor::sensor_data_bytes;

/// What the checks found.
pub(crate) struct Checked<'m> {
    pub(crate) name: &'m str,
    /// Without symbols if the model reads values.
    pub(crate) alphabet: Alphabet<'m>,
    pub(crate) window: Option<u16>,
    pub(crate) format: Format,
    pub(crate) dead_zone: u8,
    pub(crate) layers: Layers,
    /// The data of the description.
    pub(crate) data: &'m [u32],
    pub(crate) golden: Option<u32>,
    #[cfg(feature = "sensor")]
    pub(crate) sensor: Sensor<'m>,
    #[cfg(feature = "ngram")]
    pub(crate) lookups: Lookups<'m>,
}

/// Checks all that a step relies on: after it nothing can fail.
///
/// # Errors
///
/// For the first check that fails.
pub(crate) fn check<'m>(file: &VerifiedFile<'m>) -> Result<Checked<'m>, ModelError> {
    #[cfg(feature = "sensor")]
    if file.head.version == crate::format::SENSOR_VERSION {
        return sensor::check(file);
    }
    let Payload {
        description,
        ngrams,
        golden,
    } = Payload::decode(file.head.version, file.payload)?;
    check_padding(description.padding)?;
    check_ngram_paddings(&ngrams)?;
    check_format(description.format)?;
    let alphabet = Alphabet::new(description.symbols, description.fold_case)?;
    check_window(description.window)?;
    check_order(description.format, description.order)?;
    let (format, layers) = (description.format, &description.layers[..]);
    let expected = data_bytes(format, alphabet.len(), layers)?;
    let data = aligned_words(description.data, expected)?;
    let dead_zone = description.order.dead_zone();
    let arrays = Arrays::new(format, COLUMN_ALIGN, dead_zone, alphabet.len(), data);
    check_ranges(arrays, layers, alphabet.len())?;
    Ok(Checked {
        #[cfg(feature = "ngram")]
        lookups: check_ngrams(&ngrams, &description, alphabet.len())?,
        #[cfg(feature = "sensor")]
        sensor: Sensor::of_text(&alphabet),
        name: description.name,
        alphabet,
        window: description.window,
        format,
        dead_zone,
        layers: description.layers,
        data,
        golden,
    })
}

fn check_ngram_paddings(ngrams: &Ngrams<'_>) -> Result<(), ModelError> {
    let embeddings = ngrams.embeddings.iter().map(|section| section.padding);
    let backoff = ngrams.backoff.iter().map(|section| section.padding);
    embeddings.chain(backoff).try_for_each(check_padding)
}

/// Checks the n-gram sections of a model whose shapes are sound.
#[cfg(feature = "ngram")]
fn check_ngrams<'m>(
    ngrams: &Ngrams<'m>,
    description: &Description<'_>,
    num_symbols: usize,
) -> Result<Lookups<'m>, ModelError> {
    if description.format == Format::F32 && !ngrams.is_empty() {
        return Err(ModelError::NgramFormat {
            found: description.format,
        });
    }
    let width = |layer: Option<&LayerShape>| layer.map_or(0, |layer| layer.output());
    let first = width(description.layers.first());
    let columns = round_up(width(description.layers.last()), COLUMN_ALIGN);
    let embeddings = ngrams.embeddings.as_ref();
    let backoff = ngrams.backoff.as_ref();
    Ok(Lookups {
        embeddings: match embeddings {
            Some(section) => Some(Embeddings::new(first, section)?),
            None => None,
        },
        backoff: match backoff {
            Some(section) => Some(Backoff::new(num_symbols, columns, section)?),
            None => None,
        },
    })
}

fn check_padding(padding: &[u8]) -> Result<(), ModelError> {
    match padding.len() < ARRAY_ALIGN && padding.iter().all(|&byte| byte == 0) {
        true => Ok(()),
        false => Err(ModelError::Description),
    }
}

fn check_format(found: Format) -> Result<(), ModelError> {
    match found.is_built() {
        true => Ok(()),
        false => Err(ModelError::Format { found }),
    }
}

fn check_window(window: Option<u16>) -> Result<(), ModelError> {
    match window.map(usize::from) {
        None | Some(1..=MAX_WINDOW) => Ok(()),
        Some(found) => Err(ModelError::Window { found }),
    }
}

fn check_order(format: Format, found: Order) -> Result<(), ModelError> {
    let dead_zone = found.dead_zone();
    if found != Order::of(format, dead_zone) {
        return Err(ModelError::Order { found });
    }
    if dead_zone > MAX_DEAD_ZONE {
        return Err(ModelError::DeadZone { found: dead_zone });
    }
    Ok(())
}

/// Bytes of a model's data with so many symbols and these layers, from the input up.
///
/// # Errors
///
/// [`ModelError::Layers`], [`ModelError::Hidden`], [`ModelError::Projection`],
/// [`ModelError::Columns`].
pub fn data_bytes(
    format: Format,
    num_symbols: usize,
    layers: &[LayerShape],
) -> Result<usize, ModelError> {
    let mut arrays = Arrays::new(format, COLUMN_ALIGN, 0, num_symbols, &[]);
    check_shapes(format, &mut arrays, layers)?;
    arrays.dense(num_symbols);
    Ok(arrays.bytes())
}

/// Checks the shapes of the layers, and takes their arrays.
fn check_shapes(
    format: Format,
    arrays: &mut Arrays<'_>,
    layers: &[LayerShape],
) -> Result<(), ModelError> {
    if layers.is_empty() || layers.len() > MAX_LAYERS {
        let found = layers.len();
        return Err(ModelError::Layers { found });
    }
    for &shape in layers {
        check_shape(format, arrays, shape)?;
        arrays.layer(shape, Token::default());
    }
    Ok(())
}

/// Checks the layer whose arrays are the next.
fn check_shape(format: Format, arrays: &Arrays<'_>, shape: LayerShape) -> Result<(), ModelError> {
    let input = arrays.input();
    if !shape.cell.is_built() {
        return Err(ModelError::Cell { found: shape.cell });
    }
    let hidden = usize::from(shape.hidden);
    if hidden == 0 || hidden > MAX_HIDDEN {
        return Err(ModelError::Hidden { found: hidden });
    }
    let output = shape.output();
    if output == 0 || output > hidden {
        return Err(ModelError::Projection {
            found: output,
            hidden,
        });
    }
    #[cfg(feature = "sensor")]
    if shape.cell.resets_before_product() && shape.projection.is_some() {
        return Err(ModelError::ProjectedCell { found: shape.cell });
    }
    let columns = match shape.cell.takes_products_apart() {
        true => input.max(output),
        false => input + output,
    };
    let widest = round_up(columns, arrays.column_align()).max(hidden);
    if format != Format::F32 && widest > MAX_INTEGER_COLUMNS {
        return Err(ModelError::Columns { found: widest });
    }
    Ok(())
}

/// The data as words, where they are as long as expected and aligned.
fn aligned_words(data: &[u8], expected: usize) -> Result<&[u32], ModelError> {
    let found = data.len();
    if found != expected {
        return Err(ModelError::Weights { found, expected });
    }
    bytemuck::try_cast_slice(data).map_err(|_| ModelError::Alignment {
        found: data.as_ptr().addr() % ARRAY_ALIGN,
    })
}

/// Checks that no row's sum can leave 32 bits.
fn check_ranges(
    mut arrays: Arrays<'_>,
    layers: &[LayerShape],
    num_symbols: usize,
) -> Result<(), ModelError> {
    let mut first_row = 0;
    check_layer_ranges(&mut arrays, layers, &mut first_row)?;
    check_rows(&arrays.dense(num_symbols), &mut first_row)
}

/// Checks those of the layers.
#[inline(always)]
fn check_layer_ranges(
    arrays: &mut Arrays<'_>,
    layers: &[LayerShape],
    first_row: &mut usize,
) -> Result<(), ModelError> {
    for &shape in layers {
        let layer = arrays.layer(shape, Token::default());
        match &layer.gates {
            Gates::Summed(matrix) => check_rows(matrix, first_row)?,
            Gates::Apart { input, recurrent } => {
                check_rows(input, first_row)?;
                check_rows(recurrent, first_row)?;
            }
            #[cfg(feature = "sensor")]
            Gates::ByGate(matrices) => {
                for matrix in matrices {
                    check_rows(matrix, first_row)?;
                }
            }
        }
        if let Some(projection) = layer.projection {
            check_rows(&projection, first_row)?;
        }
    }
    Ok(())
}

/// `first_row` is the number of rows before the matrix, and then of those up to its end.
fn check_rows(matrix: &Matrix<'_>, first_row: &mut usize) -> Result<(), ModelError> {
    if matrix.format == WeightFormat::F32 {
        return Ok(());
    }
    let parameters = matrix.parameters().as_flattened();
    for (row, &words) in parameters.iter().enumerate() {
        if !Row::from_words(words).in_range(matrix.sum_abs(row)) {
            return Err(ModelError::RowRange {
                row: *first_row + row,
            });
        }
    }
    *first_row += parameters.len();
    Ok(())
}
