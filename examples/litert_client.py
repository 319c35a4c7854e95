"""Marks muscles in a photo with LiteRT alone: pip install ai-edge-litert numpy pillow.

python litert_client.py saved_models/NAME-litert/int8.tflite photo.jpg mask.png
"""

import json
import sys
import zipfile

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from PIL import Image, ImageOps

file, photo, output = sys.argv[1:]
model = Interpreter(file).get_signature_runner()
with zipfile.ZipFile(file) as packed:  # behind the model lies what belongs to it
    names = packed.read("labels.txt").decode().splitlines()
    preprocessing = json.loads(packed.read("preprocessing.json"))
    calibration = json.loads(packed.read("calibration.json"))
size, resize = preprocessing["image_size"], preprocessing["resize"]
aspect = preprocessing.get("aspect", 1)  # width over height of what photos are padded to
padding = tuple(preprocessing["padding"])
thresholds = list(calibration["thresholds"].values())

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

images = np.asarray(square)[np.newaxis]  # uint8 [1, S, S, 3]
probabilities = model(images=images)["probabilities"][0].copy()  # float32 [S, S, K]
if calibration["tta"] != "none":  # the mean with those of the mirror image
    mirrored = model(images=np.ascontiguousarray(images[:, :, ::-1]))["probabilities"][0]
    probabilities = (probabilities + mirrored[:, ::-1]) / 2

content = np.moveaxis(probabilities[top : top + height, left : left + width], -1, 0)
channels = [Image.fromarray(one).resize(image.size, Image.Resampling.BILINEAR) for one in content]
class_ids = np.argmax(channels, axis=0).astype(np.uint8)
if thresholds:  # of a calibrated model: the likeliest muscle, where it reaches its threshold
    class_ids = (np.argmax(channels[1:], axis=0) + 1).astype(np.uint8)
    class_ids[np.max(channels[1:], axis=0) < np.take(thresholds, class_ids - 1)] = 0
Image.fromarray(class_ids).save(output)
for class_id, name in enumerate(names):
    print(f"{name}: {(class_ids == class_id).mean():.2%} of the photo")
