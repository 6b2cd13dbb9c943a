"""Tests of the checker itself: services.sh python -m unittest discover -t tests -s tests/checker/tests"""
