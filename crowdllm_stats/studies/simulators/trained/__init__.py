"""Intervals with a generator really fitted in every replicate, to the very people, to others, or fold by fold."""
