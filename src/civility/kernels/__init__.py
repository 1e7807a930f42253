"""Kernels for the element-wise work of a layer on a CPU: C++ compiled once on this machine, and their autograd."""
