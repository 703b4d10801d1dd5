"""DICOM objects about a scan, in its own study: segmentation, measurements, report, pictures."""
