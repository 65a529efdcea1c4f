//! The input is a description of a model file. Its checksum is right, whatever else is wrong; a
//! model that is accepted writes, and its state is saved and restored.

use crate::ngrams::Sections;
use crate::{Flash, assert_one_line, is_planted};
use arbitrary::{Result, Unstructured};
use crc::{CRC_32_ISO_HDLC, Crc};
use lstm_core::export::{
    ARRAY_ALIGN, BLOCK_ROWS, COLUMN_ALIGN, Description, HEAD_BYTES, HISTORY, Head, Layers,
    MatrixBytes, Ngrams, Row, WeightFormat, encode_file, round_up, with_head,
};
use lstm_core::{
    Format, LayerShape, MAX_LAYERS, MAX_WINDOW, Model, ModelShape, Order, SENSOR_VERSION, Sampler,
    SnapshotError, Token, WorkspaceError, WorkspaceSlices,
};

type Session<'m, 's> = lstm_core::Session<'m, WorkspaceSlices<'s>>;
type Generator<'m, 's> = lstm_core::Generator<'m, WorkspaceSlices<'s>, MAX_WINDOW>;

const CRC32: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);
/// Bytes of the data section of a model that is run.
const MAX_DATA: usize = 16_000;

pub(crate) fn run(data: &[u8]) {
    // An input that is too short is filled up with zeros.
    let mut input = Unstructured::new(data);
    let file = match input.ratio(1, 8) {
        Ok(true) => raw(&mut input),
        _ => described(&mut input),
    };
    let file = file.unwrap_or_default();
    // What a `const` reads may be wrong, but is read without a panic.
    let shape = ModelShape::of(&file);
    let flash = Flash::new(&file, 0);
    match Model::from_bytes(flash.bytes()) {
        // For the target `sensor_model`.
        Ok(model) if model.format_version() == SENSOR_VERSION => {}
        Ok(model) => {
            let shape = shape.expect("a file that is read has a shape");
            assert_eq!(shape.layers(), model.layers());
            assert_eq!(shape.words(), model.workspace_words());
            assert_eq!(shape.num_symbols(), model.alphabet().len());
            let _: Result<()> = writes(&model, &mut input);
        }
        Err(error) => assert_one_line(&error),
    }
}

/// The rest of the input is the payload; all of the head but its checksum may be wrong.
fn raw(input: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let head_is_right = input.ratio(7, 8)?;
    let mut payload = input.bytes(input.len())?.to_vec();
    let mut head = Head::new(1, &payload).to_bytes();
    if !head_is_right {
        let damage = payload.len().min(8);
        head[4..4 + damage].copy_from_slice(&payload[..damage]);
        seal(&mut head, &payload);
    }
    payload.splice(0..0, head);
    Ok(payload)
}

/// Makes the checksum of a head right.
fn seal(head: &mut [u8; HEAD_BYTES], payload: &[u8]) {
    let (start, checksum) = head.split_at_mut(HEAD_BYTES - 4);
    let mut digest = CRC32.digest();
    digest.update(start);
    digest.update(payload);
    checksum.copy_from_slice(&digest.finalize().to_le_bytes());
}

/// The description of a model.
pub(crate) struct Plan {
    name: String,
    symbols: String,
    fold_case: bool,
    window: Option<u16>,
    format: Format,
    layers: Vec<LayerShape>,
    rows: Rows,
}

/// The parameters of the rows of integer matrices.
#[derive(Clone, Copy)]
pub(crate) enum Rows {
    /// Small.
    Small,
    /// As large as the range of the sums allows.
    Largest,
    /// Anything.
    Any,
}

impl Plan {
    /// A model of two symbols.
    pub(crate) fn simple(format: Format, layers: &[LayerShape]) -> Self {
        Plan {
            name: "a".into(),
            symbols: "\nb".into(),
            fold_case: false,
            window: None,
            format,
            layers: layers.to_vec(),
            rows: Rows::Small,
        }
    }

    /// With this name and these symbols.
    pub(crate) fn named(self, name: &str, symbols: &str) -> Self {
        Plan {
            name: name.into(),
            symbols: symbols.into(),
            ..self
        }
    }

    fn of(input: &mut Unstructured<'_>) -> Result<Self> {
        let format = *input.choose(&[Format::Int8, Format::Int4, Format::F32])?;
        let symbols = match input.int_in_range(0..=63u8)? {
            0 => input.arbitrary()?,
            1 => {
                let count = input.int_in_range(0..=300u32)?;
                (0x80..0x80 + count).filter_map(char::from_u32).collect()
            }
            n => " \nabcdéß—ghijklm"
                .chars()
                .take(2 + usize::from(n) % 8)
                .collect(),
        };
        let count = match input.int_in_range(0..=7u8)? {
            0 => input.int_in_range(0..=4)?,
            1..=4 => 1,
            _ => 2,
        };
        let layers = (0..count).map(|_| shape(input)).collect::<Result<_>>()?;
        Ok(Plan {
            name: if input.ratio(1, 8)? {
                input.arbitrary()?
            } else {
                "a".into()
            },
            symbols,
            fold_case: input.arbitrary()?,
            window: match input.int_in_range(0..=7u8)? {
                0 => Some(input.arbitrary()?),
                1 => Some(input.int_in_range(1..=4)?),
                _ => None,
            },
            format,
            layers,
            rows: *input.choose(&[Rows::Small, Rows::Largest, Rows::Small, Rows::Any])?,
        })
    }
}

pub(crate) fn shape(input: &mut Unstructured<'_>) -> Result<LayerShape> {
    let hidden = match input.int_in_range(0..=31u8)? {
        0 => input.arbitrary()?,
        1..=3 => input.int_in_range(0..=17)?,
        _ => input.int_in_range(1..=5)?,
    };
    let shape = match input.arbitrary()? {
        true => LayerShape::lstm(hidden),
        false => LayerShape::cifg(hidden),
    };
    Ok(match input.int_in_range(0..=7u8)? {
        0 => shape.project(input.arbitrary()?),
        1..=3 => shape.project(input.int_in_range(1..=hidden.max(1))?),
        _ => shape,
    })
}

/// A file of this plan whose numbers are these bytes, over and over.
pub(crate) fn file(plan: &Plan, fill: &[u8]) -> Vec<u8> {
    file_with(plan, &Ngrams::default(), fill)
}

/// As [`file`], with n-gram sections.
fn file_with(plan: &Plan, ngrams: &Ngrams<'_>, fill: &[u8]) -> Vec<u8> {
    let data = data(plan, fill);
    let layers = &plan.layers[..plan.layers.len().min(MAX_LAYERS)];
    let description = Description {
        name: plan.name.as_str(),
        symbols: plan.symbols.as_str(),
        fold_case: plan.fold_case,
        window: plan.window,
        format: plan.format,
        order: Order::of(plan.format, fill.first().map_or(0, |byte| byte / 2)),
        layers: Layers::new(layers).expect("at most four"),
        padding: &[],
        data: &data,
    };
    encode_file(&description, ngrams, None).expect("a description is encoded")
}

/// A described file, as it should be or not quite.
fn described(input: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let plan = Plan::of(input)?;
    let damage = input.int_in_range(0..=15u8)?;
    let place: u16 = input.arbitrary()?;
    let value: u8 = input.arbitrary()?;
    // What is left is for both the numbers and what is done with the model.
    let fill = input.peek_bytes(input.len()).unwrap_or_default();
    // Half of the files have n-gram sections.
    let sections = match damage {
        8.. => sections(&plan, fill),
        _ => None,
    };
    let ngrams = sections.as_ref().map(Sections::ngrams).unwrap_or_default();
    let plain = file(&plan, fill).len();
    let mut file = file_with(&plan, &ngrams, fill);
    let version = file[4].into();
    let mut payload = file.split_off(HEAD_BYTES);
    let at = usize::from(place).checked_rem(payload.len()).unwrap_or(0);
    match damage {
        0 => payload[at] ^= value,
        // The description is at the start.
        1 => payload[at % 64] ^= value,
        2 => payload.truncate(at),
        3 => drop(payload.splice(at..at, [value])),
        4 => payload.extend(std::iter::repeat_n(value, usize::from(place % 18))),
        5 => payload.extend([value; 4]),
        // Behind the description are the sections.
        8..=12 => {
            let sections = payload.len() - (plain - HEAD_BYTES);
            if let Some(place) = at.checked_rem(sections) {
                payload[plain - HEAD_BYTES + place] = value;
            }
        }
        _ => {}
    }
    Ok(with_head(version, &payload))
}

/// N-gram sections for a plan, if its shapes have a place for them.
fn sections(plan: &Plan, fill: &[u8]) -> Option<Sections> {
    let vocab = plan.symbols.chars().count();
    let (first, last) = (plan.layers.first()?.output(), plan.layers.last()?.output());
    let is_small = |n: usize| (1..=256).contains(&n);
    if ![vocab, first, last].into_iter().all(is_small) {
        return None;
    }
    // The last tokens that a text of the first symbol leaves.
    let input = &mut Unstructured::new(fill);
    Sections::of(input, vocab, first, last, &[0; HISTORY]).ok()
}

/// The data section of a plan, as long as it should be if its shapes can be.
fn data(plan: &Plan, fill: &[u8]) -> Vec<u8> {
    let vocab = plan.symbols.chars().count();
    let layers: Vec<_> = plan.layers.iter().copied().take(MAX_LAYERS).collect();
    let bytes = lstm_core::export::data_bytes(plan.format, vocab, &layers);
    // What is larger only takes longer: the reader has to see that so few bytes are not enough.
    if !bytes.is_ok_and(|bytes| bytes <= MAX_DATA) {
        return fill.iter().copied().take(64).collect();
    }
    let mut writer = Writer::new(fill, plan.rows, COLUMN_ALIGN);
    let format = plan.format.layer_weights();
    let mut input = 0;
    for (index, &shape) in layers.iter().enumerate() {
        if index == 0 {
            writer.table(plan.format, vocab, shape);
        }
        writer.matrix(format, shape.gate_blocks(), input + shape.output());
        writer.matrix(format, shape.projection_blocks(), shape.hidden.into());
        input = shape.output();
    }
    writer.matrix(
        plan.format.dense_weights(),
        vocab.div_ceil(BLOCK_ROWS),
        input,
    );
    writer.data
}

/// Writes the arrays of the data from these bytes, over and over.
pub(crate) struct Writer<'a> {
    data: Vec<u8>,
    fill: &'a [u8],
    at: usize,
    rows: Rows,
    /// Columns are filled up to a multiple of this number.
    column_align: usize,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(fill: &'a [u8], rows: Rows, column_align: usize) -> Self {
        Writer {
            data: Vec::new(),
            fill: match fill {
                [] => &[0],
                fill => fill,
            },
            at: 0,
            rows,
            column_align,
        }
    }

    pub(crate) fn into_data(self) -> Vec<u8> {
        self.data
    }

    /// The table of a first layer.
    pub(crate) fn table(&mut self, format: Format, vocab: usize, shape: LayerShape) {
        let entry = format.table_entry_bytes();
        self.array(vocab * BLOCK_ROWS * shape.gate_blocks() * entry);
    }

    /// So many arrays of floats, nearly all of them finite.
    pub(crate) fn floats(&mut self, arrays: usize, count: usize) {
        for _ in 0..arrays {
            for _ in 0..count {
                let number = match self.next() {
                    0 => f32::NAN,
                    n => f32::from(n as i8) / 4.0,
                };
                self.data.extend(number.to_le_bytes());
            }
            self.pad();
        }
    }

    fn next(&mut self) -> u8 {
        let byte = self.fill[self.at % self.fill.len()];
        self.at += 1;
        byte
    }

    fn array(&mut self, bytes: usize) {
        // From another place each time.
        let end = self.data.len() + bytes;
        let start = self.at % self.fill.len();
        let mut fill = &self.fill[start..];
        while self.data.len() < end {
            let count = fill.len().min(end - self.data.len());
            self.data.extend_from_slice(&fill[..count]);
            fill = self.fill;
        }
        self.at += bytes + 1;
        self.pad();
    }

    fn pad(&mut self) {
        self.data.resize(round_up(self.data.len(), ARRAY_ALIGN), 0);
    }

    pub(crate) fn matrix(&mut self, format: WeightFormat, blocks: usize, columns: usize) {
        let columns = round_up(columns, self.column_align);
        let bytes = MatrixBytes::new(format, blocks, columns);
        if format == WeightFormat::F32 {
            self.array(bytes.rows);
        } else {
            let largest = largest_row(format, columns);
            for _ in 0..BLOCK_ROWS * blocks {
                let row = self.row(largest);
                self.data.extend(row.to_bytes());
            }
            self.pad();
        }
        self.array(bytes.weights);
    }

    fn row(&mut self, largest: Row) -> Row {
        let (a, b) = (self.next(), self.next());
        match self.rows {
            Rows::Small => Row {
                bias: i32::from(a as i8) << 10,
                weight_scale: b.into(),
                table_scale: u16::from(a) << 4,
            },
            Rows::Largest if a % 2 == 0 => Row {
                bias: -largest.bias,
                ..largest
            },
            Rows::Largest => largest,
            Rows::Any => {
                let bytes = [(); Row::BYTES].map(|()| self.next());
                Row::from_bytes(&bytes)
            }
        }
    }
}

/// The largest row that is accepted whatever its weights are: the scale first, then the bias.
fn largest_row(format: WeightFormat, columns: usize) -> Row {
    let largest_weight = match format {
        WeightFormat::Int4 => 8,
        _ => 128,
    };
    let fits = |row: &Row| row.in_range(columns as u32 * largest_weight);
    let mut row = Row::default();
    for bit in (0..16).rev() {
        let weight_scale = row.weight_scale | 1 << bit;
        let more = Row {
            weight_scale,
            ..row
        };
        if fits(&more) {
            row = more;
        }
    }
    for bit in (0..31).rev() {
        let more = Row {
            bias: row.bias | 1 << bit,
            ..row
        };
        if fits(&more) {
            row = more;
        }
    }
    row
}

/// Everything that one does with a model.
fn writes(model: &Model<'_>, input: &mut Unstructured<'_>) -> Result<()> {
    let mut words = vec![0; model.workspace_words()];
    let mut logits = vec![0; model.alphabet().len()];
    let short = words.len() - 1;
    let slices = WorkspaceSlices::new(&mut words[..short], &mut logits);
    assert!(Session::new(*model, slices).is_err());
    let short = logits.len() - 1;
    let slices = WorkspaceSlices::new(&mut words, &mut logits[..short]);
    assert!(Session::new(*model, slices).is_err());

    let slices = WorkspaceSlices::new(&mut words, &mut logits);
    let mut session = Session::new(*model, slices).unwrap();
    let tokens = input.bytes(input.len().min(2))?;
    let steps = |session: &mut Session<'_, '_>| -> Vec<u32> {
        let mut logits = Vec::new();
        for &token in tokens {
            let step = session.step(Token::new(token));
            logits.extend(step.iter().map(f32::to_bits));
        }
        logits
    };
    session.advance(Token::new(1));
    let mut state = vec![0; session.state_bytes()];
    session.save(&mut state).unwrap();
    let logits = steps(&mut session);
    match session.restore(&state) {
        Ok(()) => assert_eq!(
            logits,
            steps(&mut session),
            "a state goes on as it was saved"
        ),
        Err(error) => assert_is_no_number(model, error),
    }
    session.reset();

    let sampler = sampler(input)?;
    let generator = match input.int_in_range(0..=3u8)? {
        0 => {
            let length = input.int_in_range(0..=7)?;
            let lengths = [0, 1, 2, 3, 3, 4, MAX_WINDOW, MAX_WINDOW + 1];
            Generator::windowed(session, sampler, lengths[length])
        }
        1 => Generator::stateful(session, sampler),
        _ => Generator::with_room(session, sampler),
    };
    let mut generator = match generator {
        Ok(generator) => generator,
        Err(error) => {
            assert!(matches!(error, WorkspaceError::Window { .. }));
            return Ok(());
        }
    };
    for _ in 0..input.int_in_range(0..=3u8)? {
        generator.prime(Token::new(input.arbitrary()?));
    }
    let _ = generator.next_token();
    let mut snapshot = vec![0; generator.snapshot_bytes()];
    generator.save(&mut snapshot).unwrap();
    let text = write(&mut generator);
    match generator.restore(&snapshot) {
        Ok(()) => assert_eq!(text, write(&mut generator)),
        Err(error) => assert_is_no_number(model, error),
    }
    hostile_snapshot(&mut generator, snapshot, input)
}

/// The one reason for which a saved state is refused: weights of many digits made sums that are no
/// numbers.
fn assert_is_no_number(model: &Model<'_>, error: SnapshotError) {
    assert_eq!(
        (model.format(), error),
        (Format::F32, SnapshotError::Damaged)
    );
}

fn write(generator: &mut Generator<'_, '_>) -> [usize; 2] {
    [(); 2].map(|()| generator.next_token().index())
}

fn sampler(input: &mut Unstructured<'_>) -> Result<Sampler> {
    let sampler = Sampler::new(input.arbitrary::<u8>()?.into());
    Ok(match input.int_in_range(0..=7u8)? {
        0 => sampler.with_temperature(0.0).unwrap(),
        1 => sampler
            .with_temperature(input.arbitrary()?)
            .unwrap_or(Sampler::new(1)),
        2 => sampler
            .with_top_k(input.arbitrary()?)
            .unwrap_or(Sampler::new(1)),
        3 => sampler.with_top_k(input.int_in_range(1..=4)?).unwrap(),
        4 => sampler
            .with_top_p(input.arbitrary()?)
            .unwrap_or(Sampler::new(1)),
        5 => sampler
            .with_top_p(0.5)
            .unwrap()
            .with_temperature(100.0)
            .unwrap(),
        6 => sampler.with_temperature(0.01).unwrap(),
        _ => sampler,
    })
}

/// A snapshot that is not as it was saved: refused, unless its checksum is right and its values
/// could have been saved.
fn hostile_snapshot(
    generator: &mut Generator<'_, '_>,
    mut snapshot: Vec<u8>,
    input: &mut Unstructured<'_>,
) -> Result<()> {
    let len = snapshot.len();
    let at = usize::from(input.arbitrary::<u16>()?) % len;
    let value: u8 = input.arbitrary()?;
    if value == 0 {
        return Ok(());
    }
    let mut before = vec![0; len];
    generator.save(&mut before).unwrap();
    let mut after = vec![0; len];
    snapshot[at] ^= value;
    assert!(generator.restore(&snapshot).is_err());
    assert!(generator.restore(&snapshot[..at]).is_err());
    let content = len - 4;
    if value == u8::MAX {
        // Whole fields at their largest.
        let end = content.min(at + 8);
        snapshot[at.min(end)..end].fill(value);
    }
    let checksum = CRC32.checksum(&snapshot[..content]).to_le_bytes();
    snapshot[content..].copy_from_slice(&checksum);
    let mut restored = generator.restore(&snapshot);
    // What has a right checksum is right.
    if is_planted() {
        restored = Ok(());
    }
    generator.save(&mut after).unwrap();
    match restored {
        Ok(()) => assert_eq!(after, snapshot, "what is restored is what is saved"),
        Err(error) => {
            assert_one_line(&error);
            assert_eq!(after, before, "a refused snapshot changes nothing");
        }
    }
    let _ = write(generator);
    Ok(())
}

/// A small file of version 2.
pub(crate) fn with_ngrams() -> Option<Vec<u8>> {
    let plan = Plan::simple(Format::Int8, &[LayerShape::cifg(2)]);
    let fill: Vec<u8> = (0..200u8).collect();
    let sections = sections(&plan, &fill)?;
    Some(file_with(&plan, &sections.ngrams(), &fill))
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    // Any bytes describe something; each start leads to other shapes.
    let bytes = |seed: u32| (0..120u32).map(move |i| (i * i * 7 + seed * 37 * (i + 1)) as u8);
    (0..24).map(|seed| bytes(seed).collect()).collect()
}
