"""Cut the sample that ships with the project from a case of the 20-case set.

    python scripts/make_sample.py DATA/covid19-ct-seg coronacases_010

Every n-th slice of a case, at most 24, with its lung and infection masks. The licence file
beside it says what may be done with them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import nibabel as nib
import numpy as np

SLICES = 24
OUT = Path(__file__).resolve().parent.parent / "src/groundglass/samples/covid19-ct-seg"
PARTS = {"ct": "COVID-19-CT-Seg_20cases", "lungs": "Lung_Mask", "lesions": "Infection_Mask"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path)
    parser.add_argument("case")
    arguments = parser.parse_args()
    for name, folder in PARTS.items():
        image = nib.load(arguments.source / folder / f"{arguments.case}.nii.gz")
        depth = image.shape[2]
        step = -(-depth // SLICES)
        first = (depth - 1) % step // 2
        affine = image.affine.copy()
        affine[:3, 3] += affine[:3, 2] * first
        affine[:3, 2] *= step
        array = np.asarray(image.dataobj)[:, :, first::step].astype(np.uint8)
        part = nib.Nifti1Image(array if name == "ct" else (array > 0).astype(np.uint8), affine)
        part.header.set_xyzt_units("mm")
        nib.save(part, OUT / f"{name}.nii.gz")
        print(name, array.shape, (OUT / f"{name}.nii.gz").stat().st_size)


if __name__ == "__main__":
    main()
