"""The workloads, written once in the NNabla API: the same files run on this project and on NNabla 1.39.

Every `build` makes the network in an empty parameter scope and returns a `Program`. A comment beside a
setting says where it comes from when it is a tutorial's.
"""
