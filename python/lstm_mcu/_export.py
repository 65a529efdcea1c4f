"""export: from a live model of Keras or PyTorch to a .lstm file."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from . import _native
from ._commands import PathLike, TensorError, run_json
from ._native import Model


@dataclass(frozen=True)
class Imported:
    """What was found in a framework's model."""

    network: str
    """The network in one line."""
    parameters: int
    window: int | None
    """The characters or steps of its windows; None if it carries its state."""
    map: list[str]
    """What became of each tensor."""
    notes: list[str]
    """What was assumed, and should be known."""


@dataclass(frozen=True)
class Report:
    """What export did."""

    path: Path
    model: Model
    """The model, as it was written."""
    imported: Imported | None
    """What was taken from the framework; None of a network that train or quantize wrote."""
    tensors: list[TensorError]
    """How far rounding moved each tensor; nothing in f32."""
    saturation: list[str]
    """A line for each thing that goes beyond the integers, and is cut off; nothing in f32."""
    score: str | None
    """Bits per character on the text of the calibration, as a table."""

    def __str__(self) -> str:
        lines = []
        if self.imported:
            lines += [self.imported.network]
            lines += [f"  {line}" for line in self.imported.map]
            lines += [f"note: {line}" for line in self.imported.notes]
        for tensor in self.tensors:
            share = tensor["error_rms"] / max(tensor["rms"], 1e-30)
            lines.append(f"  {tensor['name']}: rounding moved it by {100 * share:.2f} %")
        lines += [f"note: {line}" for line in self.saturation]
        if self.score:
            lines.append(self.score)
        size = len(self.model.to_bytes())
        lines.append(f"{self.path}: {self.model.format}, {size} bytes")
        return "\n".join(lines)


def export(
    model: Any,
    out: PathLike,
    *,
    format: str | None = None,
    calibration: ArrayLike | PathLike | None = None,
    symbols: str | None = None,
    fold_case: bool = False,
    window: int | None = None,
    classes: Sequence[str] | None = None,
    values: Sequence[str] | None = None,
    channels: Sequence[str] | None = None,
    normalize: tuple[ArrayLike, ArrayLike] | None = None,
    activation: Sequence[str] | None = None,
    order: Sequence[str] | None = None,
    ignore: Sequence[str] | None = None,
    name: str | None = None,
    saturate: bool = False,
    dead_zone: int | None = None,
) -> Report:
    """Writes a model of Keras or PyTorch as a .lstm file for a chip.

    model: a live keras.Model or torch.nn.Module; or the path of a file that one of them or an exporter of ONNX wrote, or
    of a network of train or quantize.

    format: "int8", "int4" or "f32"; int8 unless given, but a network of quantize has its own.

    calibration: of a network that reads values, what it reads, [sequences, steps, channels] or [steps, channels], or a
    file (.npz, .csv): its ranges decide the integers. Of a network of text, a text, or the path (pathlib.Path) of one:
    the model is scored on it.

    What the model does not tell: symbols, the characters in the order of their tokens (27 letters unless given), and
    fold_case; window, the characters or steps that it was given in training, 0 if it carries its state; classes or values,
    what it answers; channels, the names of what it reads; normalize, the mean and the std that its input has been
    normalized with, [channels] each; activation, of the dense layers; order, the names of the layers; ignore, tensors
    that are no part of it. docs/FRAMEWORKS.md has the whole of it.

    saturate: round a network that the integers do not hold, too. dead_zone: see docs/NUMBERS.md; of int4.

    ValueError tells what is not understood, or does not fit a chip. Nothing is written then.
    """
    told: dict[str, object] = {
        "fold_case": fold_case,
        "window": window,
        "classes": classes,
        "values": values,
        "channels": channels,
        "activation": activation,
        "order": order,
        "ignore": ignore,
    }
    with tempfile.TemporaryDirectory(prefix="lstm-mcu-") as folder:
        place = Path(folder)
        saved = _saved(model, place)
        imported = None
        if isinstance(model, (str, os.PathLike)) and _native.is_network(saved):
            network = saved
        else:
            network = place / "network.safetensors"
            if symbols is not None:
                told["symbols"] = _file(place / "symbols.txt", symbols)
            if normalize is not None:
                mean, std = (np.atleast_1d(np.asarray(x, np.float32)) for x in normalize)
                np.savez(place / "normalize.npz", mean=mean, std=std)
                told["normalize"] = place / "normalize.npz"
            flags = _native.program_words("import", told)
            found = run_json(["import", saved, "--out", network, *flags])
            imported = Imported(
                found["network"],
                found["parameters"],
                found["window"],
                found["map"],
                found["notes"],
            )
        command, settings = _last_step(network, format, calibration, place)
        settings |= {"format": format, "name": name, "saturate": saturate, "dead_zone": dead_zone}
        flags = _native.program_words(command, settings)
        written = run_json([command, network, "--out", out, *flags])
    return Report(
        Path(out),
        Model.load(out),
        imported,
        written["tensors"],
        written["saturation"],
        written.get("score"),
    )


def _last_step(
    network: Path, format: str | None, calibration: ArrayLike | PathLike | None, folder: Path
) -> tuple[str, dict[str, object]]:
    """The command that writes the model, and what it reads beside the network."""
    if not _native.reads_values(network):
        if isinstance(calibration, str):
            calibration = _file(folder / "calibration.txt", calibration)
        return "export", {"corpus": calibration}
    if format == "f32":
        return "export", {}
    if calibration is not None and not isinstance(calibration, (str, os.PathLike)):
        np.savez(folder / "calibration.npz", x=np.asarray(calibration, np.float32))
        calibration = folder / "calibration.npz"
    return "quantize", {"data": calibration}


def _saved(model: Any, folder: Path) -> Path:
    """The file that the framework's own saving makes of a model."""
    if isinstance(model, (str, os.PathLike)):
        return Path(model)
    roots = {base.__module__.split(".")[0] for base in type(model).__mro__}
    # One of Keras may be one of PyTorch too, which computes for it.
    if "keras" in roots:
        path = folder / "model.keras"
        model.save(path)
        return path
    if "torch" in roots:
        import torch

        path = folder / "model.pt"
        weights = {name: x.detach().cpu() for name, x in model.state_dict().items()}
        torch.save(weights, path)
        return path
    found = f"{type(model).__module__}.{type(model).__qualname__}"
    raise TypeError(f"found a {found}, expected a keras.Model, a torch.nn.Module or a path")


def _file(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8", newline="")
    return path
