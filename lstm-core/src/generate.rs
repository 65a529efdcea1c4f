//! A model that writes.

use crate::crc::crc32;
use crate::session::split;
use crate::{Error, MAX_SYMBOLS, Sampler, Session, Token, Window};

/// The longest window of a model that a [`Generator`] runs.
pub const MAX_WINDOW: usize = 128;

/// A session and a sampler: each token that is drawn is the next that is fed.
///
/// A model with a [window](crate::Model::window) runs its last tokens from the zero state for each
/// new one; the others carry their state.
#[derive(Debug)]
pub struct Generator<'s, 'm> {
    session: Session<'s, 'm>,
    sampler: Sampler,
    window: Option<Window<MAX_WINDOW>>,
    /// What the network is to read next.
    last: Option<Token>,
    position: u64,
}

impl<'s, 'm> Generator<'s, 'm> {
    /// Goes on from the session's state, by windows if the model says so. Before it has read
    /// anything, it reads token 0.
    ///
    /// # Errors
    ///
    /// [`Error::Window`] if the model's window is longer than [`MAX_WINDOW`].
    pub fn new(session: Session<'s, 'm>, sampler: Sampler) -> Result<Self, Error> {
        match session.model().window() {
            Some(length) => Self::windows(session, sampler, length),
            None => Ok(Self::carrying(session, sampler)),
        }
    }

    /// Carries the state, whatever the model says.
    pub fn carrying(session: Session<'s, 'm>, sampler: Sampler) -> Self {
        Generator {
            session,
            sampler,
            window: None,
            last: None,
            position: 0,
        }
    }

    /// Runs windows of so many tokens, whatever the model says.
    ///
    /// # Errors
    ///
    /// [`Error::Window`] unless that is 1 to [`MAX_WINDOW`].
    pub fn windows(
        session: Session<'s, 'm>,
        sampler: Sampler,
        length: usize,
    ) -> Result<Self, Error> {
        Ok(Generator {
            window: Some(Window::of(length)?),
            ..Self::carrying(session, sampler)
        })
    }

    /// The session.
    pub fn session(&self) -> &Session<'s, 'm> {
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

    /// From the next token on, draws with this sampler.
    pub fn set_sampler(&mut self, sampler: Sampler) {
        self.sampler = sampler;
    }

    /// The last token, read or written.
    pub fn last(&self) -> Option<Token> {
        self.last
    }

    /// Tokens written since the start.
    pub fn position(&self) -> u64 {
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
    pub fn read(&mut self, token: Token) {
        if let Some(last) = self.last.replace(token) {
            match &mut self.window {
                Some(window) => window.push(last),
                None => self.session.advance(last),
            }
        }
    }

    /// Writes a token.
    pub fn write(&mut self) -> Token {
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

    /// Bytes of a snapshot: see [`Generator::save`].
    pub fn snapshot_bytes(&self) -> usize {
        Head::BYTES + self.context_bytes() + 4
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
    /// [`Error::SnapshotLength`].
    pub fn save(&self, snapshot: &mut [u8]) -> Result<(), Error> {
        let (found, expected) = (snapshot.len(), self.snapshot_bytes());
        let wrong = Error::SnapshotLength { found, expected };
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
    /// [`Error::SnapshotLength`], [`Error::SnapshotDamaged`], [`Error::SnapshotModel`].
    pub fn restore(&mut self, snapshot: &[u8]) -> Result<(), Error> {
        let (found, expected) = (snapshot.len(), self.snapshot_bytes());
        let length = Error::SnapshotLength { found, expected };
        let (content, checksum) = snapshot.split_last_chunk().ok_or(length)?;
        let (head, context) = content.split_first_chunk().ok_or(length)?;
        if crc32(content) != u32::from_le_bytes(*checksum) {
            return Err(if found == expected {
                Error::SnapshotDamaged
            } else {
                length
            });
        }
        let (model, expected) = (Head::model(head), self.session.model().checksum());
        if model != expected {
            return Err(Error::SnapshotModel {
                found: model,
                expected,
            });
        }
        if context.len() != self.context_bytes() {
            return Err(length);
        }
        let head = Head::from_bytes(head).ok_or(Error::SnapshotDamaged)?;
        if head.is_window != self.window.is_some() {
            return Err(Error::SnapshotDamaged);
        }
        match &mut self.window {
            None => self.session.restore(context)?,
            Some(window) => {
                let (count, tokens) = context.split_first().ok_or(length)?;
                let (tokens, filling) = tokens
                    .split_at_checked(usize::from(*count))
                    .ok_or(Error::SnapshotDamaged)?;
                if filling.iter().any(|&byte| byte != 0) {
                    return Err(Error::SnapshotDamaged);
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

/// The start of a snapshot.
struct Head {
    model: u32,
    is_window: bool,
    sampler: Sampler,
    last: Option<Token>,
    position: u64,
}

impl Head {
    const BYTES: usize = 4 + 1 + Sampler::BYTES + 2 + 8;

    /// What stands for no token.
    const NONE: u16 = MAX_SYMBOLS as u16;

    fn to_bytes(&self) -> [u8; Self::BYTES] {
        let last = self.last.map_or(Self::NONE, |token| token.index() as u16);
        let mut bytes = [0; Self::BYTES];
        let fields: [&[u8]; 5] = [
            &self.model.to_le_bytes(),
            &[self.is_window.into()],
            &self.sampler.to_bytes(),
            &last.to_le_bytes(),
            &self.position.to_le_bytes(),
        ];
        join(&mut bytes, &fields);
        bytes
    }

    fn model(bytes: &[u8; Self::BYTES]) -> u32 {
        let &[m0, m1, m2, m3, ..] = bytes;
        u32::from_le_bytes([m0, m1, m2, m3])
    }

    /// `None` for values that no snapshot has.
    fn from_bytes(bytes: &[u8; Self::BYTES]) -> Option<Self> {
        let (_, rest) = bytes.split_first_chunk::<4>()?;
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

/// Writes fields one after the other.
#[inline(never)]
pub(crate) fn join(mut bytes: &mut [u8], fields: &[&[u8]]) {
    for field in fields {
        let (to, rest) = split(bytes, field.len());
        for (to, from) in to.iter_mut().zip(*field) {
            *to = *from;
        }
        bytes = rest;
    }
}
