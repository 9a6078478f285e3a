"""Files that the command writes are ours alone, in whatever folder."""

from pathlib import Path

import pytest

from shardhouse.client.files import whole


def test_what_others_have_put_beside_it_is_not_followed(tmp_path: Path) -> None:
    path, theirs = tmp_path / "it", tmp_path / "theirs"
    theirs.touch(mode=0o644)
    (tmp_path / "it.part").symlink_to(theirs)
    with whole(path) as file:
        file.write(b"secret")
    assert path.read_bytes() == b"secret"
    assert not path.is_symlink()
    assert path.stat().st_mode & 0o777 == 0o600
    assert theirs.read_bytes() == b""


def test_nothing_is_left_of_what_failed(tmp_path: Path) -> None:
    with pytest.raises(TypeError), whole(tmp_path / "it") as file:
        file.write("no bytes")  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())
