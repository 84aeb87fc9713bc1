"""The operator tests: tables of cases, and the suites that run every case of every table."""
