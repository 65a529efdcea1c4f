//! What a model that reads values, or gives classes or values, makes of random inputs.

use crc::Table;
use lstm_core::{
    Error, Format, MAX_CHANNELS, Memory, Model, Output, SensorSession, Session, Token,
};

use crate::{CRC, Digest, checksum_of_state};

/// A long sequence in the making.
pub struct Outputs<'m, M> {
    session: Reader<'m, M>,
    random: Random,
    count: u32,
    outputs: crc::Digest<'static, u32, Table<1>>,
}

enum Reader<'m, M> {
    Symbols(Session<'m, M>),
    Values(SensorSession<'m, M>),
}

impl<'m, M: Memory> Outputs<'m, M> {
    /// The start, from the zero state.
    ///
    /// # Errors
    ///
    /// If the memory is too small.
    pub fn new(model: Model<'m>, memory: M) -> Result<Self, Error> {
        Ok(Outputs {
            session: match model.num_channels() {
                0 => Reader::Symbols(Session::new(model, memory)?),
                _ => Reader::Values(SensorSession::new(model, memory)?),
            },
            random: Random(1),
            count: 0,
            outputs: CRC.digest(),
        })
    }

    /// Bytes of the state.
    pub fn state_bytes(&self) -> usize {
        match &self.session {
            Reader::Symbols(session) => session.state_bytes(),
            Reader::Values(session) => session.state_bytes(),
        }
    }

    /// Runs so many steps more. `state` has room for the state.
    ///
    /// # Errors
    ///
    /// [`SnapshotError::Length`](lstm_core::SnapshotError::Length) if it has not.
    pub fn run(&mut self, steps: u32, state: &mut [u8]) -> Result<Digest, Error> {
        for _ in 0..steps {
            match &mut self.session {
                Reader::Symbols(session) => {
                    let token = Token::new((self.random.next() >> 24) as u8);
                    let model = *session.model();
                    update(&mut self.outputs, model.output(session.step(token)));
                }
                Reader::Values(session) => {
                    let mut values = [0.0; MAX_CHANNELS];
                    let channels = session.model().num_channels();
                    let values = values.get_mut(..channels).unwrap_or_default();
                    // In f32 what is no number would be all that follows.
                    let is_f32 = session.model().format() == Format::F32;
                    values.fill_with(|| match self.random.value() {
                        value if is_f32 && !value.is_finite() => 0.0,
                        value => value,
                    });
                    update(&mut self.outputs, session.step(values)?);
                }
            }
        }
        self.count += steps;
        let save = |state: &mut [u8]| match &self.session {
            Reader::Symbols(session) => session.save(state),
            Reader::Values(session) => session.save(state),
        };
        Ok(Digest {
            count: self.count,
            tokens: self.outputs.clone().finalize(),
            state: checksum_of_state(state, self.state_bytes(), save)?,
        })
    }
}

/// The values, the probabilities and the logits.
fn update(digest: &mut crc::Digest<'static, u32, Table<1>>, output: Output<'_>) {
    output
        .values()
        .for_each(|value| digest.update(&value.to_bits().to_le_bytes()));
    output
        .probabilities_q15()
        .for_each(|probability| digest.update(&probability.to_le_bytes()));
    digest.update(&(output.class() as u32).to_le_bytes());
    for logit in output.into_q12() {
        digest.update(&logit.to_le_bytes());
    }
}

/// Xorshift (Marsaglia 2003).
struct Random(u32);

impl Random {
    fn next(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0
    }

    /// From -8 to 8, exact; now and then what is no number.
    fn value(&mut self) -> f32 {
        let number = self.next();
        match number & 0xff {
            0 => f32::NAN,
            1 => f32::INFINITY,
            _ => (number as i32 >> 8) as f32 / 1_048_576.0,
        }
    }
}
