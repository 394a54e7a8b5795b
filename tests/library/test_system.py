"""Where the libraries of a system are looked for: links, folders and configuration of a root folder."""

from pathlib import Path

import pytest

from bundle import elf
from bundle.doctor import processor
from bundle.doctor.system import System
from tests.vectors.elf import MACHINES, Library

NAME = "libneeded.so.1"
X86, ARM = MACHINES["x86_64"], MACHINES["arm64"]


def needing(*runpath: str) -> elf.Elf:
    return elf.Elf(X86, False, (NAME,), runpath)


def place(path: Path, machine: int = X86, **stated: list[str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(Library(machine, needed=[], **stated).bytes())
    return path


def found(root: Path, library: elf.Elf | None = None, origin: Path = Path("/nonexistent")) -> Path | None:
    hit = System(root).find(NAME, library or needing(), origin)
    return hit and hit[0]


@pytest.mark.parametrize("folder", ["lib", "usr/lib64", "lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu"])
def test_the_folders_of_the_loader(tmp_path: Path, folder: str) -> None:
    place(tmp_path / "more" / NAME)
    assert found(tmp_path) is None
    path = place(tmp_path / folder / NAME)
    assert found(tmp_path) == path


def test_a_library_of_another_processor_is_passed_over(tmp_path: Path) -> None:
    place(tmp_path / "lib" / "x86_64-linux-gnu" / NAME, ARM)
    (tmp_path / "usr" / "lib64").mkdir(parents=True)
    (tmp_path / "usr" / "lib64" / NAME).write_text("no library")
    assert found(tmp_path) is None
    path = place(tmp_path / "usr" / "lib" / NAME)
    assert found(tmp_path) == path


def test_folders_of_ld_so_conf_and_what_it_includes(tmp_path: Path) -> None:
    configuration = tmp_path / "etc" / "ld.so.conf"
    configuration.parent.mkdir()
    (tmp_path / "etc" / "ld.so.conf.d").mkdir()
    configuration.write_text("# a comment\ninclude ld.so.conf.d/*.conf\ninclude /etc/ld.so.conf\n")
    (tmp_path / "etc" / "ld.so.conf.d" / "own.conf").write_text("  /device/own/lib # ours\n")
    path = place(tmp_path / "device" / "own" / "lib" / NAME)
    assert found(tmp_path) == path
    assert System(tmp_path).runtime([X86]) is None
    runtime = place(tmp_path / "device" / "own" / "lib" / "libonnxruntime.so")
    assert System(tmp_path).runtime([X86]) == runtime


def test_runpath_comes_first(tmp_path: Path) -> None:
    place(tmp_path / "lib" / NAME)
    beside = place(tmp_path / "device" / "lib" / NAME)
    own = place(tmp_path / "more" / NAME)
    for origin in ("$ORIGIN/lib", "${ORIGIN}/lib"):
        assert found(tmp_path, needing("/nowhere", origin), tmp_path / "device") == beside
    assert found(tmp_path, needing("/more"), tmp_path / "device") == own


def test_runpath_beside_a_library_of_the_system_stays_in_it(tmp_path: Path) -> None:
    root = tmp_path / "root"
    library = needing("$ORIGIN/../../../outside", "$ORIGIN/linked")
    place(tmp_path / "outside" / NAME)
    (root / "usr" / "lib").mkdir(parents=True)
    (root / "usr" / "lib" / "linked").symlink_to("/own")
    assert found(root, library, root / "usr" / "lib") is None
    own = place(root / "own" / NAME)
    assert found(root, library, root / "usr" / "lib") == own
    inside = place(root / "outside" / NAME)
    assert found(root, library, root / "usr" / "lib") == inside


def test_a_runtime_of_another_processor_is_passed_over(tmp_path: Path) -> None:
    place(tmp_path / "lib" / "libonnxruntime.so.1", ARM)
    assert System(tmp_path).runtime([X86]) is None
    path = place(tmp_path / "usr" / "lib" / "libonnxruntime.so.1")
    assert System(tmp_path).runtime([X86]) == path
    # What is no library is the loader's to refuse, and the checks'.
    (tmp_path / "lib" / "libonnxruntime.so.1").write_text("no library")
    assert System(tmp_path).runtime([X86]) == tmp_path / "lib" / "libonnxruntime.so.1"


def test_links_lead_nowhere_but_into_the_root_folder(tmp_path: Path) -> None:
    root = tmp_path / "root"
    path = place(root / "usr" / "lib" / "real.so")
    (root / "lib").symlink_to("/usr/lib")
    (root / "usr" / "lib" / NAME).symlink_to("../../../../../../usr/lib/real.so")
    assert found(root) == path
    (root / "usr" / "lib" / NAME).unlink()
    (root / "usr" / "lib" / NAME).symlink_to(place(tmp_path / "outside.so"))
    assert found(root) is None
    (root / "usr" / "lib" / NAME).unlink()
    (root / "usr" / "lib" / NAME).symlink_to(NAME)
    assert found(root) is None


def test_a_needed_path_is_one_of_the_system(tmp_path: Path) -> None:
    path = place(tmp_path / "more" / NAME)
    system = System(tmp_path)
    hit = system.find(f"/more/{NAME}", needing(), Path("/nonexistent"))
    assert hit and hit[0] == path
    assert system.find(f"/nowhere/{NAME}", needing(), Path("/nonexistent")) is None


def test_only_this_system_has_a_search_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = place(tmp_path / "own" / NAME)
    monkeypatch.setenv("LD_LIBRARY_PATH", f":{path.parent}")
    assert found(tmp_path) is None
    hit = System().find(NAME, needing(), Path("/nonexistent"))
    assert hit and hit[0] == path


def test_the_glibc_of_a_system(tmp_path: Path) -> None:
    assert System(tmp_path).machines() == set()
    place(tmp_path / "lib" / "libc.so.6", ARM, defined=["GLIBC_2.17", "GLIBC_2.31", "GLIBC_PRIVATE"])
    assert System(tmp_path).glibc(ARM) == (2, 31) and System(tmp_path).machines() == {ARM}


def test_the_level_of_the_cpu(tmp_path: Path) -> None:
    information = tmp_path / "cpuinfo"
    information.write_text("processor : 0\nflags\t\t: sse2 sse4_2 ssse3 popcnt avx2 fma\n")

    def told(level: int, root: Path | None = None, host: int = X86) -> tuple[str, str]:
        stated = elf.Elf(X86, False, (), (), isa_level=level)
        finding = processor.check(stated, System(root), host, information)
        return finding.status, finding.code

    assert told(0) == ("unknown", "")
    assert told(3) == ("ok", "")
    assert told(7) == ("problem", "library_cpu")
    assert told(7, tmp_path) == ("unknown", "")
    assert told(7, host=ARM) == ("unknown", "")
    information.write_text("processor : 0\n")
    assert told(7) == ("unknown", "")
