"""A step of the demo is done when its result is newer than what it reads, and of this version's format."""

import os
from pathlib import Path

from demo.steps import Step
from mercato.errors import SnapshotError

OLD, NEW = 1_000_000_000, 2_000_000_000


def write(path: Path, modified: int) -> Path:
    path.write_text("x")
    os.utime(path, (modified, modified))
    return path


def test_a_step_without_a_result_is_not_done(tmp_path: Path) -> None:
    assert not Step(title="t", command=["c"], output=tmp_path / "none").is_done()


def test_a_result_older_than_what_it_was_made_from_is_made_again(tmp_path: Path) -> None:
    read, made = write(tmp_path / "in", OLD), write(tmp_path / "out", NEW)
    assert Step(title="t", command=["c"], inputs=[read], output=made).is_done()
    os.utime(read, (NEW + 1, NEW + 1))
    assert not Step(title="t", command=["c"], inputs=[read], output=made).is_done()


def test_a_result_of_another_format_is_made_again(tmp_path: Path) -> None:
    made = write(tmp_path / "out", NEW)

    def refuse() -> None:
        raise SnapshotError("catalogue: schema_version 1, this reads 2")

    assert Step(title="t", command=["c"], output=made, read=lambda: None).is_done()
    assert not Step(title="t", command=["c"], output=made, read=refuse).is_done()
