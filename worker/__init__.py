"""The worker: slots on this machine, and the browsers behind them."""
