from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


def shipped() -> list[Path]:
    """The models of the repository that write text."""
    return sorted((ROOT / "models").glob("*.lstm"))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "shipped" in metafunc.fixturenames:
        models = shipped()
        assert len(models) > 10
        metafunc.parametrize("shipped", models, ids=lambda path: path.stem)
