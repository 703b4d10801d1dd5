"""De-identification: DICOM, NIfTI and NRRD files without who the patient is, and scans likewise."""
