"""Networks as C sources: against the function library of NNabla's C runtime, or with all that they need."""
