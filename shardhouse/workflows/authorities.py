"""Files with the certificates of instances' authorities, for our own clients: what the store says,
not what a node's folder holds."""

import os
import threading
from pathlib import Path

from shardhouse.errors import NodeError
from shardhouse.settings import Settings

FOLDER = "authorities"


def file(settings: Settings, instance_id: str, content: str) -> Path:
    """The instance's file, with this content. Raises NodeError if it cannot be written."""
    path = _path(settings, instance_id)
    try:
        if path.is_file() and path.read_text() == content:
            return path
        path.parent.mkdir(mode=0o700, exist_ok=True)
        # Readers find the old content or the new one, whole.
        new = path.with_suffix(f".{threading.get_ident()}")
        new.write_text(content)
        os.replace(new, path)
    except OSError as error:
        raise NodeError(f"Cannot write {path}: {error}.") from error
    return path


def remove(settings: Settings, instance_id: str) -> None:
    """The instance is gone, and so is its file."""
    _path(settings, instance_id).unlink(missing_ok=True)


def _path(settings: Settings, instance_id: str) -> Path:
    return settings.data_dir / FOLDER / f"{instance_id}.pem"
