"""Which muscles are working, pixel by pixel: semantic segmentation of gym photos."""

__version__ = "0.1.0"
