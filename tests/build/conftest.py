import pytest

from bundle.builder.check import check
from bundle.builder.ingest import ingest
from tests.build import make_models as make


@pytest.fixture
def checked(tmp_path):
    """Return a function that checks a message and gives the model and the advice."""

    def run(message):
        return check(ingest(make.save(message, tmp_path), tmp_path), tmp_path)

    return run
