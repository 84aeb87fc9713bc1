"""What NNabla calls experimental."""
