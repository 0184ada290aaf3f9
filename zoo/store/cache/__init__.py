"""What lies in the caches on this disk, whether it is whole and right, and how it is removed."""
