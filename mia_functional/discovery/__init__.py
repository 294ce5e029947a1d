"""Find the files and table rows of every subject: by patterns, by tables, and by the layouts of BIDS and challenges."""

from mia_functional.discovery import label_tables  # noqa: F401 - the command reaches it as `mia.discovery.label_tables`
from mia_functional.discovery.layouts import discover_bids, discover_decathlon, discover_nnunet, discover_table
from mia_functional.discovery.patterns import discover
from mia_functional.discovery.records import Entry, Subject

__all__ = ["Entry", "Subject", "discover", "discover_bids", "discover_decathlon", "discover_nnunet", "discover_table"]

__dir__ = __all__.copy  # dir() shows what users may touch
