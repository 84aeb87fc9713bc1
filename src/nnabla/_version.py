"""Version of the package. Its API is that of NNabla 1.39."""

__version__ = "2.0.0"
