"""What OME-Zarr and NIfTI-Zarr share: metadata, chunks, labels, and how both are written."""
