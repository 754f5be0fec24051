"""The older name of `python -m moeviz trials`."""

import sys

from moeviz.cli import main

if __name__ == "__main__":
    sys.exit(main(["trials", *sys.argv[1:]]))
