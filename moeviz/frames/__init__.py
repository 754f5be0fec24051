"""A snapshot as one binary frame and back, for Python and for the browser alike."""

from moeviz.frames.packing import DTYPES, pack, unpack
from moeviz.frames.pictures import PICTURES

__all__ = ["DTYPES", "PICTURES", "pack", "unpack"]
