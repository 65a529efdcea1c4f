//! The digest of a text that a model always writes: proof that a chip computes as it should.

use crate::crc::Crc;
use crate::workspace::Memory;
use crate::{Generator, Sampler, Token};

/// CRC-32 of token numbers, a byte each.
///
/// ```
/// use lstm_core::{Token, TokenDigest};
///
/// let mut digest = TokenDigest::new();
/// b"123456789".map(|index| digest.push(Token::new(index)));
/// assert_eq!(digest.value(), 0xcbf4_3926);
/// ```
#[derive(Clone)]
pub struct TokenDigest(Crc);

impl TokenDigest {
    /// The digest of no token.
    pub fn new() -> Self {
        TokenDigest(Crc::new())
    }

    /// Appends a token.
    pub fn push(&mut self, token: Token) {
        self.0.update(&[token.index() as u8]);
    }

    /// The CRC-32 of the tokens so far.
    pub fn value(&self) -> u32 {
        self.0.value()
    }
}

impl Default for TokenDigest {
    fn default() -> Self {
        Self::new()
    }
}

impl core::fmt::Debug for TokenDigest {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "TokenDigest({:08x})", self.value())
    }
}

/// The golden text of a model, a token at a time: [`Golden::TOKENS`] from the start, with
/// `Sampler::new(1)`. The file of a model may hold its digest,
/// [`Model::golden`](crate::Model::golden).
///
/// ```
/// use lstm_core::{Aligned, Generator, Golden, Model, ModelShape, Sampler, Session, Workspace};
///
/// # const FILE: &Aligned<[u8]> =
/// #     &Aligned(*include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tiny.lstm")));
/// # const SHAPE: ModelShape = ModelShape::of(&FILE.0).expect("a .lstm file");
/// # let file = &FILE.0;
/// let model = Model::from_bytes(file)?;
/// let memory = Workspace::<{ SHAPE.words() }, { SHAPE.num_symbols() }>::new();
/// let mut generator = Generator::new(Session::new(model, memory)?, Sampler::new(1))?;
/// // A chip computes as it should if the file's digest is the one that it finds.
/// let is_right = model.golden().is_none_or(|golden| golden == Golden::digest(&mut generator));
/// assert!(is_right);
/// # Ok::<(), lstm_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Golden {
    digest: TokenDigest,
    left: u16,
}

impl Golden {
    /// Length of the text.
    pub const TOKENS: u16 = 1000;

    /// Takes the generator back to the start, with another sampler, `Sampler::new(1)`, which stays its own.
    pub fn start<M: Memory, const WINDOW: usize>(generator: &mut Generator<'_, M, WINDOW>) -> Self {
        generator.restart(Sampler::new(1));
        Golden {
            digest: TokenDigest::new(),
            left: Self::TOKENS,
        }
    }

    /// Writes a token; after the last one it gives the digest of them all.
    pub fn step<M: Memory, const WINDOW: usize>(
        &mut self,
        generator: &mut Generator<'_, M, WINDOW>,
    ) -> Option<u32> {
        if self.left > 0 {
            self.digest.push(generator.next_token());
            self.left -= 1;
        }
        (self.left == 0).then(|| self.digest.value())
    }

    /// The digest of the whole text; the generator is then at its end, as after [`Golden::start`] and all steps.
    pub fn digest<M: Memory, const WINDOW: usize>(generator: &mut Generator<'_, M, WINDOW>) -> u32 {
        let mut golden = Self::start(generator);
        loop {
            if let Some(digest) = golden.step(generator) {
                return digest;
            }
        }
    }
}
