"""The checks: each looks at a survey and says what it finds, with the images that show it."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from tf_muscle.errors import listed
from tf_muscle.inspection.findings import SEVERITIES, Evidence, Finding, Severity
from tf_muscle.inspection.leakage import across_splits
from tf_muscle.inspection.project_name import normalised, project_names
from tf_muscle.inspection.statistics import file_label
from tf_muscle.roboflow.pixels import read_mask
from tf_muscle.roboflow.readme import README
from tf_muscle.roboflow.records import SPLITS, VOID
from tf_muscle.roboflow.splitting import shared_sources

SAME_PHOTO = 8  # of 256 bits: saved again as JPEG of quality 30, and nothing moved in between
MASKS_AGREE = 0.8  # two people who outline one muscle agree on nine pixels in ten, not on seven


def find(evidence: Evidence) -> list[Finding]:
    """Makes every check; the gravest finding first."""
    images = evidence.survey.images
    findings = [
        replace(
            finding,
            files=tuple(
                tuple(file_label(images[index]) for index in group) for group in finding.groups
            ),
        )
        for check in CHECKS
        for finding in check(evidence)
    ]
    return sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity))


def refused_by_training(evidence: Evidence) -> Iterator[Finding]:
    """The reader that training uses refuses the export."""
    if evidence.refusal:
        images = evidence.survey.images
        by_source = defaultdict(list)
        for index, image in enumerate(images):
            by_source[image.example.source_name].append(index)
        shared = shared_sources(evidence.survey.export.splits)
        groups = tuple(tuple(by_source[source]) for source in shared)
        yield Finding("refused_by_training", "error", evidence.refusal, groups, show_masks=False)


def near_duplicates(evidence: Evidence) -> Iterator[Finding]:
    """Photos that look the same, in two splits under two names."""
    images, links = evidence.survey.images, evidence.links
    across = across_splits(images, links.duplicates)
    groups = _by_held_out(evidence, links.duplicates[across])
    if groups:
        mirrored = np.count_nonzero(links.mirrored[across])
        yield Finding(
            "near_duplicates",
            "error",
            f"{_count(len(groups), 'photo')} of valid and test look the same as one of another "
            f"split{', some mirrored' if mirrored else ''}, so their scores are too good: keep "
            "each such photo in one split only, or let --resplit do that in a copy.",
            groups,
            show_masks=False,
        )


def neighbouring_frames(evidence: Evidence) -> Iterator[Finding]:
    """Frames of one video, within two numbers of each other, in two splits."""
    images, frames = evidence.survey.images, evidence.links.frames
    groups = _by_held_out(evidence, frames[across_splits(images, frames)])
    if groups:
        held_out = sum(image.split != "train" for image in images)
        yield Finding(
            "neighbouring_frames",
            "error",
            f"{len(groups)} of the {held_out} images of valid and test have a neighbouring frame "
            "of the same video in another split, by their names, so the scores tell nothing about "
            "a new video: split by video, or let --resplit do that in a copy.",
            groups,
            show_masks=False,
        )


def _by_held_out(evidence: Evidence, pairs: np.ndarray) -> tuple[tuple[int, ...], ...]:
    """Pairs as groups: each image of valid or test, then its partners in other splits."""
    partners = defaultdict(list)
    for one, other in pairs.tolist():
        for image, partner in ((one, other), (other, one)):
            if evidence.survey.images[image].split != "train":
                partners[image].append(partner)
    return tuple((index, *partners[index]) for index in sorted(partners))


def contradicting_masks(evidence: Evidence) -> Iterator[Finding]:
    """One photo twice, with masks that differ."""
    images, links = evidence.survey.images, evidence.links
    same = (links.distances <= SAME_PHOTO) & ~links.mirrored
    groups = []
    for first, second in links.duplicates[same].tolist():
        if images[first].size != images[second].size:
            continue  # resized or cropped: the masks cannot be laid over each other
        one, other = (read_mask(images[index].example) for index in (first, second))
        labelled = (one != VOID) & (other != VOID)
        foreground = ((one > 0) | (other > 0)) & labelled
        if np.count_nonzero((one == other) & foreground) < MASKS_AGREE * foreground.sum():
            groups.append((first, second))
    if groups:
        yield Finding(
            "contradicting_masks",
            "warning",
            f"{_count(len(groups), 'pair')} of photos look the same but have masks that agree on "
            f"less than {MASKS_AGREE:.0%} of the marked pixels: correct the masks, or remove one "
            "photo of each pair.",
            tuple(groups),
        )


def absent_classes(evidence: Evidence) -> Iterator[Finding]:
    """A class that has no pixel in a split."""
    survey = evidence.survey
    totals = {split: survey.class_pixels(split)[1:] for split in SPLITS}  # of the foreground
    severities: dict[str, Severity] = {"train": "error", "valid": "warning", "test": "warning"}
    costs = {
        "train": "such a class cannot be learned",
        "valid": "such a class does not count in the score that picks the best epoch",
        "test": "such a class is not tested",
    }
    names = np.array(survey.export.class_names[1:], object)
    nowhere = np.sum(list(totals.values()), axis=0) == 0
    for split, severity in severities.items():
        absent = names[(totals[split] == 0) & ~nowhere].tolist()
        if absent:
            yield Finding(
                "absent_class",
                severity,
                f"No pixel of {listed(absent)} in {split}, and {costs[split]}: move photos of it "
                f"into {split}, or remove the class.",
            )
    if nowhere.any():
        yield Finding(
            "absent_class",
            "warning",
            f"No pixel of {listed(names[nowhere].tolist())} in any split: annotate photos of it, "
            "or remove the class in Roboflow, where it would only cost the model an output.",
        )


def class_named_like_the_project(evidence: Evidence) -> Iterator[Finding]:
    """A class that may be the placeholder which Roboflow names after the project."""
    export, images = evidence.survey.export, evidence.survey.images
    projects = project_names(export)
    for class_id, name in enumerate(export.class_names):
        if class_id and normalised(name) in projects:
            drawn = sum(image.class_pixels[class_id] > 0 for image in images)
            advice = (
                f"{_count(drawn, 'image')} of it say that it is meant as a class, so look at them"
                if drawn
                else "no image holds it, so remove it in Roboflow"
            )
            yield Finding(
                "class_named_like_the_project",
                "note" if drawn else "warning",
                f'The class "{name}" has the name of the project, which Roboflow writes as a '
                f"placeholder: {advice}.",
            )


def specks(evidence: Evidence) -> Iterator[Finding]:
    """Regions too small to be a muscle."""
    images = evidence.survey.images
    groups = tuple((index,) for index, image in enumerate(images) if image.specks)
    if groups:
        total = sum(image.specks for image in images)
        yield Finding(
            "specks",
            "warning",
            f"{_count(total, 'region')} in {_count(len(groups), 'image')} would cover less than 4 "
            "pixels of a 256x256 photo, as slips of the mouse and slivers between outlines do: "
            "remove them in Roboflow.",
            groups,
        )


def framed_masks(evidence: Evidence) -> Iterator[Finding]:
    """Masks with one class all round the border."""
    images = evidence.survey.images
    groups = tuple((index,) for index, image in enumerate(images) if image.border_class)
    if groups:
        names = evidence.survey.export.class_names
        classes = Counter(names[images[index].border_class] for (index,) in groups)
        yield Finding(
            "framed_masks",
            "warning",
            f"{_count(len(groups), 'mask')} of {listed(list(classes))} touch the border all "
            "round, as inverted masks do, where background and class are exchanged: look at them, "
            "and draw the outlines again if so.",
            groups,
        )


def no_foreground(evidence: Evidence) -> Iterator[Finding]:
    """Images of background alone, which teach a model when to mark nothing."""
    survey = evidence.survey
    groups = tuple(
        (index,) for index, image in enumerate(survey.images) if not image.class_pixels[1:].any()
    )
    if groups:
        counts = Counter(survey.images[index].split for (index,) in groups)
        shares = ", ".join(
            f"{counts[split]} of {len(survey.of(split))} in {split}" for split in SPLITS
        )
        yield Finding(
            "no_foreground",
            "note",
            f"{_count(len(groups), 'image')} without any class but background ({shares}): right "
            "for photos of resting muscles, wrong for photos that nobody has annotated yet.",
            groups,
        )


def baked_augmentation(evidence: Evidence) -> Iterator[Finding]:
    """Augmentation that Roboflow has applied before the export."""
    export = evidence.survey.export
    train = export.splits["train"]
    copies = len(train) / len({example.source_name for example in train})
    quoted = " ".join(note.text for note in export.notes if note.kind == "readme")
    if export.baked_augmentation:
        yield Finding(
            "baked_augmentation",
            "note",
            f"{quoted} Training leaves out of its own augmentation what is in here already "
            f"({listed(export.baked_augmentation)}); there are {copies:.1f} copies of each "
            "training photo.",
        )
    elif copies > 1.5:
        yield Finding(
            "baked_augmentation",
            "note",
            f"There are {copies:.1f} copies of each training photo but no word on them in "
            f"{README}, so training augments them again: export without augmentation, or switch "
            "off in training what is in here already.",
        )


def reader_notes(evidence: Evidence) -> Iterator[Finding]:
    """What training's own reader wants its user to know."""
    for note in evidence.survey.export.notes:
        if note.kind not in ("readme", "frames", "leakage"):  # which are findings of their own
            yield Finding("reader_note", "note", note.text)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


CHECKS: tuple[Callable[[Evidence], Iterator[Finding]], ...] = (
    refused_by_training,
    near_duplicates,
    neighbouring_frames,
    contradicting_masks,
    absent_classes,
    class_named_like_the_project,
    framed_masks,
    specks,
    no_foreground,
    baked_augmentation,
    reader_notes,
)
