"""Where backups are kept. `interface` says what a storage can do; the others are drivers of it."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from shardhouse.backups.storage.interface import Storage
from shardhouse.backups.storage.local import LocalStorage
from shardhouse.settings import Settings


def open_storage(settings: Settings) -> Storage:
    """The storage that the settings name. Raises BackupError where it cannot be used."""
    url = urlsplit(settings.backup_url)
    if url.scheme == "file":
        return LocalStorage(Path(unquote(url.path)))
    from shardhouse.backups.storage.objects import open_bucket  # large, and most have a folder

    return open_bucket(settings.backup, settings.backup_url)
