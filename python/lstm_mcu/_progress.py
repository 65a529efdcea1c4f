"""What a command shows while it runs: a bar where tqdm is installed, plain lines elsewhere."""

from __future__ import annotations

import time
import warnings
from types import TracebackType
from typing import Any

SECONDS_BETWEEN_LINES = 10.0


class Progress:
    """Shows lines as they come, and how far long work is, if that is wanted. Keeps the lines."""

    def __init__(self, wanted: bool) -> None:
        self.wanted = wanted
        self.lines: list[str] = []
        self._bar: Any = None
        self._shown = time.monotonic()

    def line(self, text: str) -> None:
        """A line that the command prints."""
        self.lines.append(text)
        if not self.wanted:
            return
        if self._bar is None:
            print(text, flush=True)
        else:
            self._bar.write(text)

    def progress(self, done: float, message: str) -> None:
        """`done` of the work is done, 0 to 1."""
        if not self.wanted:
            return
        if self._bar is None and (tqdm := _tqdm()) is not None:
            layout = "{percentage:3.0f}%|{bar:30}|{postfix}"
            self._bar = tqdm(total=1.0, bar_format=layout, leave=False)
        if self._bar is not None:
            self._bar.n = done
            self._bar.set_postfix_str(message)
        elif time.monotonic() - self._shown >= SECONDS_BETWEEN_LINES:
            self._shown = time.monotonic()
            print(f"{100 * done:3.0f}% {message}", flush=True)

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.close()


def _tqdm() -> Any:
    """The bar of a notebook or of a terminal; None where there is none."""
    try:
        with warnings.catch_warnings():
            # In a notebook without widgets it warns, and shows a bar of text.
            warnings.simplefilter("ignore")
            from tqdm.auto import tqdm
    except ImportError:
        return None
    return tqdm
