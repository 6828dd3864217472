"""Tests of the browsers, with a real Chromium."""
