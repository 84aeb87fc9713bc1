"""What is around a training loop, and training configurations."""
