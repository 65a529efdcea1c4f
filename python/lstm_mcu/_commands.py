"""Commands of host-trainer: train, quantize and image."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypedDict

from . import _native
from ._progress import Progress

PathLike = str | os.PathLike[str]


class TensorError(TypedDict):
    """How far a tensor moved when it was rounded."""

    name: str
    max: float
    """The largest absolute value before."""
    rms: float
    """Root mean square before."""
    error_rms: float
    """Root mean square of the difference."""


@dataclass(frozen=True)
class Run:
    """The folder of a training run."""

    folder: Path

    @property
    def best(self) -> Path:
        """The network of the best validation."""
        return self.folder / _native.BEST

    @property
    def last(self) -> Path:
        """The network at the end."""
        return self.folder / _native.FINAL

    @property
    def metrics(self) -> list[dict[str, Any]]:
        """A row a validation: `update`, `epoch`, `train_nats`, `validation_bits_per_char` and others."""
        lines = (self.folder / _native.METRIC_LINES).read_text(encoding="utf-8")
        return [json.loads(line) for line in lines.splitlines()]


@dataclass(frozen=True)
class Rounded:
    """A network in integers."""

    path: Path
    """The network (.safetensors), which export makes a model of; of one that reads values, the model (.lstm)."""
    tensors: list[TensorError] = field(default_factory=list)
    """How far each tensor moved; nothing behind a fine-tuning."""


def run(words: list[PathLike], progress: bool) -> list[str]:
    """Runs a command, and gives the lines that it printed."""
    with Progress(progress) as shown:
        _native.run_command(words, shown.line, shown.progress)
    return shown.lines


def run_json(words: list[PathLike]) -> dict[str, Any]:
    """Runs a command that prints JSON, and gives that."""
    answer: dict[str, Any] = json.loads(run([*words, "--json"], progress=False)[-1])
    return answer


def train(
    out: PathLike,
    *,
    corpus: PathLike | None = None,
    data: PathLike | None = None,
    recipe: str | None = None,
    hidden: int | None = None,
    epochs: float | None = None,
    seed: int | None = None,
    resume: bool = False,
    progress: bool = True,
    **settings: Any,
) -> Run:
    """Trains a network in the folder `out`: of characters on the text in the file `corpus`, or of values on `data`
    (.npz, .csv).

    All settings are the flags of `host-trainer train`, with _ for -: `train("runs/mine", corpus="mine.txt",
    hidden=96, learning_rate=2e-3)`. None leaves the choice to the recipe. `progress` shows a bar, and the
    lines that the command prints. Ctrl-C, or the stop of a notebook, saves a checkpoint and raises KeyboardInterrupt;
    `train(out, resume=True)` goes on to the files that the run would have had. ValueError tells what a setting or a file
    lacks.
    """
    settings |= {
        "corpus": corpus,
        "data": data,
        "recipe": recipe,
        "hidden": hidden,
        "epochs": epochs,
        "seed": seed,
        "resume": resume,
    }
    run(["train", "--out", out, *_native.program_words("train", settings)], progress)
    return Run(Path(out))


def quantize(
    network: PathLike,
    out: PathLike,
    *,
    format: str = "int8",
    data: PathLike | None = None,
    qat: bool = False,
    corpus: PathLike | None = None,
    epochs: float | None = None,
    progress: bool = True,
    **settings: Any,
) -> Rounded:
    """Writes the network of a file in integers: "int8" or "int4".

    A network of text becomes a network (.safetensors), which export makes a model of. One that reads values is rounded by
    the ranges of `data` (.npz, .csv), and becomes the model itself (.lstm). With `qat` it is then trained on in those
    integers, by the text in the file `corpus` (the one of its training unless given) or by `data`; `out` has the best so
    far from the start on. All settings are the flags of `host-trainer quantize`, with _ for -. Ctrl-C as in train.
    """
    settings |= {
        "format": format,
        "data": data,
        "qat": qat,
        "corpus": corpus,
        "epochs": epochs,
    }
    flags = _native.program_words("quantize", settings)
    words: list[PathLike] = ["quantize", network, "--out", out, *flags]
    if qat:
        run(words, progress)
        return Rounded(Path(out))
    return Rounded(Path(out), run_json(words)["tensors"])


def image(
    model: PathLike,
    board: str,
    *,
    into: PathLike | None = None,
    out: PathLike | None = None,
) -> Path:
    """Writes the file from which the flash of a board is written, and gives its path.

    `into` is the image of a release for this board, such as "sonnets-0.2.0-pico-recall-verse-96-large.uf2": the model (.lstm)
    takes the place of the one in it. Without it the file has the model alone, for a board that has the firmware already.
    `out` is named after the model and the board unless given. ValueError tells why the board does not run the model.
    """
    words = _native.program_words("image", {"board": board, "into": into, "out": out})
    return Path(run_json(["image", model, *words])["out"])
