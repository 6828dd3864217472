"""`python -m slotgrid.cli` is `slotgrid`."""

from slotgrid.cli.main import main

main()
