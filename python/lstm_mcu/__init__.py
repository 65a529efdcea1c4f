"""Recurrent networks for microcontrollers: train them, take them from Keras and PyTorch, run them with the chip's bits.

Model, Session, Generator, Sampler, SensorSession and Output are the engine of the chip. export carries a live model of
Keras or PyTorch into a .lstm file; train, quantize and image are commands of host-trainer.
"""

from ._commands import Rounded, Run, TensorError, image, quantize, train
from ._export import Imported, Report, export
from ._native import (
    Generator,
    Model,
    Output,
    Sampler,
    SensorSession,
    Session,
    __version__,
)

__all__ = [
    "Generator",
    "Imported",
    "Model",
    "Output",
    "Report",
    "Rounded",
    "Run",
    "Sampler",
    "SensorSession",
    "Session",
    "TensorError",
    "__version__",
    "export",
    "image",
    "quantize",
    "train",
]
