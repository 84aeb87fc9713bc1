"""``python -m nnabla_cli``."""

from .main import main

main()
