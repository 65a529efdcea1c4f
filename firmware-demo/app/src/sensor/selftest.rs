use lstm_core::{OutputGolden, Token, TokenDigest};

use super::Sensor;
use crate::{output::Output, selftest};

/// A test that is under way.
pub(crate) struct SelfTest {
    is_begun: bool,
    passed: bool,
}

impl SelfTest {
    pub(super) const fn new() -> Self {
        SelfTest {
            is_begun: false,
            passed: true,
        }
    }

    /// Goes on with the test; whether it goes on. The sensor is as it was when it ends.
    pub(crate) fn step(
        &mut self,
        sensor: &mut Sensor<'_, '_>,
        region: &[u8],
        output: &mut Output,
    ) -> bool {
        if !self.is_begun {
            self.is_begun = true;
            self.passed = selftest::checksum(sensor.model(), region, output);
            return true;
        }
        if let Err(error) = sensor.save() {
            output.remark("selftest FAIL: no room for the state: ");
            output.error(&error).end();
            return false;
        }
        let before = digest(sensor.saved());
        output.remark("golden outputs of ");
        output.number(OutputGolden::STEPS as u64).str(" steps,");
        let golden = OutputGolden::of_values(&mut sensor.session);
        self.passed &= selftest::compare_golden(golden, sensor.model().golden(), output);
        let bytes = sensor.saved().len();
        let back = sensor.restore(bytes).and_then(|()| sensor.save());
        output.remark("state of ").number(bytes as u64);
        match back {
            Ok(()) if digest(sensor.saved()) == before => {
                output.str(" bytes: saved, restored, the same").end();
            }
            Ok(()) => {
                self.passed = false;
                output.str(" bytes: restored, it is another").end();
            }
            Err(error) => {
                self.passed = false;
                output
                    .str(" bytes does not come back: ")
                    .error(&error)
                    .end();
            }
        }
        selftest::verdict(self.passed, output);
        false
    }
}

/// CRC-32.
fn digest(bytes: &[u8]) -> u32 {
    let mut digest = TokenDigest::new();
    for &byte in bytes {
        digest.push(Token::new(byte));
    }
    digest.value()
}
