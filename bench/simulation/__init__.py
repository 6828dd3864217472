"""The balancer's decisions on a simulated clock and network."""
