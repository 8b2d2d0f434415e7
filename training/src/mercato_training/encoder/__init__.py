"""Fine-tuning the text encoder on a shop's queries."""
