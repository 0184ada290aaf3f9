"""What filters see: the patches that excite them, the pictures they dream of, their maps, and how far they moved."""
