"""Compares the copies that Syncline keeps with their source. Shares no code with Syncline."""
