"""What the importers share: a network that grows function by function, and leaves the size of its batch open."""
