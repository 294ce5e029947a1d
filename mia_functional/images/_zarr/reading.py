"""Images in Zarr stores, opened without their voxels."""

from pathlib import Path

from mia_functional.images._zarr.chunks import check_chunks
from mia_functional.images.header import check_spacing, invalid_file, scaled_dtype
from mia_functional.images.nifti_zarr import NiftiPlace, nifti_place
from mia_functional.images.ome_zarr import find_pyramid, level_geometry
from mia_functional.images.stored_images import OpenRequest, StoredImage

__all__ = ["open_zarr"]


def open_zarr(path: Path, request: OpenRequest) -> StoredImage:
    """Return the image at a path in a store without its voxels: an image of OME-Zarr, or one of its levels.

    Axes of space are in the order z, y, x, behind that of time if there are several time points, and before channels
    if there are several.
    """
    pyramid = find_pyramid(path)
    array = pyramid.level.array
    check_chunks(array, request.max_bytes)
    place = nifti_place(pyramid, request.affine)
    if place is None:
        if path.name.lower().endswith(".nii.zarr"):
            invalid_file(path, "it has no header of NIfTI; without one its name has to end in .ome.zarr")
        place = NiftiPlace(level_geometry(path, pyramid, request.spacing), (1.0, 0.0), 0)
    elif request.spacing is not None:
        check_spacing(path, request.spacing, place.geometry.spacing)
    times = () if pyramid.time is None or array.shape[pyramid.time] == 1 else (pyramid.time,)
    # NIfTI counts a volume of one slice as a plane, where its first axis does not matter.
    space = pyramid.space[len(times) + len(pyramid.space) - len(place.geometry.shape) :]
    channels = () if pyramid.channel is None or array.shape[pyramid.channel] == 1 else (pyramid.channel,)
    axes = (*times, *space, *channels)
    scale = place.scale if request.scaled else (1.0, 0.0)
    return StoredImage(
        shape=tuple(array.shape[axis] for axis in axes), dtype=scaled_dtype(array.dtype.newbyteorder("="), scale),
        geometry=place.geometry, scale=scale, intent=place.intent, max_bytes=request.max_bytes,
        array=array, axes=axes, root=pyramid.root, levels=pyramid.levels,
    )  # fmt: skip
