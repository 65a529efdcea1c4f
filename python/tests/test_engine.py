"""Models of text have the chip's bits, and what a session keeps means the same everywhere."""

import itertools
import pickle
import zlib
from pathlib import Path

import numpy as np
import pytest

from lstm_mcu import Generator, Model, Sampler, SensorSession, Session

TEXT = "shall i compare thee to a summers day thou art more lovely and more temperate "


@pytest.fixture
def model(root: Path) -> Model:
    return Model.load(root / "models/sonnets-64.lstm")


def one_line(error: pytest.ExceptionInfo[ValueError]) -> str:
    text = str(error.value)
    assert len(text.splitlines()) == 1
    return text


def test_golden_digest_of_every_shipped_model(shipped: Path) -> None:
    model = Model.load(shipped)
    generator = Generator(model, seed=1, temperature=1.0)
    tokens = bytes(generator.next_token() for _ in range(1000))
    assert zlib.crc32(tokens) == model.golden == model.golden_digest()
    assert Model(shipped.read_bytes()).checksum == model.checksum
    assert model.to_bytes() == shipped.read_bytes()


def test_steps_one_by_one_and_all_at_once_are_equal(model: Model) -> None:
    tokens = model.encode(TEXT)
    assert tokens.dtype == np.uint8 and model.decode(tokens) == TEXT
    single, all_at_once, restored = Session(model), Session(model), Session(model)
    steps = np.stack([single.step(int(token)) for token in tokens])
    assert steps.shape == (len(TEXT), model.num_outputs) and steps.dtype == np.float32
    # Other types of whole numbers, and lists.
    half = len(TEXT) // 2
    run = all_at_once.run(tokens[:half].astype(np.int64))
    state = all_at_once.save()
    restored.restore(state)
    for session in (all_at_once, restored):
        rest = session.run(list(tokens[half:]))
        assert np.array_equal(np.concatenate([run, rest]), steps)
        assert session.save() == single.save()
    single.reset()
    single.advance(tokens[:half])
    assert single.save() == state
    assert single.model.checksum == model.checksum


def test_a_sampler_draws_what_a_generator_writes(model: Model) -> None:
    generator = Generator(model, seed=7, temperature=0.6, top_k=5, top_p=0.9)
    session, sampler = Session(model), Sampler(7, temperature=0.6, top_k=5, top_p=0.9)
    token, expected = 0, []
    for _ in range(200):
        token = session.sample(token, sampler)
        expected.append(token)
    assert generator.write(200) == model.decode(expected)
    assert (sampler.seed, sampler.top_k, generator.written) == (7, 5, 200)
    sampler.set(temperature=0.0)
    assert sampler.temperature == 0.0 and sampler.top_k == 5


def test_a_generator_is_an_iterator_and_goes_on_from_what_it_saved(model: Model) -> None:
    generator = Generator(model, seed=3)
    generator.read("my love ")
    start = "".join(itertools.islice(generator, 50))
    assert model.generate(50, "my love ", seed=3) == start
    weights = generator.weights()
    assert weights is not None and weights.shape == (model.num_outputs,) and weights.sum() > 0
    snapshot, line = generator.save(), generator.save_line()
    rest = generator.write(100)
    generator.restore(snapshot)
    assert generator.write(100) == rest
    generator.restore_line(line)
    assert generator.write(100) == rest
    generator.reset(seed=3)
    generator.read("my love ")
    assert generator.write(150) == start + rest
    generator.set(temperature=0.0)
    generator.write(1)
    assert generator.weights() is None


def test_a_score_is_what_the_logits_say(model: Model) -> None:
    logits = Session(model).run(model.encode(TEXT)[:-1]).astype(np.float64)
    log_sums = np.log(np.exp(logits).sum(axis=1))
    nats = log_sums - np.take_along_axis(logits, model.encode(TEXT)[1:, None].astype(int), 1)[:, 0]
    assert model.score(TEXT) == pytest.approx(nats.mean() / np.log(2), abs=1e-6)
    assert model.score(TEXT) < model.score(TEXT[::-1])
    assert model.score(TEXT, window=5) != model.score(TEXT)


def test_what_a_model_tells(model: Model) -> None:
    assert (model.format, model.gives, model.labels) == ("int8", "symbols", [])
    assert model.symbols.startswith(" abc") and model.fold_case and model.num_channels == 0
    assert model.facts()["name"] == model.name
    again = pickle.loads(pickle.dumps(model))
    assert again.checksum == model.checksum and repr(again) == repr(model)


def test_bad_input_is_refused_in_one_line(model: Model, root: Path, tmp_path: Path) -> None:
    damaged = bytearray(model.to_bytes())
    damaged[-1] ^= 1
    (tmp_path / "damaged.lstm").write_bytes(damaged)
    with pytest.raises(ValueError, match="checksum") as error:
        Model(bytes(damaged))
    with pytest.raises(ValueError, match="damaged.lstm: .*checksum"):
        Model.load(tmp_path / "damaged.lstm")
    one_line(error)
    with pytest.raises(ValueError, match="cannot read .*missing"):
        Model.load(tmp_path / "missing")
    session = Session(model)
    before = session.save()
    with pytest.raises(ValueError, match="expected") as error:
        session.restore(before[1:])
    one_line(error)
    with pytest.raises(ValueError, match="found the token 256, expected 0 to 255"):
        session.run([1, 256])
    assert session.save() == before
    other = Model.load(root / "models/sonnets-64-int4.lstm")
    with pytest.raises(ValueError, match=f"{other.checksum:08x}"):
        Generator(model).restore(Generator(other).save())
    with pytest.raises(ValueError, match="temperature"):
        Sampler(temperature=-1.0)
    with pytest.raises(ValueError, match="at least 2"):
        model.score("a")
    with pytest.raises(ValueError, match="symbols"):
        SensorSession(model)
