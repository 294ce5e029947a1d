"""`python -m mia_functional` is the command `mia`."""

import sys

from mia_functional.cli import main

if __name__ == "__main__":
    sys.exit(main())
