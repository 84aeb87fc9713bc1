"""File formats: each reads networks into descriptions (`nnabla.network`), or writes them."""
