"""What all trainings share: the fit loop, what is read, metrics, model cards."""
