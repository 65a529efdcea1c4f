//! The digest of what a model always gives: proof that a chip computes as it should.

use rand_xoshiro::Xoshiro128PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

use super::SensorSession;
use crate::crc::Crc;
use crate::format::Format;
use crate::workspace::Memory;
use crate::{Logits, Session, Token};

/// The golden outputs of a model that gives no symbols: the logits of [`OutputGolden::STEPS`] steps from the
/// zero state, whose inputs are random numbers. The file of a model may hold their digest,
/// [`Model::golden`](crate::Model::golden).
///
/// The inputs are drawn with xoshiro128++ of seed 1, a number of 32 bits for each channel of each step: its upper
/// 8 bits are a column, -127 where they are -128, and in [`Format::F32`] that divided by 32. A model that reads
/// symbols takes one number `r` a step, and token `r * V >> 32`. The digest is the CRC-32 of all logits in Q12, 4
/// bytes each, little-endian; in [`Format::F32`] of the floats.
#[derive(Clone, Copy, Debug)]
pub struct OutputGolden;

impl OutputGolden {
    /// The number of steps.
    pub const STEPS: usize = 64;

    /// The digest of a model that reads values. The state is at the end what these steps leave.
    pub fn of_values<M: Memory>(session: &mut SensorSession<'_, M>) -> u32 {
        let (format, channels) = (session.model().format(), session.model().num_channels());
        let unit = match format {
            Format::F32 => 32.0,
            Format::Int8 | Format::Int4 => 1.0,
        };
        let mut run = Run::new();
        session.reset();
        for _ in 0..Self::STEPS {
            let column = |_| f32::from(((run.random.next_u32() >> 24) as i8).max(-127)) / unit;
            session.read((0..channels).map(column));
            run.digest(&session.run().into_logits());
        }
        run.crc.value()
    }

    /// The digest of a model that reads symbols. The state is at the end what these steps leave.
    pub fn of_symbols<M: Memory>(session: &mut Session<'_, M>) -> u32 {
        let symbols = session.model().alphabet().len() as u64;
        let mut run = Run::new();
        session.reset();
        for _ in 0..Self::STEPS {
            let index = (u64::from(run.random.next_u32()) * symbols) >> 32;
            run.digest(&session.step(Token::new(index as u8)));
        }
        run.crc.value()
    }
}

/// The random numbers, and the digest so far.
struct Run {
    random: Xoshiro128PlusPlus,
    crc: Crc,
}

impl Run {
    fn new() -> Self {
        Run {
            random: Xoshiro128PlusPlus::seed_from_u64(1),
            crc: Crc::new(),
        }
    }

    fn digest(&mut self, logits: &Logits<'_>) {
        for word in logits.words() {
            self.crc.update(&word.to_le_bytes());
        }
    }
}
