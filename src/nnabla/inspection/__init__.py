"""Looking inside: monitors, profilers, value traces, pretty printing, viewers."""
