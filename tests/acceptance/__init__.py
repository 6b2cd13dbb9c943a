"""The main promise, shown: a live MariaDB or MySQL kept equal everywhere, through kills and restarts."""
