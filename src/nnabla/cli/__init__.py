"""What the subcommands of ``nnabla_cli`` do, a file for each; `nnabla_cli` parses their arguments."""
