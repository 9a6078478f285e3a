"""`python -m shardhouse.router`."""

import sys

from shardhouse.router.main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
