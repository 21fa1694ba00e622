"""Calculators: pure functions of arrays (NumPy, SciPy and statsmodels only)."""
