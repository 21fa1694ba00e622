"""What every room stands on: checks, the result class, randomness, words, files written whole."""
