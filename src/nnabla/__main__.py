"""``python -m nnabla``: the command line."""

from nnabla_cli import main

if __name__ == "__main__":
    main()
