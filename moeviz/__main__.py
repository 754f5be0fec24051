"""`python -m moeviz`: the command line (see `moeviz.cli`)."""

import sys

from moeviz.cli import main

if __name__ == "__main__":
    sys.exit(main())
