"""Marks muscles in a photo with ONNX Runtime alone: pip install onnxruntime numpy pillow.

python onnx_client.py saved_models/NAME-onnx/model.onnx photo.jpg mask.png
"""

import sys

import numpy as np
import onnxruntime
from PIL import Image, ImageOps

file, photo, output = sys.argv[1:]
model = onnxruntime.InferenceSession(file)
properties = model.get_modelmeta().custom_metadata_map
names = properties["labels"].split("\n")

# The model takes any size, but knows muscles at the size of its training photos.
image = ImageOps.exif_transpose(Image.open(photo)).convert("RGB")
scale = int(properties["image_size"]) / max(image.size)
small = image.resize([max(1, round(side * scale)) for side in image.size])

(class_ids,) = model.run(["class_ids"], {"images": np.asarray(small)[np.newaxis]})  # [1, H, W]

mask = Image.fromarray(class_ids[0]).resize(image.size, Image.Resampling.NEAREST)
mask.save(output)
for class_id, name in enumerate(names):
    print(f"{name}: {(np.asarray(mask) == class_id).mean():.2%} of the photo")
