"""The secrets of a worker: where they are declared, where their values come from, who has them."""
