"""Models above single functions: modules, which own their parameters."""
