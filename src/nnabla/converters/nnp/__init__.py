"""NNabla's own model files: networks, parameters, and all that training and inference need beside them."""
