"""The plugins that come with the core; they enter through the entry points that other packages use."""
