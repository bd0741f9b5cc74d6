"""Say plainly when Python is too old. Runs on any Python 3."""

import sys

if sys.version_info < (3, 11):
    found = ".".join(map(str, sys.version_info[:3]))
    sys.exit(
        "rag needs Python 3.11 or newer, this is %s; try: make install PYTHON=python3.12" % found
    )
