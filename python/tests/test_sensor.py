"""Models that read values have the chip's bits too."""

import csv
import zlib
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from lstm_mcu import Generator, Model, SensorSession, Session

MASK = 2**32 - 1


@pytest.fixture
def model(root: Path) -> Model:
    return Model.load(root / "models/sensors/motions-gru.lstm")


def motions(root: Path) -> dict[str, tuple[str, NDArray[np.float32]]]:
    """Recordings by their name: what was done, and the values, [T, 6]."""
    with (root / "tests/data/motions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    channels = [name for name in rows[0] if name not in ("sequence", "class")]
    found = {}
    for name in dict.fromkeys(row["sequence"] for row in rows):
        steps = [row for row in rows if row["sequence"] == name]
        values = np.array([[row[c] for c in channels] for row in steps]).astype(np.float32)
        found[name] = (steps[0]["class"], values)
    return found


class Random:
    """xoshiro128++ of seed 1, as docs/NUMBERS.md has it."""

    def __init__(self) -> None:
        state, numbers = 1, []
        for _ in range(2):
            state = (state + 0x9E3779B97F4A7C15) & (2**64 - 1)
            z = state
            z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & (2**64 - 1)
            z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & (2**64 - 1)
            z ^= z >> 31
            numbers += [z & MASK, z >> 32]
        self.state = numbers

    def next(self) -> int:
        a, b, c, d = self.state
        number = (_rotated((a + d) & MASK, 7) + a) & MASK
        c ^= a
        d ^= b
        self.state = [a ^ d, b ^ c, c ^ ((b << 9) & MASK), _rotated(d, 11)]
        return number


def _rotated(x: int, by: int) -> int:
    return ((x << by) | (x >> (32 - by))) & MASK


def test_golden_outputs(model: Model) -> None:
    session, random, digest = SensorSession(model), Random(), 0
    for _ in range(64):
        numbers = [random.next() >> 24 for _ in range(model.num_channels)]
        columns = [max(n - 256 if n > 127 else n, -127) for n in numbers]
        logits = session.step_quantized(columns).logits
        q12 = np.rint(logits.astype(np.float64) * 4096).astype("<i4")
        digest = zlib.crc32(q12.tobytes(), digest)
    assert digest == model.golden == model.golden_digest()


def test_the_motions_are_told(model: Model, root: Path) -> None:
    assert (model.gives, model.num_channels, model.window) == ("classes", 6, 100)
    recordings = motions(root)
    session = SensorSession(model)
    right = 0
    for label, values in recordings.values():
        answer = session.answer(values)
        right += answer.label == label
        # As steps from the zero state give it.
        session.reset()
        logits = session.run(values)
        assert logits.shape == (len(values), 4) and np.array_equal(logits[-1], answer.logits)
        assert answer.probabilities is not None and answer.probabilities_q15 is not None
        assert answer.index == int(np.argmax(answer.probabilities))
        assert answer.probabilities.sum() == pytest.approx(1, abs=1e-6)
        assert np.allclose(answer.probabilities_q15 / 32768, answer.probabilities, atol=2e-3)
        assert model.labels[answer.index] == answer.label
    assert right >= len(recordings) - 1


def test_windows_of_a_series(model: Model, root: Path) -> None:
    series = np.concatenate([values for _, values in motions(root).values()])[:180]
    session = SensorSession(model)
    found = session.answers(series, stride=25)
    starts = range(0, len(series) - 100 + 1, 25)
    assert len(found) == len(starts)
    for output, start in zip(found, starts):
        assert np.array_equal(output.logits, session.answer(series[start : start + 100]).logits)
    assert session.answers(series[:99]) == []


def test_a_state_goes_on(model: Model, root: Path) -> None:
    _, values = next(iter(motions(root).values()))
    session = SensorSession(model)
    session.run(values[:30])
    state = session.save()
    expected = session.run(values[30:])
    session.reset()
    session.restore(state)
    # In double precision too: it is rounded to float32.
    assert np.array_equal(session.run(values[30:].astype(np.float64)), expected)
    session.restore(state)
    columns = session.quantize(values[30])
    assert np.array_equal(session.step_quantized(columns).logits, expected[0])


def test_bad_input_is_refused_in_one_line(model: Model) -> None:
    session = SensorSession(model)
    with pytest.raises(ValueError, match="found 5 values, expected 6, one for each channel"):
        session.step([0.0] * 5)
    with pytest.raises(ValueError, match="found 5 values, expected 6"):
        session.run(np.zeros((3, 5)))
    with pytest.raises(ValueError, match="found no steps"):
        session.answer(np.zeros((0, 6)))
    for wrong in (Session, Generator):
        with pytest.raises(ValueError, match="values"):
            wrong(model)
    with pytest.raises(ValueError, match="expected one that reads symbols"):
        model.score("text")
