import sys
from pathlib import Path

import pytest

from mercato.errors import ServerError
from mercato.serving.libpython import (
    candidate_paths,
    environment_version,
    find_python_library,
    library_name,
    parse_linker_cache,
    read_version,
)

LDCONFIG = """\
3 libs found in cache `/etc/ld.so.cache'
\tlibpython3.11.so.1.0 (libc6,x86-64) => /lib/x86_64-linux-gnu/libpython3.11.so.1.0
\tlibpython3.11.so.1.0 (libc6) => /lib/i386-linux-gnu/libpython3.11.so.1.0
\tlibpython3.11.so (libc6,x86-64) => /lib/x86_64-linux-gnu/libpython3.11.so
\tlibpython3.1.so.1.0 (libc6,x86-64, OS ABI: Linux 3.2.0) => /opt/libpython3.1.so.1.0
"""


@pytest.fixture(scope="module")
def library() -> Path:
    loadable = [path for path in candidate_paths() if read_version(path)]
    if not loadable:
        pytest.skip(f"this machine has no shared {library_name()}")
    return loadable[0]


def test_library_name_has_the_minor_version() -> None:
    assert library_name() == f"libpython3.{sys.version_info.minor}.so.1.0"


def test_linker_cache_is_searched_for_exactly_one_name() -> None:
    assert parse_linker_cache(LDCONFIG, "libpython3.11.so.1.0") == [
        Path("/lib/x86_64-linux-gnu/libpython3.11.so.1.0"),
        Path("/lib/i386-linux-gnu/libpython3.11.so.1.0"),
    ]
    assert parse_linker_cache(LDCONFIG, "libpython3.1.so.1.0") == [Path("/opt/libpython3.1.so.1.0")]
    assert parse_linker_cache(LDCONFIG, "libpython3.12.so.1.0") == []


def test_version_has_three_numbers(library: Path) -> None:
    version = read_version(library)
    assert version is not None
    assert version.startswith(f"3.{sys.version_info.minor}.")


def test_what_is_no_python_library_has_no_version(tmp_path: Path) -> None:
    text = tmp_path / "libpython.so"
    text.write_text("not a library")
    assert read_version(text) is None
    assert read_version(tmp_path / "missing.so") is None


def test_library_of_the_wanted_version_is_found_behind_others(library: Path, tmp_path: Path) -> None:
    text = tmp_path / "libpython.so"
    text.write_text("not a library")
    version = read_version(library)
    found = find_python_library([text, library], wanted=version)
    assert (found.path, found.version) == (library, version)


def test_other_patch_level_is_refused_and_named(library: Path) -> None:
    version = read_version(library)
    assert version is not None
    other = f"{version}9"  # 3.11.7 -> 3.11.79: the same minor version
    with pytest.raises(ServerError) as caught:
        find_python_library([library], wanted=other)
    message = str(caught.value)
    assert f"of version {other}" in message
    assert f"{library} is {version}" in message
    assert "Get one: " in message


def test_no_library_at_all_says_how_to_get_one() -> None:
    with pytest.raises(
        ServerError, match=rf"none was found. Get one: .*apt-get install libpython3\.{sys.version_info[1]}"
    ):
        find_python_library([])


def test_environment_version_is_that_of_the_running_python() -> None:
    assert environment_version() == ".".join(map(str, sys.version_info[:3]))
