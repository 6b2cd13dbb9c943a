"""Tests of the acceptance run itself: it must fail where it should."""
