"""What is written beside results: where they came from."""
