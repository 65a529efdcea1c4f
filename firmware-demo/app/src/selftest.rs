//! `:selftest`.

use lstm_core::{Golden, Model, SnapshotError, TokenDigest};

use crate::{output::Output, poet::Poet};

/// Tokens that are written twice, to compare a restored state with the one that was saved.
const ROUND_TRIP: u8 = 32;
/// Golden tokens for each sign of progress.
const DOT: u16 = 100;

/// A test that is under way, a token or less at a time.
pub(crate) struct SelfTest {
    next: Next,
    passed: bool,
    golden: Option<Golden>,
    /// Tokens that the golden text still lacks.
    golden_left: u16,
    text: TokenDigest,
    text_left: u8,
    /// The digest of what came after the state when it was saved.
    ahead: u32,
}

#[derive(Clone, Copy)]
enum Next {
    /// The checksum of the file. Then the state is saved.
    Checksum,
    /// What comes after that state.
    Ahead,
    /// The golden text. Then the state is restored.
    Golden,
    /// What comes after the restored state. Then it is restored once more.
    Again,
}

impl SelfTest {
    pub(crate) fn new() -> Self {
        SelfTest {
            next: Next::Checksum,
            passed: true,
            golden: None,
            golden_left: Golden::TOKENS,
            text: TokenDigest::new(),
            text_left: ROUND_TRIP,
            ahead: 0,
        }
    }

    /// Goes on with the test. At the end it says what came of it and gives true; the poet is then as
    /// it was before the first step.
    pub(crate) fn step(
        &mut self,
        poet: &mut Poet<'_, '_>,
        region: &[u8],
        output: &mut Output,
    ) -> bool {
        match self.next {
            Next::Checksum => {
                self.passed = checksum(poet.model(), region, output);
                if let Err(error) = poet.save() {
                    no_room(&error, output.remark("selftest FAIL: "));
                    return true;
                }
                self.next = Next::Ahead;
            }
            Next::Ahead => {
                if let Some(ahead) = self.write(poet) {
                    self.ahead = ahead;
                    self.golden = Some(poet.start_golden());
                    self.next = Next::Golden;
                    output.remark("golden text of 1000 tokens ");
                }
            }
            Next::Golden => {
                if self.golden_left.is_multiple_of(DOT) {
                    output.push('.');
                }
                self.golden_left = self.golden_left.saturating_sub(1);
                let golden = self.golden.as_mut();
                if let Some(digest) = golden.and_then(|golden| poet.step_golden(golden)) {
                    self.passed &= compare_golden(digest, poet.model().golden(), output);
                    self.restore(poet, output);
                    self.next = Next::Again;
                }
            }
            Next::Again => {
                if let Some(again) = self.write(poet) {
                    self.restore(poet, output);
                    let bytes = poet.saved().len() as u64;
                    output.remark("state of ").number(bytes);
                    if again == self.ahead {
                        output.str(" bytes: saved, restored, goes on alike").end();
                    } else {
                        self.passed = false;
                        output.str(" bytes: restored, it goes on to digest ");
                        output.hex(again).str(", expected ").hex(self.ahead).end();
                    }
                    verdict(self.passed, output);
                    return true;
                }
            }
        }
        false
    }

    /// Writes a token; after the last one it gives the digest of them all.
    fn write(&mut self, poet: &mut Poet<'_, '_>) -> Option<u32> {
        self.text.push(poet.generator().next_token());
        self.text_left = self.text_left.saturating_sub(1);
        if self.text_left > 0 {
            return None;
        }
        self.text_left = ROUND_TRIP;
        Some(core::mem::take(&mut self.text).value())
    }

    fn restore(&mut self, poet: &mut Poet<'_, '_>, output: &mut Output) {
        if let Err(error) = poet.restore(poet.saved().len()) {
            self.passed = false;
            output
                .remark("the state does not come back: ")
                .error(&error)
                .end();
        }
    }
}

/// Says why the state is not saved.
pub(crate) fn no_room(error: &SnapshotError, output: &mut Output) {
    output.str("no room for the state: ").error(error).end();
}

/// Says whether the file is what it was at the start.
pub(crate) fn checksum(model: &Model<'_>, region: &[u8], output: &mut Output) -> bool {
    let expected = model.checksum();
    let file = region.get(..model.file_bytes()).unwrap_or_default();
    match Model::from_bytes(file) {
        Ok(model) if model.checksum() == expected => {
            output
                .remark("checksum ")
                .hex(expected)
                .str(": right")
                .end();
            true
        }
        Ok(model) => {
            output.remark("found checksum ").hex(model.checksum());
            output.str(", expected ").hex(expected).end();
            false
        }
        Err(error) => {
            output.remark("").error(&error).end();
            false
        }
    }
}

/// Says whether a digest is the golden one of the file.
pub(crate) fn compare_golden(digest: u32, expected: Option<u32>, output: &mut Output) -> bool {
    output.str(" digest ").hex(digest);
    let is_right = expected.is_none_or(|expected| expected == digest);
    match expected {
        None => output.str(", none in the file"),
        Some(_) if is_right => output.str(": right"),
        Some(expected) => output.str(", expected ").hex(expected),
    };
    output.end();
    is_right
}

/// The last line of the test.
pub(crate) fn verdict(passed: bool, output: &mut Output) {
    let verdict = if passed { "PASS" } else { "FAIL" };
    output.remark("selftest ").str(verdict).end();
}
