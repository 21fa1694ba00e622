"""The simulation engine: a study is a TOML file, its grid is run in blocks, and every number has a standard error."""
