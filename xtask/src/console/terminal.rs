#[cfg(unix)]
use std::io;

/// Our terminal while the board has its keys: each goes to the board at once, and the board echoes
/// it. Ctrl-C still ends us. It is set back with this value.
pub(crate) struct Terminal {
    #[cfg(unix)]
    before: nix::sys::termios::Termios,
}

impl Terminal {
    /// `None` if our input is no terminal, or not ours because we run in the background.
    #[cfg(unix)]
    pub(crate) fn keys_one_by_one() -> Option<Self> {
        use nix::{
            sys::termios::{LocalFlags, SetArg, tcgetattr, tcsetattr},
            unistd::{getpgrp, tcgetpgrp},
        };

        let input = io::stdin();
        if tcgetpgrp(&input) != Ok(getpgrp()) {
            return None;
        }
        let before = tcgetattr(&input).ok()?;
        let mut now = before.clone();
        now.local_flags
            .remove(LocalFlags::ICANON | LocalFlags::ECHO);
        tcsetattr(&input, SetArg::TCSANOW, &now).ok()?;
        Some(Terminal { before })
    }

    #[cfg(not(unix))]
    pub(crate) fn keys_one_by_one() -> Option<Self> {
        None
    }
}

#[cfg(unix)]
impl Drop for Terminal {
    fn drop(&mut self) {
        use nix::sys::termios::{SetArg, tcsetattr};
        // If the terminal is gone, there is nothing to set back.
        let _ = tcsetattr(io::stdin(), SetArg::TCSANOW, &self.before);
    }
}
