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
size, resize = int(properties["image_size"]), properties["resize"]
padding = tuple(map(int, properties["padding"].split()))

# As in the training: upright, and in the middle of a square of the padding's colour, or stretched.
image = ImageOps.exif_transpose(Image.open(photo)).convert("RGB")
width, height = size, size
if resize == "pad":
    width, height = (max(1, round(side * size / max(image.size))) for side in image.size)
left, top = (size - width) // 2, (size - height) // 2
square = Image.new("RGB", (size, size), padding)
square.paste(image.resize((width, height), Image.Resampling.BILINEAR), (left, top))

images = np.asarray(square)[np.newaxis]  # uint8 [1, S, S, 3]
class_ids = model.run(["class_ids"], {"images": images})[0][0]  # uint8 [S, S]

mask = Image.fromarray(class_ids[top : top + height, left : left + width])
mask = mask.resize(image.size, Image.Resampling.NEAREST)
mask.save(output)
for class_id, name in enumerate(names):
    print(f"{name}: {(np.asarray(mask) == class_id).mean():.2%} of the photo")
