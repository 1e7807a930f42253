"""Reading the tables of the starter material: lines and phrases. Knows no word of the material."""

# A topic, or an invented group: what may fill the slots that must agree with one another.
Record = dict[str, tuple[str, ...]]


def lines(block: str) -> tuple[str, ...]:
    """Return the lines of a block, stripped, without the empty ones."""
    return tuple(line.strip() for line in block.splitlines() if line.strip())


def phrases(block: str) -> tuple[str, ...]:
    """Return the phrases of a block, which ``|`` separates."""
    return tuple(phrase.strip() for phrase in block.split("|"))
