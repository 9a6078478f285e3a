"""A `serve` that kills itself with SIGKILL at one chosen moment, named by DIE_AT.

`before:<step>` is the moment a step would begin; `after:<step>` the worst one, when its effect is
there and the workflow engine does not know yet. `stored` lies between the two databases: the job is
stored and its workflow is not.
"""

import json
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from dbos import DBOS

from shardhouse.server import serve
from shardhouse.settings import load
from shardhouse.workflows.engine import Workflows

MOMENT = os.environ["DIE_AT"]


def die_at(moment: str) -> None:
    if moment == MOMENT:
        os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    real_step = DBOS.run_step
    real_start = Workflows.start

    def run_step(options: Any, work: Callable[..., Any], *given: Any) -> Any:
        name = options["name"]

        def dying(*inner: Any) -> Any:
            result = work(*inner)
            die_at(f"after:{name}")
            return result

        die_at(f"before:{name}")
        return real_step(options, dying, *given)

    def start(self: Workflows, job: Any) -> None:
        die_at("stored")
        real_start(self, job)

    DBOS.run_step = staticmethod(run_step)  # type: ignore[method-assign,assignment]
    Workflows.start = start  # type: ignore[method-assign]
    serve(load(**json.loads(sys.argv[1])))


if __name__ == "__main__":
    main()
