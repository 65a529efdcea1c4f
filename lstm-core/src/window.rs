//! Context as a window of the last characters.

use crate::workspace::Memory;
use crate::{Logits, MAX_WINDOW, Session, Token, WorkspaceError};

/// The last `N` tokens. [`Window::step`] runs them all from the zero state, for networks that were
/// trained on windows and never saw a carried state.
///
/// ```
/// use lstm_core::{Token, Window};
///
/// let mut window = Window::<3>::new();
/// for index in 0..5 {
///     window.push(Token::new(index));
/// }
/// assert!(window.tokens().eq([2, 3, 4].map(Token::new)));
/// ```
#[derive(Clone, Debug)]
pub struct Window<const N: usize> {
    tokens: heapless::Vec<Token, N>,
    /// At most `N`.
    length: usize,
}

impl<const N: usize> Window<N> {
    /// An empty window for the last `N` tokens.
    pub const fn new() -> Self {
        Window {
            tokens: heapless::Vec::new(),
            length: N,
        }
    }

    /// An empty window for the last `length` tokens.
    ///
    /// # Errors
    ///
    /// [`WorkspaceError::Window`] unless that is 1 to `N`, and no more than a model may read, [`MAX_WINDOW`].
    pub const fn of_length(length: usize) -> Result<Self, WorkspaceError> {
        let expected = if N < MAX_WINDOW { N } else { MAX_WINDOW };
        if length == 0 || length > expected {
            return Err(WorkspaceError::Window {
                found: length,
                expected,
            });
        }
        Ok(Window {
            tokens: heapless::Vec::new(),
            length,
        })
    }

    /// How many tokens it holds at most.
    pub fn length(&self) -> usize {
        self.length
    }

    /// The tokens, from the oldest.
    pub fn tokens(&self) -> impl Iterator<Item = Token> {
        self.tokens.iter().copied()
    }

    /// Forgets all tokens.
    pub fn clear(&mut self) {
        self.tokens.clear();
    }

    /// Appends a token; the oldest falls out of a full window.
    pub fn push(&mut self, mut token: Token) {
        if self.tokens.len() < self.length && self.tokens.push(token).is_ok() {
            return;
        }
        for place in self.tokens.iter_mut().rev() {
            core::mem::swap(place, &mut token);
        }
    }

    /// Appends `token` and gives the logits of the token after the window. It costs up to `N`
    /// steps; the session's own state is replaced.
    pub fn step<'s, M: Memory>(
        &mut self,
        session: &'s mut Session<'_, M>,
        token: Token,
    ) -> Logits<'s> {
        self.push(token);
        session.reset();
        let mut tokens = self.tokens.iter().copied();
        let last = tokens.next_back().unwrap_or(token);
        for token in tokens {
            session.advance(token);
        }
        session.step(last)
    }
}

impl<const N: usize> Default for Window<N> {
    fn default() -> Self {
        Self::new()
    }
}
