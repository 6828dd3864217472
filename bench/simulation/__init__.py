"""The balancer's decisions on a clock and a network of our own."""
