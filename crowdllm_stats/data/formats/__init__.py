"""Readers of tables that are neither plain CSV nor Parquet: other text, JSON, Excel, SPSS and Stata, packed files."""
