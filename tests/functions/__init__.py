"""The shipped functions, run on the site with a real Chromium."""
