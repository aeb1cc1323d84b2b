"""Five consumers; each fixes one fault of the one before."""
