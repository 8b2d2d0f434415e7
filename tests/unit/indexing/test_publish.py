from pathlib import Path

import pytest

from mercato.errors import DataError
from mercato.indexing.publish import check_target, hold_target, publish, versions_folder


def make_version(folder: Path, name: str) -> Path:
    built = folder / ".building" / name
    built.mkdir(parents=True)
    (built / "manifest.json").write_text(name)
    return built


def test_the_name_is_a_link_to_the_newest_version(tmp_path: Path) -> None:
    out = tmp_path / "catalog"

    first = publish(make_version(tmp_path, "1"), out)
    assert out.is_symlink()
    assert (out / "manifest.json").read_text() == "1"
    publish(make_version(tmp_path, "2"), out)

    assert (out / "manifest.json").read_text() == "2"
    assert (first / "manifest.json").read_text() == "1"  # for who opened the link before


def test_the_link_is_relative_so_that_the_folder_can_move(tmp_path: Path) -> None:
    shop = tmp_path / "shop"
    shop.mkdir()
    publish(make_version(shop, "1"), shop / "catalog")

    shop.rename(tmp_path / "moved")

    assert (tmp_path / "moved" / "catalog" / "manifest.json").read_text() == "1"


def test_two_versions_are_kept(tmp_path: Path) -> None:
    for name in ("1", "2", "3", "4"):
        publish(make_version(tmp_path, name), tmp_path / "catalog")

    assert sorted(path.name for path in versions_folder(tmp_path / "catalog").iterdir()) == ["3", "4"]
    assert [path.name for path in tmp_path.iterdir() if ".link" in path.name] == []


@pytest.mark.parametrize("kind", ["folder", "file", "link elsewhere"])
def test_what_is_no_snapshot_is_not_replaced(tmp_path: Path, kind: str) -> None:
    out = tmp_path / "catalog"
    if kind == "folder":
        out.mkdir()
    elif kind == "file":
        out.write_text("mine")
    else:
        (tmp_path / "photos").mkdir()
        out.symlink_to("photos")

    with pytest.raises(DataError, match=r"--out .*catalog: exists and was not made by `mercato index`"):
        check_target(out)
    with pytest.raises(DataError, match="choose another name or move it away"), hold_target(out):
        pass


def test_a_link_to_a_version_that_is_gone_can_be_replaced(tmp_path: Path) -> None:
    (tmp_path / "catalog").symlink_to("gone")

    check_target(tmp_path / "catalog")
    publish(make_version(tmp_path, "1"), tmp_path / "catalog")

    assert (tmp_path / "catalog" / "manifest.json").read_text() == "1"


def test_only_one_build_of_a_name_at_a_time(tmp_path: Path) -> None:
    with hold_target(tmp_path / "catalog"), hold_target(tmp_path / "other"):
        with (
            pytest.raises(DataError, match=r"another `mercato index` is building it; wait"),
            hold_target(tmp_path / "catalog"),
        ):
            pass
    with hold_target(tmp_path / "catalog") as work:
        assert work.is_dir()


def test_an_interrupted_build_leaves_its_work_and_a_finished_one_nothing(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="stopped"), hold_target(tmp_path / "catalog") as work:
        (work / "chunk").write_text("done so far")
        raise OSError("stopped")
    with hold_target(tmp_path / "catalog") as work:
        assert (work / "chunk").read_text() == "done so far"

    assert not work.exists()
