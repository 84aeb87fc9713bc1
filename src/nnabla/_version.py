"""Version of the package. Its API is that of NNabla 1.39."""

__version__ = "2.0.0"
__build_number__ = "261130000000"
"""When it was made, year to second in two digits each; the first line of ``nnabla_cli`` shows it."""
