"""A `serve` whose operations have LIMIT seconds, and never find that majority writes succeed."""

import json
import os
import sys
from typing import Any

from shardhouse.mongo.wait import Deadline
from shardhouse.operations.tasks import verify
from shardhouse.server import serve
from shardhouse.settings import load
from shardhouse.workflows import limits


def never(_run: Any) -> None:
    Deadline(600).until("a majority write", lambda: None)


if __name__ == "__main__":
    limits.BASE, limits.PER_NODE = float(os.environ["LIMIT"]), 0.0
    verify.majority_write = never  # type: ignore[assignment]
    serve(load(**json.loads(sys.argv[1])))
