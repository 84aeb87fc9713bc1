"""Programs of several processes: communicators. So far there is the one of a process that is alone."""
