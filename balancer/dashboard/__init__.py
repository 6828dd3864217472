"""The balancer's web page: the fleet as it is now, for people."""
