"""Files: parameters now; models stand on the same rules. Reading never executes anything, writing is atomic."""
