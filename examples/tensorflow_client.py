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
aspect = float(getattr(model, "aspect", 1))  # width over height of what photos are padded to
padding = tuple(model.padding.numpy().tolist())
thresholds = model.thresholds.numpy().tolist()

# As in the training: upright, on white, filled up to one shape and brought to the square, or
# stretched to it.
shown = ImageOps.exif_transpose(Image.open(photo))
if shown.mode.startswith(("I", "F")):
    sys.exit(f"{photo} has more than 8 bits, which Pillow would cut off: convert it to 8 bits")
white = Image.new("RGBA", shown.size, "white")
image = Image.alpha_composite(white, shown.convert("RGBA")).convert("RGB")
width, height = size, size
if resize == "pad":
    shape = image.width / aspect, image.height
    scale = size / max(shape)
    width, height = (max(1, round(side * scale)) for side in shape)
left, top = (size - width) // 2, (size - height) // 2
square = Image.new("RGB", (size, size), padding)
square.paste(image.resize((width, height), Image.Resampling.BILINEAR), (left, top))

images = tf.constant(np.asarray(square)[np.newaxis])  # uint8 [1, S, S, 3]
result = model.signatures["serving_default"](images=images)
probabilities = result["probabilities"].numpy()[0]  # float32 [S, S, K]
if model.tta.numpy() != b"none":  # the mean with those of the mirror image
    result = model.signatures["serving_default"](images=images[:, :, ::-1])
    probabilities = (probabilities + result["probabilities"].numpy()[0, :, ::-1]) / 2

content = np.moveaxis(probabilities[top : top + height, left : left + width], -1, 0)
channels = [Image.fromarray(one).resize(image.size, Image.Resampling.BILINEAR) for one in content]
class_ids = np.argmax(channels, axis=0).astype(np.uint8)
if thresholds:  # of a calibrated model: the likeliest muscle, where it reaches its threshold
    class_ids = (np.argmax(channels[1:], axis=0) + 1).astype(np.uint8)
    class_ids[np.max(channels[1:], axis=0) < np.take(thresholds, class_ids - 1)] = 0
Image.fromarray(class_ids).save(output)
for class_id, name in enumerate(names):
    print(f"{name}: {(class_ids == class_id).mean():.2%} of the photo")
