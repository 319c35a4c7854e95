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

# The model takes any size, but knows muscles at the size of its training photos.
image = ImageOps.exif_transpose(Image.open(photo)).convert("RGB")
scale = int(model.image_size) / max(image.size)
small = image.resize([max(1, round(side * scale)) for side in image.size])

result = model.signatures["serving_default"](images=tf.constant(np.asarray(small)[np.newaxis]))
class_ids = result["class_ids"].numpy()[0]  # uint8 [H, W]

mask = Image.fromarray(class_ids).resize(image.size, Image.Resampling.NEAREST)
mask.save(output)
for class_id, name in enumerate(names):
    print(f"{name}: {(np.asarray(mask) == class_id).mean():.2%} of the photo")
