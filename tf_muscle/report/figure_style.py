"""What all figures of a report have in common."""

from matplotlib.figure import Figure

WIDTH = 8.0  # inches: 10 pt text then reads as body text where a page shows the figure at 800 px


def new_figure(title: str, height: float, *, width: float = WIDTH, synthetic: bool) -> Figure:
    """An empty figure under its title; `savefig` writes it.

    Args:
        title: one line, may be empty.
        height: in inches.
        width: in inches.
        synthetic: say so in the title, since the figure shows scores on rendered photos.
    """
    # A Figure by itself, without pyplot: needs no display and leaves no state behind.
    figure = Figure(figsize=(width, height), dpi=160, layout="constrained")
    if title:
        title = f"{title}, synthetic photos" if synthetic else title
        figure.suptitle(plain(title), fontsize=12)
    return figure


def plain(name: str) -> str:
    """A name for matplotlib, which would read a formula between dollars and fail on $\\frac$."""
    return name.replace("$", r"\$")
