"""A few lines each towards other libraries; the core imports none of them, and nothing imports the adapters."""
