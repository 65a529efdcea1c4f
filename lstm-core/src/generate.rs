//! A model that writes.

use crate::bytes::join;
use crate::crc::crc32;
use crate::format::MAX_SYMBOLS;
use crate::workspace::Memory;
use crate::{ModelShape, Sampler, Session, SnapshotError, Token, Window, WorkspaceError};

/// The version of a snapshot.
const VERSION: u8 = 2;

/// A session and a sampler: each token that is drawn is the next that is fed. It is an iterator over
/// the tokens, without end.
///
/// A model with a [window](crate::Model::window) runs its last tokens from the zero state for each
/// new one; the others carry their state. `WINDOW` is the longest window that there is room for.
///
/// ```
/// use lstm_core::{Aligned, Generator, Model, ModelShape, Sampler, Session, Workspace};
///
/// # const FILE: &Aligned<[u8]> =
/// #     &Aligned(*include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tiny.lstm")));
/// # /*
/// const FILE: &Aligned<[u8]> = &Aligned(*include_bytes!("model.lstm"));
/// # */
/// const SHAPE: ModelShape = ModelShape::of(&FILE.0).expect("a .lstm file");
///
/// let model = Model::from_bytes(&FILE.0)?;
/// let mut workspace = Workspace::<{ SHAPE.words() }, { SHAPE.num_symbols() }>::new();
/// let session = Session::new(model, &mut workspace)?;
/// let mut generator = Generator::new(session, Sampler::new(1))?;
/// for character in "shall i ".chars() {
///     generator.prime(model.alphabet().encode(character));
/// }
/// let text: String = generator.take(20).map(|token| model.alphabet().decode(token)).collect();
/// assert_eq!(text.len(), 20);
/// # Ok::<(), lstm_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Generator<'m, M, const WINDOW: usize = 0> {
    session: Session<'m, M>,
    sampler: Sampler,
    window: Option<Window<WINDOW>>,
    /// What the network is to read next.
    last: Option<Token>,
    position: u64,
}

/// The bytes of a snapshot around the state or the window.
const fn snapshot_bytes(context_bytes: usize) -> usize {
    Head::BYTES + context_bytes + size_of::<u32>()
}

impl ModelShape {
    /// The bytes of a snapshot of a [`Generator`] that runs this model as it was trained, as
    /// [`Generator::snapshot_bytes`].
    pub const fn snapshot_bytes(&self) -> usize {
        snapshot_bytes(match self.window() {
            0 => self.state_bytes(),
            length => 1 + length,
        })
    }
}

impl<'m, M: Memory> Generator<'m, M> {
    /// A generator of a model that carries its state, from the session's on. Before it has read
    /// anything, it reads token 0.
    ///
    /// # Errors
    ///
    /// [`WorkspaceError::Window`] if the model has a window: see [`Generator::with_room`];
    /// `WorkspaceError::GivesNoSymbols` if the model gives classes or values.
    pub fn new(session: Session<'m, M>, sampler: Sampler) -> Result<Self, WorkspaceError> {
        Self::with_room(session, sampler)
    }
}

impl<'m, M: Memory, const WINDOW: usize> Generator<'m, M, WINDOW> {
    /// As [`Generator::new`], with room for a model's window: it is run if the model has one.
    ///
    /// # Errors
    ///
    /// [`WorkspaceError::Window`] if the model's window is longer than `WINDOW`;
    /// `WorkspaceError::GivesNoSymbols` as for [`Generator::new`].
    pub fn with_room(session: Session<'m, M>, sampler: Sampler) -> Result<Self, WorkspaceError> {
        match session.model().window() {
            Some(length) => Self::windowed(session, sampler, length),
            None => Self::stateful(session, sampler),
        }
    }

    /// Carries the state, whatever the model says.
    ///
    /// # Errors
    ///
    /// `WorkspaceError::GivesNoSymbols` as for [`Generator::new`].
    pub fn stateful(session: Session<'m, M>, sampler: Sampler) -> Result<Self, WorkspaceError> {
        #[cfg(feature = "sensor")]
        if session.model().head() != crate::OutputHead::Symbols {
            let found = session.model().num_outputs();
            return Err(WorkspaceError::GivesNoSymbols { found });
        }
        Ok(Generator {
            session,
            sampler,
            window: None,
            last: None,
            position: 0,
        })
    }

    /// Runs windows of so many tokens, whatever the model says.
    ///
    /// # Errors
    ///
    /// [`WorkspaceError::Window`] unless that is 1 to `WINDOW`; `WorkspaceError::GivesNoSymbols` as for
    /// [`Generator::new`].
    pub fn windowed(
        session: Session<'m, M>,
        sampler: Sampler,
        length: usize,
    ) -> Result<Self, WorkspaceError> {
        Ok(Generator {
            window: Some(Window::of_length(length)?),
            ..Self::stateful(session, sampler)?
        })
    }

    /// The session.
    pub fn session(&self) -> &Session<'m, M> {
        &self.session
    }

    /// The sampler.
    pub fn sampler(&self) -> &Sampler {
        &self.sampler
    }

    /// The sampler, for other settings from the next token on.
    pub fn sampler_mut(&mut self) -> &mut Sampler {
        &mut self.sampler
    }

    /// The last token, read or written.
    pub fn last_token(&self) -> Option<Token> {
        self.last
    }

    /// Tokens written since the start.
    pub fn written(&self) -> u64 {
        self.position
    }

    /// Back to the start: the zero state, nothing read or written, and this sampler.
    pub fn restart(&mut self, sampler: Sampler) {
        self.session.reset();
        if let Some(window) = &mut self.window {
            window.clear();
        }
        self.sampler = sampler;
        self.last = None;
        self.position = 0;
    }

    /// Reads a token.
    pub fn prime(&mut self, token: Token) {
        if let Some(last) = self.last.replace(token) {
            match &mut self.window {
                Some(window) => window.push(last),
                None => self.session.advance(last),
            }
        }
    }

    /// Writes a token.
    pub fn next_token(&mut self) -> Token {
        let last = self.last.unwrap_or_default();
        let logits = match &mut self.window {
            Some(window) => window.step(&mut self.session, last),
            None => self.session.step(last),
        };
        let token = self.sampler.sample(logits);
        self.last = Some(token);
        self.position = self.position.wrapping_add(1);
        token
    }

    /// What [`Generator::next_token`] has drawn the last token from, until anything else is done: a weight
    /// for each symbol, `[vocab]`, in proportion to its probability under the settings of the sampler.
    /// `None` where the sampler is greedy, and draws nothing.
    pub fn weights(&mut self) -> Option<&[u32]> {
        let is_drawn = self.sampler.settings().temperature > 0.0;
        is_drawn.then(|| &*self.session.logits())
    }

    /// Bytes of a snapshot: see [`Generator::save`].
    pub fn snapshot_bytes(&self) -> usize {
        snapshot_bytes(self.context_bytes())
    }

    /// Bytes of the state, or of the window.
    fn context_bytes(&self) -> usize {
        match &self.window {
            Some(window) => 1 + window.length(),
            None => self.session.state_bytes(),
        }
    }

    /// Writes everything that the coming tokens depend on into `snapshot`, which has
    /// [`Generator::snapshot_bytes`]. It means the same on every chip; `docs/FORMAT.md` in the
    /// repository gives every byte.
    ///
    /// # Errors
    ///
    /// [`SnapshotError::Length`].
    pub fn save(&self, snapshot: &mut [u8]) -> Result<(), SnapshotError> {
        let (found, expected) = (snapshot.len(), self.snapshot_bytes());
        let wrong = SnapshotError::Length { found, expected };
        if found != expected {
            return Err(wrong);
        }
        let (content, checksum) = snapshot.split_last_chunk_mut().ok_or(wrong)?;
        let (head, context) = content.split_first_chunk_mut().ok_or(wrong)?;
        *head = self.head().to_bytes();
        match &self.window {
            None => self.session.save(context)?,
            Some(window) => {
                context.fill(0);
                let (count, tokens) = context.split_first_mut().ok_or(wrong)?;
                for (byte, token) in tokens.iter_mut().zip(window.tokens()) {
                    *byte = token.index() as u8;
                    *count += 1;
                }
            }
        }
        *checksum = crc32(content).to_le_bytes();
        Ok(())
    }

    /// Takes back what [`Generator::save`] wrote, here or on another chip. On an error nothing
    /// changes.
    ///
    /// # Errors
    ///
    /// [`SnapshotError::Length`], [`SnapshotError::Damaged`], [`SnapshotError::Version`], [`SnapshotError::Model`].
    pub fn restore(&mut self, snapshot: &[u8]) -> Result<(), SnapshotError> {
        let (found, expected) = (snapshot.len(), self.snapshot_bytes());
        let length = SnapshotError::Length { found, expected };
        let (content, checksum) = snapshot.split_last_chunk().ok_or(length)?;
        let (head, context) = content.split_first_chunk().ok_or(length)?;
        if crc32(content) != u32::from_le_bytes(*checksum) {
            return Err(if found == expected {
                SnapshotError::Damaged
            } else {
                length
            });
        }
        let found = Head::version(head);
        if found != VERSION {
            let expected = VERSION;
            return Err(SnapshotError::Version { found, expected });
        }
        let (model, expected) = (Head::model(head), self.session.model().checksum());
        if model != expected {
            return Err(SnapshotError::Model {
                found: model,
                expected,
            });
        }
        if context.len() != self.context_bytes() {
            return Err(length);
        }
        let head = Head::from_bytes(head).ok_or(SnapshotError::Damaged)?;
        if head.is_window != self.window.is_some() {
            return Err(SnapshotError::Damaged);
        }
        match &mut self.window {
            None => self.session.restore(context)?,
            Some(window) => {
                let (count, tokens) = context.split_first().ok_or(length)?;
                let (tokens, filling) = tokens
                    .split_at_checked(usize::from(*count))
                    .ok_or(SnapshotError::Damaged)?;
                if filling.iter().any(|&byte| byte != 0) {
                    return Err(SnapshotError::Damaged);
                }
                window.clear();
                for &token in tokens {
                    window.push(Token::new(token));
                }
            }
        }
        self.sampler = head.sampler;
        self.last = head.last;
        self.position = head.position;
        Ok(())
    }

    fn head(&self) -> Head {
        Head {
            model: self.session.model().checksum(),
            is_window: self.window.is_some(),
            sampler: self.sampler.clone(),
            last: self.last,
            position: self.position,
        }
    }
}

impl<M: Memory, const WINDOW: usize> Iterator for Generator<'_, M, WINDOW> {
    type Item = Token;

    /// The next token; there is always one.
    fn next(&mut self) -> Option<Token> {
        Some(self.next_token())
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (usize::MAX, None)
    }
}

/// The start of a snapshot.
struct Head {
    model: u32,
    is_window: bool,
    sampler: Sampler,
    last: Option<Token>,
    position: u64,
}

impl Head {
    const BYTES: usize = 1 + 4 + 1 + Sampler::BYTES + 2 + 8;

    /// What stands for no token.
    const NONE: u16 = MAX_SYMBOLS as u16;

    fn to_bytes(&self) -> [u8; Self::BYTES] {
        let last = self.last.map_or(Self::NONE, |token| token.index() as u16);
        let mut bytes = [0; Self::BYTES];
        let fields: [&[u8]; 6] = [
            &[VERSION],
            &self.model.to_le_bytes(),
            &[self.is_window.into()],
            &self.sampler.to_bytes(),
            &last.to_le_bytes(),
            &self.position.to_le_bytes(),
        ];
        join(&mut bytes, &fields);
        bytes
    }

    fn version(bytes: &[u8; Self::BYTES]) -> u8 {
        let &[version, ..] = bytes;
        version
    }

    fn model(bytes: &[u8; Self::BYTES]) -> u32 {
        let &[_, m0, m1, m2, m3, ..] = bytes;
        u32::from_le_bytes([m0, m1, m2, m3])
    }

    /// `None` for values that no snapshot has.
    fn from_bytes(bytes: &[u8; Self::BYTES]) -> Option<Self> {
        let (_, rest) = bytes.split_first_chunk::<5>()?;
        let (&[is_window], rest) = rest.split_first_chunk()?;
        let (sampler, rest) = rest.split_first_chunk()?;
        let (last, rest) = rest.split_first_chunk()?;
        let position = rest.first_chunk()?;
        let last = match u16::from_le_bytes(*last) {
            Self::NONE => None,
            index => Some(Token::new(u8::try_from(index).ok()?)),
        };
        if is_window > 1 {
            return None;
        }
        Some(Head {
            model: Self::model(bytes),
            is_window: is_window == 1,
            sampler: Sampler::from_bytes(sampler)?,
            last,
            position: u64::from_le_bytes(*position),
        })
    }
}
