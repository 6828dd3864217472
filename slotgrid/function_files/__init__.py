"""The functions folder as files: read, named and watched, for workers and balancers."""
