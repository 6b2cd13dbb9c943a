"""Real data for the tests, and a writer that keeps changing it."""
