"""Tests of `themes`."""
