"""Every function on its own: forward and backward, at a small and a large size."""
