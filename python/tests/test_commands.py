"""train, quantize and export are the commands of host-trainer."""

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lstm_mcu
from lstm_mcu import Model, Session

SMALL: dict[str, Any] = {"hidden": 8, "embedding": 4, "batch_size": 4}


@pytest.fixture
def corpus(root: Path, tmp_path: Path) -> Path:
    path = tmp_path / "corpus.txt"
    path.write_text((root / "data/sonnets.txt").read_text()[:20_000])
    return path


def test_a_trained_network_becomes_a_model(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = lstm_mcu.train(tmp_path / "run", corpus=corpus, epochs=1, **SMALL)
    told = capsys.readouterr().out
    assert "sonnets: " in told and str(run.best) in told
    assert run.best.exists() and run.last.exists()
    bits = [row["validation_bits_per_char"] for row in run.metrics]
    assert bits and all(0 < bit < 10 for bit in bits)
    report = lstm_mcu.export(run.best, tmp_path / "direct.lstm", format="int4", calibration=corpus)
    assert report.imported is None and report.model.format == "int4"
    assert report.score is not None and "corpus.txt" in report.score
    rounded = lstm_mcu.quantize(run.best, tmp_path / "int4.safetensors", format="int4")
    assert {tensor["name"] for tensor in rounded.tensors} == {t["name"] for t in report.tensors}
    again = lstm_mcu.export(rounded.path, tmp_path / "again.lstm")
    assert again.model.generate(100) == report.model.generate(100)


def interrupted(work: Callable[[], object], when: Callable[[], bool]) -> str:
    """The line of the KeyboardInterrupt that Ctrl-C makes of this work as soon as that is so."""
    ended = threading.Event()

    def press() -> None:
        while not when() and not ended.wait(0.02):
            pass
        if not ended.is_set():
            os.kill(os.getpid(), signal.SIGINT)

    # A shell starts what runs in its background with SIGINT ignored, and Python leaves that so.
    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    thread = threading.Thread(target=press)
    thread.start()
    try:
        with pytest.raises(KeyboardInterrupt) as stopped:
            work()
    finally:
        ended.set()
        thread.join()
        signal.signal(signal.SIGINT, former)
    return str(stopped.value)


@pytest.mark.skipif(os.name == "nt", reason="Windows ends a program that it is sent to")
def test_a_run_that_is_stopped_goes_on_to_the_same_weights(corpus: Path, tmp_path: Path) -> None:
    settings = SMALL | {"corpus": corpus, "epochs": 200, "validate_every": 50, "progress": False}
    whole = lstm_mcu.train(tmp_path / "whole", **settings)
    folder = tmp_path / "stopped"
    metrics = folder / "metrics.jsonl"

    def has_begun() -> bool:
        return metrics.exists() and metrics.stat().st_size > 0

    line = interrupted(lambda: lstm_mcu.train(folder, **settings), has_begun)
    assert line.startswith("stopped after update ") and str(folder) in line
    run = lstm_mcu.train(folder, resume=True, progress=False)
    assert run.last.read_bytes() == whole.last.read_bytes()


def test_a_command_is_refused_in_one_line(corpus: Path, tmp_path: Path) -> None:
    refused: list[tuple[dict[str, Any], str]] = [
        ({"hiden": 8}, "unexpected argument '--hiden'.*'--hidden'"),
        ({"hidden": 0}, "found 0, expected 1 to"),
        ({"recipe": "none"}, "invalid value 'none' for '--recipe"),
        ({"jitter": "perhaps"}, "invalid value 'perhaps' for '--jitter"),
    ]
    for settings, expected in refused:
        with pytest.raises(ValueError, match=expected) as error:
            lstm_mcu.train(tmp_path / "run", corpus=corpus, progress=False, **settings)
        assert len(str(error.value).splitlines()) == 1
    with pytest.raises(ValueError, match="cannot read .*missing"):
        lstm_mcu.train(tmp_path / "run", corpus=tmp_path / "missing", progress=False)
    assert not (tmp_path / "run").exists()


def test_a_caller_that_fails_ends_the_command(corpus: Path, tmp_path: Path) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    files: list[str | Path] = ["--out", tmp_path / "run", "--corpus", corpus]
    words = ["train", *files, "--hidden=8", "--epochs=999"]
    with pytest.raises(ZeroDivisionError):
        lstm_mcu._native.run_command(words, fail, fail)


SEVEN = "abcdefg"


@pytest.mark.parametrize("file", ["keras.keras", "torch.pt", "torch.safetensors"])
def test_export_of_a_file_gives_the_frameworks_probabilities(
    root: Path, tmp_path: Path, file: str
) -> None:
    folder = root / "tests/golden/frameworks"
    out = tmp_path / "seven.lstm"
    report = lstm_mcu.export(folder / file, out, format="f32", symbols=SEVEN)
    steps = np.arange(1000)
    logits = Session(report.model).run((steps * steps + steps // 7) % 7)
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    expected = np.fromfile(folder / f"{file.split('.')[0]}.f32", "<f4").reshape(1000, 7)
    assert np.abs(weights / weights.sum(axis=1, keepdims=True) - expected).max() < 1e-5
    assert report.imported is not None and report.imported.map
    assert (report.tensors, report.saturation, report.model.symbols) == ([], [], SEVEN)
    integers = lstm_mcu.export(folder / file, out, symbols=SEVEN, calibration="abcdefgfedcba" * 9)
    assert integers.model.format == "int8" and integers.tensors and integers.score
    assert str(report.imported.parameters) in str(integers)
    assert Model.load(out).checksum == integers.model.checksum


def test_export_of_a_network_that_reads_values(root: Path, tmp_path: Path) -> None:
    file = root / "tests/golden/sensors/keras_gru32_motions_norm.keras"
    out = tmp_path / "motions.lstm"
    with pytest.raises(ValueError, match="expected --data"):
        lstm_mcu.export(file, out)
    random = np.random.default_rng(1)
    data = random.normal(size=(4, 100, 6))
    report = lstm_mcu.export(file, out, calibration=data, classes=["a", "b", "c", "d"])
    assert report.model.gives == "classes" and report.model.labels == ["a", "b", "c", "d"]
    assert report.tensors and report.model.name == "motions"
    single = lstm_mcu.export(file, out, format="f32")
    assert single.model.format == "f32" and single.tensors == []


def test_export_refuses_what_it_cannot_use(root: Path, tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="found a builtins.dict, expected a keras.Model"):
        lstm_mcu.export({}, tmp_path / "x.lstm")
    file = root / "tests/golden/frameworks/torch.pt"
    with pytest.raises(ValueError, match="invalid value 'int9' for '--format"):
        lstm_mcu.export(file, tmp_path / "x.lstm", format="int9", symbols=SEVEN)
    with pytest.raises(ValueError, match="has 7 symbols, expected the alphabet's 27"):
        lstm_mcu.export(file, tmp_path / "x.lstm")
    assert not (tmp_path / "x.lstm").exists()


def test_a_model_becomes_a_file_for_a_board(root: Path, tmp_path: Path) -> None:
    model = root / "models/cifg-96-int4.lstm"
    path = lstm_mcu.image(model, "pico", out=tmp_path / "mine.uf2")
    assert path == tmp_path / "mine.uf2"
    flash = b"".join(path.read_bytes()[at + 32 : at + 288] for at in range(0, path.stat().st_size, 512))
    assert flash.startswith(model.read_bytes())
    with pytest.raises(ValueError, match="expected the image of a release for this board"):
        other = lstm_mcu.image(model, "microbit-v2", out=tmp_path / "other.hex")
        lstm_mcu.image(model, "microbit", into=other, out=tmp_path / "mine.hex")
    assert not (tmp_path / "mine.hex").exists()
