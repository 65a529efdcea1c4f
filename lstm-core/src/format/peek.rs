#[cfg(feature = "sensor")]
use super::{Activation, DenseShape, MAX_DENSE_LAYERS, SENSOR_VERSION};
use super::{CellKind, Format, HEAD_BYTES, LayerShape, MAX_LAYERS, NGRAM_VERSION, reads_version};

/// The shape of a model, read from its file by the compiler, so that a firmware that includes a
/// model knows its RAM as a constant.
///
/// ```
/// use lstm_core::{Aligned, Model, ModelShape, Session, Workspace};
///
/// # const FILE: &Aligned<[u8]> =
/// #     &Aligned(*include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tiny.lstm")));
/// # /*
/// const FILE: &Aligned<[u8]> = &Aligned(*include_bytes!("model.lstm"));
/// # */
/// const SHAPE: ModelShape = ModelShape::of(&FILE.0).expect("a .lstm file");
///
/// let mut workspace = Workspace::<{ SHAPE.words() }, { SHAPE.num_symbols() }>::new();
/// let session = Session::new(Model::from_bytes(&FILE.0)?, &mut workspace)?;
/// # Ok::<(), lstm_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModelShape {
    format: Format,
    num_symbols: usize,
    window: usize,
    layers: [LayerShape; MAX_LAYERS],
    num_layers: usize,
    has_ngrams: bool,
    #[cfg(feature = "sensor")]
    channels: usize,
    #[cfg(feature = "sensor")]
    dense: [DenseShape; MAX_DENSE_LAYERS],
    #[cfg(feature = "sensor")]
    num_dense: usize,
    #[cfg(feature = "sensor")]
    num_outputs: usize,
}

impl ModelShape {
    /// The shape that a file describes; `None` if these bytes do not begin as a file does. That
    /// the rest of the file is sound is for [`Model::from_bytes`](crate::Model::from_bytes) to say.
    pub const fn of(file: &[u8]) -> Option<Self> {
        let mut reader = Reader {
            bytes: file,
            at: HEAD_BYTES,
        };
        let version = match file {
            [b'L', b'S', b'T', b'M', low, high, ..] => u16::from_le_bytes([*low, *high]),
            _ => return None,
        };
        if file.len() < HEAD_BYTES || !reads_version(version) {
            return None;
        }
        // The fields of a `Description` or a `SensorDescription`, in their order.
        let Some(_name) = reader.characters() else {
            return None;
        };
        let Some(input) = reader.input(version) else {
            return None;
        };
        let Some(window) = reader.option() else {
            return None;
        };
        #[cfg(feature = "sensor")]
        if version == SENSOR_VERSION && reader.varint().is_none() {
            return None;
        }
        let format = match reader.varint() {
            Some(0) => Format::F32,
            Some(1) => Format::Int8,
            Some(2) => Format::Int4,
            _ => return None,
        };
        match reader.varint() {
            Some(0) => {}
            Some(1) => reader.at += 1,
            _ => return None,
        }
        let num_layers = match reader.varint() {
            Some(count) if count <= MAX_LAYERS => count,
            _ => return None,
        };
        let mut layers = [LayerShape::lstm(0); MAX_LAYERS];
        let mut i = 0;
        while i < num_layers {
            let (Some(cell), Some(hidden), Some(projection)) =
                (reader.varint(), reader.varint(), reader.option())
            else {
                return None;
            };
            let Some(cell) = CellKind::of_index(cell) else {
                return None;
            };
            layers[i] = LayerShape {
                cell,
                hidden: hidden as u16,
                projection: match projection {
                    Some(width) => Some(width as u16),
                    None => None,
                },
            };
            i += 1;
        }
        #[cfg(feature = "sensor")]
        let (mut dense, mut num_dense, mut num_outputs) = (
            [DenseShape::new(0, Activation::Linear); MAX_DENSE_LAYERS],
            0,
            input.num_symbols,
        );
        #[cfg(feature = "sensor")]
        if version == SENSOR_VERSION {
            num_dense = match reader.varint() {
                Some(count) if count <= MAX_DENSE_LAYERS => count,
                _ => return None,
            };
            let mut i = 0;
            while i < num_dense {
                let (Some(width), Some(activation)) = (reader.varint(), reader.varint()) else {
                    return None;
                };
                let Some(activation) = Activation::of_index(activation) else {
                    return None;
                };
                dense[i] = DenseShape::new(width as u16, activation);
                i += 1;
            }
            match reader.varint() {
                Some(0) => {}
                Some(1 | 2) => match reader.lines() {
                    Some(lines) => num_outputs = lines,
                    None => return None,
                },
                _ => return None,
            }
        }
        Some(ModelShape {
            format,
            num_symbols: input.num_symbols,
            window: match window {
                Some(length) => length,
                None => 0,
            },
            layers,
            num_layers,
            has_ngrams: version == NGRAM_VERSION,
            #[cfg(feature = "sensor")]
            channels: input.channels,
            #[cfg(feature = "sensor")]
            dense,
            #[cfg(feature = "sensor")]
            num_dense,
            #[cfg(feature = "sensor")]
            num_outputs,
        })
    }

    /// The number format.
    pub const fn format(&self) -> Format {
        self.format
    }

    /// Symbols of the alphabet; 0 for a model that reads values.
    pub const fn num_symbols(&self) -> usize {
        self.num_symbols
    }

    /// What a step gives: symbols, classes or values. It is the `SYMBOLS` of a
    /// [`Workspace`](crate::Workspace) for this model.
    #[cfg(feature = "sensor")]
    pub const fn num_outputs(&self) -> usize {
        self.num_outputs
    }

    /// The channels of a model that reads values; 0 for one that reads symbols.
    #[cfg(feature = "sensor")]
    pub const fn num_channels(&self) -> usize {
        self.channels
    }

    /// The dense layers between the recurrent layers and the head.
    #[cfg(feature = "sensor")]
    pub const fn dense_layers(&self) -> &[DenseShape] {
        self.dense.split_at(self.num_dense).0
    }

    /// The window that the model is run on; 0 for a model that carries its state.
    pub const fn window(&self) -> usize {
        self.window
    }

    /// Whether the model has n-gram sections, so that its state holds the last tokens.
    pub const fn has_ngrams(&self) -> bool {
        self.has_ngrams
    }

    /// The layers, from the input up.
    pub const fn layers(&self) -> &[LayerShape] {
        self.layers.split_at(self.num_layers).0
    }
}

/// What a step reads.
struct PeekedInput {
    num_symbols: usize,
    #[cfg(feature = "sensor")]
    channels: usize,
}

/// Reads postcard in a `const`, where serde cannot.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    const fn byte(&mut self) -> Option<u8> {
        if self.at >= self.bytes.len() {
            return None;
        }
        self.at += 1;
        Some(self.bytes[self.at - 1])
    }

    const fn varint(&mut self) -> Option<usize> {
        let mut value = 0;
        let mut shift = 0;
        while shift < usize::BITS {
            let Some(byte) = self.byte() else {
                return None;
            };
            value |= ((byte & 0x7f) as usize) << shift;
            if byte < 0x80 {
                return Some(value);
            }
            shift += 7;
        }
        None
    }

    const fn option(&mut self) -> Option<Option<usize>> {
        match self.varint() {
            Some(0) => Some(None),
            Some(1) => match self.varint() {
                Some(value) => Some(Some(value)),
                None => None,
            },
            _ => None,
        }
    }

    /// The alphabet, or in version 3 an `Input`.
    const fn input(&mut self, version: u16) -> Option<PeekedInput> {
        #[cfg(feature = "sensor")]
        if version == SENSOR_VERSION {
            match self.varint() {
                Some(0) => {}
                Some(1) => {
                    return match (self.characters(), self.varint()) {
                        (Some(_names), Some(channels)) => Some(PeekedInput {
                            num_symbols: 0,
                            channels,
                        }),
                        _ => None,
                    };
                }
                _ => return None,
            }
        }
        let _ = version;
        match (self.characters(), self.varint()) {
            (Some(num_symbols), Some(_fold_case)) => Some(PeekedInput {
                num_symbols,
                #[cfg(feature = "sensor")]
                channels: 0,
            }),
            _ => None,
        }
    }

    /// The number of lines of a text.
    #[cfg(feature = "sensor")]
    const fn lines(&mut self) -> Option<usize> {
        let Some(mut bytes) = self.varint() else {
            return None;
        };
        let mut lines = 1;
        while bytes > 0 {
            match self.byte() {
                Some(b'\n') => lines += 1,
                Some(_) => {}
                None => return None,
            }
            bytes -= 1;
        }
        Some(lines)
    }

    /// The number of characters of a text in UTF-8.
    const fn characters(&mut self) -> Option<usize> {
        let Some(mut bytes) = self.varint() else {
            return None;
        };
        let mut characters = 0;
        while bytes > 0 {
            match self.byte() {
                // All bytes of a character but its first.
                Some(0x80..0xc0) => {}
                Some(_) => characters += 1,
                None => return None,
            }
            bytes -= 1;
        }
        Some(characters)
    }
}
