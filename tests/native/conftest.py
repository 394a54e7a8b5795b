"""How many native tests ran, in the summary of the one run."""

from collections.abc import Callable

import pytest

COUNTS = pytest.StashKey[dict[str, int]]()


@pytest.fixture
def tell_count(pytestconfig: pytest.Config) -> Callable[[str, int], None]:
    """Remember for the summary how many tests of a language ran."""
    counts = pytestconfig.stash.setdefault(COUNTS, {})

    def tell(language: str, count: int) -> None:
        counts[language] = count

    return tell


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    counts = config.stash.get(COUNTS, {})
    if counts:
        told = ", ".join(f"{language} {count}" for language, count in sorted(counts.items()))
        terminalreporter.write_line(f"native tests that passed: {told}")
