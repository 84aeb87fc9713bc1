"""Records what the original NNabla does in every case of the operator tables.

    PYTHONPATH=tests python tests/reference/record.py [table ...]

writes ``tests/reference/operators/<table>.npz``, for the named tables or for all. See the README beside this file.
"""

from __future__ import annotations

import argparse

from operators.cases import TABLES
from operators.observe import REFUSALS, static
from operators.records import FOLDER, record_of, save

import nnabla as nn

VERSION = "1.39.0"


def main() -> None:
    """Records the tables named on the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("table", nargs="*", help=f"tables to record, of {', '.join(TABLES)}; all without")
    names = parser.parse_args().table or list(TABLES)
    if not set(names) <= set(TABLES):
        parser.error(f"the tables are {', '.join(TABLES)}; got {', '.join(names)}")
    if nn.__version__ != VERSION or not hasattr(nn, "_version"):
        parser.error(
            f"the reference is the original NNabla {VERSION}; this is {nn.__version__} at {nn.__file__}"
        )
    for name in names:
        path = FOLDER / f"{name}.npz"
        cases = [case for case in TABLES[name] if not case.beyond]
        # The original states some of its conditions as assertions.
        records = {case.key: record_of(case, static(case, (*REFUSALS, AssertionError))) for case in cases}
        save(path, records, source=f"NNabla {nn.__version__}")
        refused = [f"{key} ({r.observation.refused})" for key, r in records.items() if r.observation.refused]
        size = path.stat().st_size
        print(f"{name}: {len(records)} cases, {size} bytes; refused: {', '.join(refused) or 'none'}")


if __name__ == "__main__":
    main()
