"""Marks muscles in a photo with TensorFlow alone: pip install tensorflow numpy pillow.

python tensorflow_client.py saved_models/NAME photo.jpg mask.png
"""

import contextlib
import sys

import numpy as np
import tensorflow as tf
from PIL import Image, ImageOps

folder, photo, output = sys.argv[1:]
with contextlib.chdir(folder):  # TensorFlow takes [ ] * ? in a path for a pattern
    model = tf.saved_model.load(".")
names = [name.decode() for name in model.labels.numpy()]
size, resize = int(model.image_size), model.resize.numpy().decode()
padding = tuple(model.padding.numpy().tolist())

# As in the training: upright, and in the middle of a square of the padding's colour, or stretched.
image = ImageOps.exif_transpose(Image.open(photo)).convert("RGB")
width, height = size, size
if resize == "pad":
    width, height = (max(1, round(side * size / max(image.size))) for side in image.size)
left, top = (size - width) // 2, (size - height) // 2
square = Image.new("RGB", (size, size), padding)
square.paste(image.resize((width, height), Image.Resampling.BILINEAR), (left, top))

images = tf.constant(np.asarray(square)[np.newaxis])  # uint8 [1, S, S, 3]
result = model.signatures["serving_default"](images=images)
class_ids = result["class_ids"].numpy()[0]  # uint8 [S, S]

mask = Image.fromarray(class_ids[top : top + height, left : left + width])
mask = mask.resize(image.size, Image.Resampling.NEAREST)
mask.save(output)
for class_id, name in enumerate(names):
    print(f"{name}: {(np.asarray(mask) == class_id).mean():.2%} of the photo")
