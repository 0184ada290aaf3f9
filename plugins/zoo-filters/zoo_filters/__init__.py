"""Published filters, and the registry.toml that names them."""
