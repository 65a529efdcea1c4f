//! What the firmware does with its model. Nothing here knows of a chip, so it runs on a desk too.

use lstm_core::{
    Aligned, Error, Generator, Logits, Model, ModelShape, Sampler, Session, Token, Workspace,
};

/// The model, in flash.
const FILE: &Aligned<[u8]> = &Aligned(*include_bytes!("../../../../models/sonnets-64.lstm"));
const SHAPE: ModelShape = ModelShape::of(&FILE.0).expect("a .lstm file");

/// The RAM of a session with this model.
type Ram = Workspace<{ SHAPE.words() }, { SHAPE.num_symbols() }>;
/// All that the coming text depends on, in bytes that may be kept through a loss of power.
pub(crate) type Snapshot = [u8; SHAPE.snapshot_bytes()];

/// One model at two tasks, each with a state of its own.
pub(crate) struct Poet {
    writer: Generator<'static, Ram>,
    reader: Session<'static, Ram>,
}

impl Poet {
    /// Checks the file, once.
    pub(crate) fn new(seed: u64) -> Result<Self, Error> {
        let model = Model::from_bytes(&FILE.0)?;
        let sampler = Sampler::new(seed).with_temperature(0.8)?;
        Ok(Poet {
            writer: Generator::new(Session::new(model, Workspace::new())?, sampler)?,
            reader: Session::new(model, Workspace::new())?,
        })
    }

    /// Writes so many characters, and goes on from here the next time.
    pub(crate) fn write(&mut self, characters: usize, mut put: impl FnMut(char)) {
        let alphabet = self.writer.session().model().alphabet();
        for token in self.writer.by_ref().take(characters) {
            put(alphabet.decode(token));
        }
    }

    /// Reads a text from the zero state, and goes on with the likeliest characters, none of them
    /// twice in a row.
    pub(crate) fn complete(&mut self, text: &str, characters: usize, mut put: impl FnMut(char)) {
        let alphabet = self.reader.model().alphabet();
        self.reader.reset();
        let mut last = alphabet.encode(' ');
        for character in text.chars() {
            self.reader.advance(last);
            last = alphabet.encode(character);
        }
        for _ in 0..characters {
            last = likeliest_but(self.reader.step(last), last);
            put(alphabet.decode(last));
        }
    }

    /// The state of the writer.
    pub(crate) fn save(&self) -> Result<Snapshot, Error> {
        let mut snapshot = [0; _];
        self.writer.save(&mut snapshot)?;
        Ok(snapshot)
    }

    /// Takes the writer back to where it was saved.
    pub(crate) fn restore(&mut self, snapshot: &Snapshot) -> Result<(), Error> {
        Ok(self.writer.restore(snapshot)?)
    }
}

/// A sampler of one's own: the likeliest symbol but one.
fn likeliest_but(logits: Logits<'_>, other: Token) -> Token {
    let logits = logits.into_q12().iter().enumerate();
    let others = logits.filter(|&(index, _)| index != other.index());
    let likeliest = others.max_by_key(|&(_, logit)| logit);
    likeliest.map_or(other, |(index, _)| Token::new(index as u8))
}

/// All of it once.
pub(crate) fn demonstrate(poet: &mut Poet, mut put: impl FnMut(char)) -> Result<(), Error> {
    poet.write(200, &mut put);
    put('\n');
    let snapshot = poet.save()?;
    for _ in 0..2 {
        poet.write(60, &mut put);
        put('\n');
        poet.restore(&snapshot)?;
    }
    poet.complete("shall i compare thee to a ", 40, &mut put);
    put('\n');
    Ok(())
}
