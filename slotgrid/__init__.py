"""The library of worker and balancer; function authors and Python clients import it, too."""
