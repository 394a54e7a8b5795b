import pytest

from bundle.builder.check import check
from bundle.builder.edit import Edit, edit
from bundle.builder.ingest import ingest
from bundle.builder.worker import Worker
from tests.build import make_models as make
from tests.build.place import Place


@pytest.fixture
def checked(tmp_path):
    """Return a function that checks a message and gives the model and the advice."""

    def run(message):
        return check(ingest(make.save(message, tmp_path), tmp_path), tmp_path)

    return run


@pytest.fixture(scope="module")
def worker():
    with Worker(timeout=120) as one:
        yield one


@pytest.fixture
def edited(tmp_path, worker):
    """Return a function that edits a message, or a file."""

    def run(model, **wanted):
        path = make.save(model, tmp_path) if hasattr(model, "graph") else model
        work = tmp_path / "work"
        work.mkdir(exist_ok=True)
        return edit(path, Edit(**wanted), work, worker)

    return run


@pytest.fixture
def place(tmp_path):
    """Folders in which the command `build` runs and leaves nothing but bundles."""
    return Place(tmp_path)
