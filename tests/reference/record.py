"""Records what the original NNabla does in every case of the operator tables.

    PYTHONPATH=tests python tests/reference/record.py [--again] [table ...]

brings ``tests/reference/operators/<table>.npz`` up to date, for the named tables or for all: new and changed cases are
recorded behind the records that are there, those of cases that are gone go. See the README beside this file.
"""

from __future__ import annotations

import argparse

from operators.case import Case
from operators.cases import TABLES
from operators.observe import REFUSALS, static
from operators.records import FOLDER, RECORDS, Record, record_of, save

import nnabla as nn

VERSION = "1.39.0"


def main() -> None:
    """Records the tables named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", nargs="*", help=f"tables to record, of {', '.join(TABLES)}; all without")
    parser.add_argument("--again", action="store_true", help="record all cases of the tables, not only new ones")
    given = parser.parse_args()
    names = given.table or list(TABLES)
    if not set(names) <= set(TABLES):
        parser.error(f"the tables are {', '.join(TABLES)}; got {', '.join(names)}")
    if nn.__version__ != VERSION or not hasattr(nn, "_version"):
        parser.error(f"the reference is the original NNabla {VERSION}; this is {nn.__version__} at {nn.__file__}")
    for name in names:
        path = FOLDER / f"{name}.npz"
        cases = {case.definition: case for case in TABLES[name] if not case.beyond}
        before = {} if given.again else RECORDS.get(name, {})
        records = {definition: record for definition, record in before.items() if definition in cases}
        new = [case for definition, case in cases.items() if definition not in records]
        if not new and list(records) == list(before):
            print(f"{name}: up to date")
            continue
        fresh = {case.definition: observed(case) for case in new}
        records.update(fresh)
        save(path, records, source=f"NNabla {nn.__version__}")
        refused = [f"{case} ({step})" for case in new if (step := fresh[case.definition].observation.refused)]
        words = f"{len(new)} new of {len(records)} cases, {path.stat().st_size} bytes"
        print(f"{name}: {words}; refused of the new ones: {', '.join(refused) or 'none'}")


def observed(case: Case) -> Record:
    """What the original does in a case."""
    # It states some of its conditions as assertions.
    return record_of(case, static(case, (*REFUSALS, AssertionError)))


if __name__ == "__main__":
    main()
