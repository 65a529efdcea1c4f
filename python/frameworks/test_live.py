"""Live models of Keras and PyTorch become models of the chip."""

import os
from pathlib import Path
from typing import Any

os.environ["KERAS_BACKEND"] = "torch"

import keras
import numpy as np
import torch
from numpy.typing import NDArray

import lstm_mcu
from lstm_mcu import SensorSession, Session

SYMBOLS = " abcdefghijklmnopqrstuvwxyz"
TOLERANCE = 1e-5


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True)


class Poet(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = torch.nn.Embedding(27, 16)
        self.gru = torch.nn.GRU(16, 24, 2, batch_first=True)
        self.dense = torch.nn.Linear(24, 27)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.dense(self.gru(self.embedding(tokens))[0])


class Motions(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = torch.nn.LSTM(6, 20, batch_first=True)
        self.dense = torch.nn.Linear(20, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.dense(self.lstm(x)[0][:, -1])


def keras_poet(window: int | None) -> Any:
    is_windowed = window is not None
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((window,)),
            layers.Embedding(27, 16),
            layers.LSTM(24, return_sequences=not is_windowed),
            layers.Dense(27, activation="softmax"),
        ]
    )


def test_a_live_keras_model_of_text(tmp_path: Path) -> None:
    network = keras_poet(None)
    report = lstm_mcu.export(network, tmp_path / "poet.lstm", format="f32", calibration="a " * 99)
    tokens = np.arange(200) ** 2 % 27
    expected = np.asarray(network.predict(tokens[None], verbose=0))[0]
    found = softmax(Session(report.model).run(tokens))
    assert np.abs(found - expected).max() < TOLERANCE
    assert report.imported is not None and report.imported.window is None
    assert report.imported.parameters == network.count_params()
    assert report.model.symbols == SYMBOLS and report.score is not None
    integers = lstm_mcu.export(network, tmp_path / "poet.lstm", format="int4")
    assert integers.model.format == "int4" and integers.tensors and len(str(integers)) > 100


def test_a_window_of_keras_is_told(tmp_path: Path) -> None:
    network = keras_poet(10)
    report = lstm_mcu.export(network, tmp_path / "poet.lstm", format="f32")
    assert report.model.window == 10
    tokens = np.arange(10) * 3 % 27
    expected = np.asarray(network.predict(tokens[None], verbose=0))[0]
    assert np.abs(softmax(Session(report.model).run(tokens)[-1]) - expected).max() < TOLERANCE


def test_a_live_pytorch_module_of_text(tmp_path: Path) -> None:
    network = Poet()
    report = lstm_mcu.export(network, tmp_path / "poet.lstm", format="f32")
    tokens = np.arange(200) ** 2 % 27
    with torch.no_grad():
        expected = torch.softmax(network(torch.from_numpy(tokens)[None])[0], -1).numpy()
    assert np.abs(softmax(Session(report.model).run(tokens)) - expected).max() < TOLERANCE


def test_a_live_pytorch_module_of_values(tmp_path: Path) -> None:
    network, random = Motions(), np.random.default_rng(2)
    data = random.normal(size=(8, 50, 6)).astype(np.float32)
    labels = ["badminton", "running", "standing", "walking"]
    settings: dict[str, Any] = {"classes": labels, "window": 50, "channels": list("abcdef")}
    single = lstm_mcu.export(network, tmp_path / "single.lstm", format="f32", **settings)
    with torch.no_grad():
        expected = torch.softmax(network(torch.from_numpy(data)), -1).numpy()
    session = SensorSession(single.model)
    for sequence, probabilities in zip(data, expected):
        answer = session.answer(sequence)
        assert answer.probabilities is not None
        assert np.abs(answer.probabilities - probabilities).max() < TOLERANCE
        assert answer.label == labels[int(np.argmax(probabilities))]
    integers = lstm_mcu.export(network, tmp_path / "int8.lstm", calibration=data, **settings)
    assert (integers.model.format, integers.model.channels) == ("int8", list("abcdef"))
    # Normalized inputs: the model reads what the sensor gives.
    mean, std = np.full(6, 5.0), np.full(6, 2.0)
    normalize = (mean, std)
    raw = lstm_mcu.export(
        network, tmp_path / "raw.lstm", format="f32", normalize=normalize, **settings
    )
    answer = SensorSession(raw.model).answer(data[0] * 2 + 5)
    assert answer.probabilities is not None
    assert np.abs(answer.probabilities - expected[0]).max() < TOLERANCE
