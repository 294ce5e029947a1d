"""What is read out of DICOM: series of slices, objects of many frames, segmentations, structures."""
