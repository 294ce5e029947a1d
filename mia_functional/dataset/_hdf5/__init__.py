"""The HDF5 file of a dataset: its layout, and how it is written, checked and read."""
