"""The way of a request through the stages, written once for every home of a stage."""
