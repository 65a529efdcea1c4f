//! A model, borrowed from the bytes of its file.

use crate::Alphabet;
#[cfg(feature = "sensor")]
use crate::format::{ARRAY_ALIGN, DenseShape, Input, OutputHead, is_line_end, round_up};
use crate::format::{
    Format, Head, LayerShape, MAX_LAYERS, ModelError, NGRAM_VERSION, VerifiedFile, column_align,
};
use crate::layout::Arrays;
#[cfg(feature = "ngram")]
use crate::ngram::Lookups;
use crate::validate::{self, Checked};
#[cfg(feature = "sensor")]
use crate::{scaling::Scaling, validate::Sensor};

/// Gives its content an alignment of 16 bytes.
///
/// ```
/// use lstm_core::Aligned;
///
/// // In a firmware: Aligned(*include_bytes!("model.lstm"))
/// static FILE: &Aligned<[u8]> = &Aligned(*b"LSTM...");
/// assert_eq!(FILE.0.as_ptr().addr() % 16, 0);
/// ```
#[repr(align(16))]
#[derive(Clone, Copy, Debug)]
pub struct Aligned<T: ?Sized>(
    /// The content.
    pub T,
);

/// A verified model. It borrows its weights from the file, which stays in flash.
///
/// ```
/// use lstm_core::{Aligned, Format, Model};
///
/// const FILE: &Aligned<[u8]> =
///     &Aligned(*include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tiny.lstm")));
/// let model = Model::from_bytes(&FILE.0)?;
/// assert_eq!((model.name(), model.format()), ("tiny", Format::Int8));
/// # Ok::<(), lstm_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Model<'m> {
    name: &'m str,
    alphabet: Alphabet<'m>,
    window: Option<u16>,
    format: Format,
    dead_zone: u8,
    num_layers: u8,
    layers: [LayerShape; MAX_LAYERS],
    data: &'m [u32],
    golden: Option<u32>,
    head: Head,
    #[cfg(feature = "ngram")]
    lookups: Lookups<'m>,
    #[cfg(feature = "sensor")]
    sensor: Sensor<'m>,
}

impl<'m> Model<'m> {
    /// Reads and checks a whole file, which must end where the model ends.
    ///
    /// # Errors
    ///
    /// Every defect has its own [`ModelError`], found in the order that `docs/FORMAT.md` gives:
    /// head, length, checksum, description, format, alphabet, window, order, shapes, length of the
    /// weights, alignment, range of the sums, n-gram sections.
    pub fn from_bytes(bytes: &'m [u8]) -> Result<Self, ModelError> {
        let (found, expected) = (bytes.len(), Head::parse(bytes)?.file_bytes());
        if found > expected {
            return Err(ModelError::TooLong { found, expected });
        }
        Self::from_region(bytes)
    }

    /// Reads and checks the file at the start of a flash region, whatever follows it there.
    ///
    /// # Errors
    ///
    /// As [`Model::from_bytes`], without [`ModelError::TooLong`].
    pub fn from_region(region: &'m [u8]) -> Result<Self, ModelError> {
        let file = VerifiedFile::at_start_of(region)?;
        let Checked {
            name,
            alphabet,
            window,
            format,
            dead_zone,
            layers: shapes,
            data,
            golden,
            #[cfg(feature = "ngram")]
            lookups,
            #[cfg(feature = "sensor")]
            sensor,
        } = validate::check(&file)?;
        let mut layers = [LayerShape::lstm(0); MAX_LAYERS];
        for (layer, shape) in layers.iter_mut().zip(shapes.iter()) {
            *layer = *shape;
        }
        Ok(Model {
            name,
            alphabet,
            window,
            format,
            dead_zone,
            num_layers: shapes.len() as u8,
            layers,
            data,
            golden,
            head: file.head,
            #[cfg(feature = "ngram")]
            lookups,
            #[cfg(feature = "sensor")]
            sensor,
        })
    }

    /// The name that the exporter gave.
    pub fn name(&self) -> &'m str {
        self.name
    }

    /// The alphabet; that of a model that reads values has no symbols.
    pub fn alphabet(&self) -> Alphabet<'m> {
        self.alphabet
    }

    /// The window that the network was trained on, if it was trained without state between windows.
    pub fn window(&self) -> Option<usize> {
        self.window.map(usize::from)
    }

    /// The number format.
    pub fn format(&self) -> Format {
        self.format
    }

    /// A hidden unit's output (in units of 1/127) whose absolute value is below this number counts
    /// as 0 in the layers' sums; see `docs/NUMBERS.md`. 0 in all formats but [`Format::Int4`].
    pub fn dead_zone(&self) -> u8 {
        self.dead_zone
    }

    /// The CRC-32 of the file, which names this model in snapshots.
    pub fn checksum(&self) -> u32 {
        self.head.checksum
    }

    /// The digest of the model's [`Golden`](crate::Golden) text, if the file holds it; of its
    /// golden outputs for a model that gives no symbols.
    pub fn golden(&self) -> Option<u32> {
        self.golden
    }

    /// Bytes of the file.
    pub fn file_bytes(&self) -> usize {
        self.head.file_bytes()
    }

    /// The shapes of the layers, from the input up.
    pub fn layers(&self) -> &[LayerShape] {
        self.layers.get(..self.num_layers.into()).unwrap_or(&[])
    }

    /// Multiply-adds of one character: the weights of all matrices, without padding.
    pub fn multiply_adds(&self) -> usize {
        #[cfg(feature = "sensor")]
        let (mut sum, mut below) = (0, self.num_channels());
        #[cfg(not(feature = "sensor"))]
        let (mut sum, mut below) = (0, 0);
        for shape in self.layers() {
            let (hidden, output) = (usize::from(shape.hidden), shape.output());
            sum += shape.cell.gates() * hidden * (below + output);
            sum += shape.projection.map_or(0, |_| hidden * output);
            below = output;
        }
        #[cfg(feature = "sensor")]
        for shape in self.dense_layers() {
            sum += usize::from(shape.width) * below;
            below = shape.width.into();
        }
        sum + self.num_outputs() * below
    }

    /// The format version of the file: 2 for a model with n-gram sections, 3 for one that reads or gives
    /// values, gives classes or has dense layers before its head, else 1.
    pub fn format_version(&self) -> u16 {
        self.head.version
    }

    /// Whether the model has n-gram sections, so that its state holds the last tokens.
    pub fn has_ngrams(&self) -> bool {
        self.head.version == NGRAM_VERSION
    }

    /// Bytes of the n-gram embeddings and of the back-off table in the file; 0 without one.
    #[cfg(feature = "ngram")]
    pub fn ngram_bytes(&self) -> (usize, usize) {
        self.lookups.bytes()
    }

    #[cfg(feature = "ngram")]
    pub(crate) fn lookups(&self) -> &Lookups<'m> {
        &self.lookups
    }

    /// Bytes of the network: its weights, scales and biases, which each step reads, without n-gram sections, of
    /// which a step reads little.
    pub fn network_bytes(&self) -> usize {
        size_of_val(self.data)
    }

    /// The same model with a copy of its network in `ram`, for a chip that reads RAM faster than flash. N-gram sections
    /// stay where they are. `None` where `ram` is shorter than [`network_bytes`](Self::network_bytes), or its address
    /// no multiple of 4.
    ///
    /// ```
    /// # use lstm_core::{Aligned, Model};
    /// # static FILE: &Aligned<[u8]> = &Aligned(*include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tiny.lstm")));
    /// let model = Model::from_bytes(&FILE.0)?;
    /// let mut ram = Aligned([0; 8192]);
    /// let faster = model.with_network_in(&mut ram.0).expect("room for a tiny network");
    /// assert_eq!(faster.checksum(), model.checksum());
    /// # Ok::<(), lstm_core::Error>(())
    /// ```
    pub fn with_network_in<'r>(&self, ram: &'r mut [u8]) -> Option<Model<'r>>
    where
        'm: 'r,
    {
        let ram = ram.get_mut(..self.network_bytes())?;
        let copy: &mut [u32] = bytemuck::try_cast_slice_mut(ram).ok()?;
        for (to, from) in copy.iter_mut().zip(self.data) {
            *to = *from;
        }
        let mut model: Model<'r> = *self;
        model.data = copy;
        Some(model)
    }

    /// How many logits a step gives: one for each symbol, class or value.
    pub fn num_outputs(&self) -> usize {
        #[cfg(feature = "sensor")]
        return self.sensor.num_outputs.into();
        #[cfg(not(feature = "sensor"))]
        self.alphabet.len()
    }

    /// The arrays from the first layer on.
    pub(crate) fn arrays(&self) -> Arrays<'m> {
        #[cfg(feature = "sensor")]
        return self.arrays_and_channels().0;
        #[cfg(not(feature = "sensor"))]
        self.arrays_of(self.data)
    }

    /// The arrays of these data, from the first on.
    fn arrays_of(&self, data: &'m [u32]) -> Arrays<'m> {
        let (format, align) = (self.format, column_align(self.head.version));
        Arrays::new(format, align, self.dead_zone, self.alphabet.len(), data)
    }
}

#[cfg(feature = "sensor")]
impl<'m> Model<'m> {
    /// What a step reads.
    pub fn input(&self) -> Input<'m> {
        self.sensor.input
    }

    /// The channels of a model that reads values; 0 for one that reads symbols.
    pub fn num_channels(&self) -> usize {
        match self.sensor.input {
            Input::Symbols { .. } => 0,
            Input::Values { count, .. } => count.into(),
        }
    }

    /// The names of the channels, some or all of them empty; none for a model that reads symbols.
    pub fn channels(&self) -> impl Iterator<Item = &'m str> + Clone {
        let names = match self.sensor.input {
            Input::Symbols { .. } => None,
            Input::Values { channels, .. } => Some(channels),
        };
        names.into_iter().flat_map(|names| names.split(is_line_end))
    }

    /// Whether a window of values is run from its newest step to its oldest.
    pub fn reads_backwards(&self) -> bool {
        self.sensor.backwards
    }

    /// The dense layers between the recurrent layers and the head, from below.
    pub fn dense_layers(&self) -> &[DenseShape] {
        let Sensor {
            dense, num_dense, ..
        } = &self.sensor;
        dense.get(..usize::from(*num_dense)).unwrap_or(&[])
    }

    /// What a step gives. Its [names](OutputHead::names) are those of the classes or values.
    pub fn head(&self) -> OutputHead<'m> {
        self.sensor.head
    }

    /// The arrays from the first layer on, and the scaling of the channels.
    fn arrays_and_channels(&self) -> (Arrays<'m>, Scaling<'m>) {
        let mut arrays = self.arrays_of(self.data);
        let scaling = match self.sensor.input {
            Input::Symbols { .. } => Scaling::NONE,
            Input::Values { count, .. } => Scaling::new(arrays.channels(count.into())),
        };
        (arrays, scaling)
    }

    /// The mean and the scale of each channel.
    pub(crate) fn channel_scaling(&self) -> Scaling<'m> {
        self.arrays_and_channels().1
    }

    /// The offset and the scale of each value that is given.
    pub(crate) fn value_scaling(&self) -> Scaling<'m> {
        let OutputHead::Values { .. } = self.sensor.head else {
            return Scaling::NONE;
        };
        let count = self.num_outputs();
        // They end the data.
        let words = 2 * round_up(count, ARRAY_ALIGN / 4);
        let start = self.data.len().saturating_sub(words);
        let data = self.data.get(start..).unwrap_or_default();
        Scaling::new(self.arrays_of(data).scaling(count))
    }
}
