"""What a study can simulate, one simulator a file or folder."""
