use lstm_core::{
    Alphabet, Error, Golden, MAX_WINDOW, Model, Sampler, Session, SnapshotError, WorkspaceSlices,
};

use crate::{PROMPT, SEED, TEMPERATURE};

/// A generator with room for every window.
pub type Generator<'s, 'm> = lstm_core::Generator<'m, WorkspaceSlices<'s>, MAX_WINDOW>;

/// A model that writes: one character a step, each fed back to the network.
pub struct Poet<'s, 'm> {
    alphabet: Alphabet<'m>,
    generator: Generator<'s, 'm>,
    /// The words that the session leaves over.
    snapshot: &'s mut [u8],
}

impl<'s, 'm> Poet<'s, 'm> {
    /// A poet with [`SEED`] and [`TEMPERATURE`], before a [`Poet::restart`].
    ///
    /// `words` and `logits` are those of a workspace. What the model leaves of the words holds
    /// its snapshots.
    ///
    /// # Errors
    ///
    /// The model needs a larger workspace, or has a window that is too long.
    pub fn new(
        model: Model<'m>,
        words: &'s mut [u32],
        logits: &'s mut [u32],
    ) -> Result<Self, Error> {
        let used = model.workspace_words().min(words.len());
        let (words, rest) = words.split_at_mut_checked(used).unwrap_or_default();
        let session = Session::new(model, WorkspaceSlices::new(words, logits))?;
        let sampler = Sampler::new(SEED).with_temperature(TEMPERATURE)?;
        Ok(Poet {
            alphabet: model.alphabet(),
            generator: Generator::with_room(session, sampler)?,
            snapshot: bytemuck::cast_slice_mut(rest),
        })
    }

    /// The model.
    pub fn model(&self) -> &Model<'m> {
        self.generator.session().model()
    }

    /// Writes one character.
    pub fn write(&mut self) -> char {
        self.alphabet.decode(self.generator.next_token())
    }

    /// Whether the model's alphabet has a character.
    pub(crate) fn knows(&self, character: char) -> bool {
        self.alphabet.find(character).is_some()
    }

    /// Reads one character; symbol 0 for one that the alphabet lacks.
    pub fn read(&mut self, character: char) {
        self.generator.prime(self.alphabet.encode(character));
    }

    /// Starts anew: the zero state, [`PROMPT`], the random numbers of the seed from their start.
    pub fn restart(&mut self) {
        let sampler = self.generator.sampler().clone();
        let seed = sampler.seed();
        self.generator.restart(sampler.with_seed(seed));
        for character in PROMPT.chars() {
            self.read(character);
        }
    }

    /// Goes back to the start of the golden text.
    // A place of their own: what is in them is large.
    #[inline(never)]
    pub(crate) fn start_golden(&mut self) -> Golden {
        Golden::start(&mut self.generator)
    }

    /// Writes a token of it; after the last one it gives the digest of them all.
    #[inline(never)]
    pub(crate) fn step_golden(&mut self, golden: &mut Golden) -> Option<u32> {
        golden.step(&mut self.generator)
    }

    /// The session and the sampler.
    pub fn generator(&mut self) -> &mut Generator<'s, 'm> {
        &mut self.generator
    }

    /// Where a snapshot that comes from elsewhere is put together.
    pub(crate) fn snapshot_room(&mut self) -> &mut [u8] {
        self.snapshot
    }

    /// Saves everything that the coming text depends on, and gives the snapshot.
    ///
    /// # Errors
    ///
    /// [`SnapshotError::Length`] if there is no room for it.
    pub fn save(&mut self) -> Result<&[u8], SnapshotError> {
        let (found, expected) = (self.snapshot.len(), self.generator.snapshot_bytes());
        let error = SnapshotError::Length { found, expected };
        let snapshot = self.snapshot.get_mut(..expected).ok_or(error)?;
        self.generator.save(snapshot)?;
        Ok(snapshot)
    }

    /// Bytes of a snapshot.
    pub(crate) fn snapshot_bytes(&self) -> usize {
        self.generator.snapshot_bytes()
    }

    /// The snapshot that is held: so many bytes.
    pub(crate) fn saved(&self) -> &[u8] {
        let bytes = self.generator.snapshot_bytes();
        self.snapshot.get(..bytes).unwrap_or_default()
    }

    /// Goes on from the snapshot that is held, of so many bytes.
    ///
    /// # Errors
    ///
    /// As [`lstm_core::Generator::restore`]; then nothing changes.
    pub(crate) fn restore(&mut self, bytes: usize) -> Result<(), SnapshotError> {
        let expected = self.generator.snapshot_bytes();
        let error = SnapshotError::Length {
            found: bytes,
            expected,
        };
        let snapshot = self.snapshot.get(..bytes).ok_or(error)?;
        self.generator.restore(snapshot)
    }
}
