//! `:bench`.

use lstm_core::Golden;

use crate::{
    Board,
    number::divide,
    output::Output,
    poet::Poet,
    selftest::{compare_golden, no_room},
    told::{name, pace},
};

/// A measurement that is under way, a token at a time: how long the golden text takes, which nobody sees.
pub(crate) struct Bench {
    golden: Option<Golden>,
    ticks: u64,
}

impl Bench {
    pub(crate) const fn new() -> Self {
        Bench {
            golden: None,
            ticks: 0,
        }
    }

    /// Writes a token. At the end it tells the figures and gives true; the poet is then as it was before the first step.
    pub(crate) fn step(
        &mut self,
        poet: &mut Poet<'_, '_>,
        board: &mut impl Board,
        output: &mut Output,
    ) -> bool {
        let Some(golden) = &mut self.golden else {
            if let Err(error) = poet.save() {
                no_room(&error, output.remark(""));
                return true;
            }
            self.golden = Some(poet.start_golden());
            name(poet.model(), output);
            output.str(", on ").str(board.name()).end();
            return false;
        };
        let start = board.ticks();
        let digest = poet.step_golden(golden);
        self.ticks += u64::from(board.ticks().wrapping_sub(start));
        let Some(digest) = digest else {
            return false;
        };
        // It is the state that was saved.
        let _ = poet.restore(poet.saved().len());
        self.tell(board, output);
        output.remark("text");
        compare_golden(digest, poet.model().golden(), output);
        true
    }

    /// Says how fast that was.
    fn tell(&self, board: &mut impl Board, output: &mut Output) {
        const CHARACTERS: u32 = Golden::TOKENS as u32;
        let second = board.ticks_per_second();
        let unit = (board.tick_unit(), second);
        pace(CHARACTERS, " characters, ", self.ticks, unit, output);
        // A tenth of a character's ticks are few enough for 32 bits, and many enough to be told apart.
        let tenth = divide(self.ticks, CHARACTERS / 10).0 as u32;
        let in_ten = divide(u64::from(second) * 100, tenth.max(1)).0;
        output.str(": ").number(in_ten).str(" in 10 s").end();
    }
}
