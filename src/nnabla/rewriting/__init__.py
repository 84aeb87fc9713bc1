"""Networks changed into other networks: optimizers of graphs, graph converters, quantization."""
