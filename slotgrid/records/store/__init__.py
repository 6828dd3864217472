"""Task records: every statement that touches `slotgrid_tasks` and its events, by what it is for."""
