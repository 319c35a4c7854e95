"""Marks muscles in a photo with LiteRT alone: pip install ai-edge-litert numpy pillow.

python litert_client.py saved_models/NAME-litert/int8.tflite photo.jpg mask.png
"""

import sys
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from PIL import Image, ImageOps

file, photo, output = sys.argv[1:]
model = Interpreter(file).get_signature_runner()
size = int(model.get_input_details()["images"]["shape"][1])
names = Path(file).with_name("labels.txt").read_text(encoding="utf-8").splitlines()

# The model takes one size: the photo goes into the middle of a square of ImageNet's mean colour.
image = ImageOps.exif_transpose(Image.open(photo)).convert("RGB")
width, height = (max(1, round(side * size / max(image.size))) for side in image.size)
left, top = (size - width) // 2, (size - height) // 2
square = Image.new("RGB", (size, size), (124, 116, 104))
square.paste(image.resize((width, height)), (left, top))

class_ids = model(images=np.asarray(square)[np.newaxis])["class_ids"][0]  # uint8 [S, S]

mask = Image.fromarray(class_ids[top : top + height, left : left + width])
mask = mask.resize(image.size, Image.Resampling.NEAREST)
mask.save(output)
for class_id, name in enumerate(names):
    print(f"{name}: {(np.asarray(mask) == class_id).mean():.2%} of the photo")
