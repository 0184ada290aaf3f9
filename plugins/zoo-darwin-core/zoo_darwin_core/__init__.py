"""Darwin Core archives: `zoo predict RUN photos.csv --format dwca --set taxa=taxa.csv -o occurrences.zip`."""

from zoo_darwin_core.format import DarwinCoreArchive

__all__ = ["DarwinCoreArchive"]
