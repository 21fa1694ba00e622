"""What a finished study looks like: report and pictures."""
