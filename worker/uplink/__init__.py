"""The worker's end of the links to its balancers: reports and events out, tasks in."""
