"""What is asked and what is answered: values that every room may use, with their checks."""
