"""Which builds this machine has now: in the folders of the settings, and in the store."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from shardhouse.engines import known
from shardhouse.engines.catalogue import Catalogue, Engine
from shardhouse.engines.inspection import inspect
from shardhouse.engines.store import EngineStore
from shardhouse.errors import EngineError
from shardhouse.settings import Settings


class Builds:
    """The builds of this machine. `chosen` (folders, or names of the store's builds) are those that
    serve new instances; where it is empty, all of the store do. Builds may come and go meanwhile.
    """

    def __init__(
        self, chosen: Sequence[str], store: EngineStore, *, prefer_openssl_3: bool = False
    ) -> None:
        self.store = store
        self._chosen = tuple(chosen)
        self._prefer_openssl_3 = prefer_openssl_3
        self._seen: tuple[int, Catalogue] | None = None

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Those of an installation."""
        store = EngineStore(settings.engine_folder)
        return cls(settings.engines, store, prefer_openssl_3=settings.tls_prefers_openssl_3)

    def catalogue(self) -> Catalogue:
        """The builds as they are now. EngineError names a folder of the settings without a mongod,
        a mongod there that does not run, and a name that is no build of the store."""
        stamp = self.store.stamp()
        if self._seen is None or self._seen[0] != stamp:
            self._seen = (stamp, self._look())
        return self._seen[1]

    def _look(self) -> Catalogue:
        stored, broken = self.store.builds()
        if not self._chosen:
            return Catalogue(tuple(stored), (), broken, self._prefer_openssl_3)
        offered = tuple(self._choose(entry) for entry in self._chosen)
        names = {engine.name for engine in offered}
        others = tuple(engine for engine in stored if engine.name not in names)
        return Catalogue(offered, others, broken, self._prefer_openssl_3)

    def _choose(self, entry: str) -> Engine:
        folder = Path(entry).expanduser()
        if os.sep not in entry and not folder.is_dir():
            engine = self.store.find(entry)
            if engine is None:
                way = entry if known.named(entry) else "FOLDER"
                raise EngineError(
                    f"The setting `engines` names {entry}, which is not here: shardhouse engine "
                    f"add {way}."
                )
            return engine
        try:
            return inspect(folder)
        except EngineError as error:
            raise EngineError(f"{error.message} The setting `engines` names {entry}.") from error
