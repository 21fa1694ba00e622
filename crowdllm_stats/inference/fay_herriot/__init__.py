"""Means of many problems at once: Fay-Herriot regression on digital means and covariates."""
