"""Writes dumps as mongodump does: a folder, or an archive."""

import gzip
import json
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import bson
from bson import json_util

Contents = Mapping[str, tuple[Mapping[str, Any], Sequence[Mapping[str, Any]]]]
"""By namespace: metadata, documents."""
END = b"\xff\xff\xff\xff"
MAGIC = struct.pack("<I", 0x8199E26D)


def metadata(collection: str, value: Mapping[str, Any]) -> str:
    """A collection's metadata as mongodump writes it."""
    found = {"collectionName": collection, "type": "collection", "options": {}, "indexes": []}
    return json.dumps(json.loads(json_util.dumps(found | value, json_options=_CANONICAL)))


_CANONICAL = json_util.CANONICAL_JSON_OPTIONS


def folder(path: Path, contents: Contents, *, zipped: bool = False) -> Path:
    """A dump as a folder."""
    for namespace, (described, documents) in contents.items():
        database, _, name = namespace.partition(".")
        place = path / database
        place.mkdir(parents=True, exist_ok=True)
        view = described.get("type") == "view"
        files = {f"{name}.metadata.json": metadata(name, described).encode()}
        if not view:
            files[f"{name}.bson"] = b"".join(map(bson.encode, documents))
        for file, content in files.items():
            if zipped:
                (place / f"{file}.gz").write_bytes(gzip.compress(content))
            else:
                (place / file).write_bytes(content)
    return path


def archive(path: Path, contents: Contents, *, zipped: bool = False) -> Path:
    """A dump as an archive, documents of all collections in turns."""
    header = {
        "concurrent_collections": 4,
        "version": "0.1",
        "server_version": "6.0",
        "tool_version": "100",
    }
    parts = [MAGIC, bson.encode(header)]
    for namespace, (described, _) in contents.items():
        database, _, name = namespace.partition(".")
        text = metadata(name, described)
        kind = described.get("type", "collection")
        entry = {"db": database, "collection": name, "metadata": text, "size": 0, "type": kind}
        parts.append(bson.encode(entry))
    parts.append(END)
    turns = max(len(documents) for _, documents in contents.values())
    for turn in range(turns + 1):
        for namespace, (_, documents) in contents.items():
            database, _, name = namespace.partition(".")
            place = {"db": database, "collection": name, "EOF": False, "CRC": 0}
            if turn < len(documents):
                parts += [bson.encode(place), bson.encode(documents[turn]), END]
            elif turn == len(documents):
                parts += [bson.encode(place | {"EOF": True, "CRC": bson.Int64(7)}), END]
    content = b"".join(parts)
    path.write_bytes(gzip.compress(content) if zipped else content)
    return path
