"""Ready-made networks with trained parameters, from model files that are fetched once."""
