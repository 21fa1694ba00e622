"""The engine of studies: design, grid, computation, store and results."""
