"""A prediction in pieces, each done once: blocks of photos, and one video each."""

from collections.abc import Mapping
from dataclasses import dataclass

from tf_muscle.errors import UserError, printable
from tf_muscle.prediction.addresses import File
from tf_muscle.prediction.output_names import Beginnings, output_names
from tf_muscle.prediction.sources import Source, Sources

BLOCK = 32  # photos of a piece: seconds of work, beside which handing it over takes no time


@dataclass(frozen=True)
class Piece:
    """A part of the sources.

    Attributes:
        photos: one after the other in `Sources`.
        videos: one, or none.
        names: what their outputs are called, and those of the photos that a frame might be called
            like.
    """

    photos: tuple[File, ...]
    videos: tuple[File, ...]
    names: Mapping[Source, str]

    def __str__(self) -> str:
        sources = (*self.photos, *self.videos)
        last = f" to {printable(str(sources[-1]))}" if len(sources) > 1 else ""
        return f"{printable(str(sources[0]))}{last}"


def divide(sources: Sources, batch_size: int) -> list[Piece]:
    """The pieces, in the order of the sources; no batch of photos is torn apart.

    Raises:
        UserError: a source is a camera.
    """
    names = output_names(sources)
    beginnings = Beginnings(names)
    block = -(-BLOCK // batch_size) * batch_size
    pieces = []
    for start in range(0, len(sources.photos), block):
        photos = sources.photos[start : start + block]
        pieces.append(Piece(photos, (), {path: names[path] for path in photos}))
    for video in sources.videos:
        if isinstance(video, int):
            raise UserError(
                f"--cluster and addresses of stores are for files, not for camera {video}: leave "
                "them out"
            )
        pieces.append(Piece((), (video,), beginnings.of(names[video])))
    return pieces
