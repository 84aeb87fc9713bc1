"""Networks trained for integers: what is recorded, the configuration, and the schedule of the stages."""
