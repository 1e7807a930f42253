"""The colours of page and plots, light and dark. After Okabe and Ito (2008): apart for every kind of colour vision.

Text on its ground has a contrast of 4.5 or more (WCAG AA), which the tests compute.
"""

LIGHT = {
    "page": "#fbfaf7",
    "paper": "#ffffff",
    "ink": "#1c2127",
    "muted": "#59616b",
    "line": "#d6d6d0",
    "faint": "#efeeea",
    "blue": "#00609c",
    "orange": "#b84700",
    "green": "#00705a",
    "purple": "#86476f",
    "focus": "#00609c",
    "wash": "#fff3e2",
}
DARK = {
    "page": "#15181b",
    "paper": "#1b1f23",
    "ink": "#e7e6e2",
    "muted": "#a9afb6",
    "line": "#3a4047",
    "faint": "#262b30",
    "blue": "#74b9ee",
    "orange": "#f39a63",
    "green": "#55c5a5",
    "purple": "#d9a3c9",
    "focus": "#8fc8f5",
    "wash": "#33291c",
}
# Eight steps from nothing to much: blue for shares, orange for harm. The text on a step is dark or light.
_STEPS = {
    "share": ("#f3f6f8", "#dfeaf3", "#c5dbeb", "#a2c6df", "#79aed2", "#2f74a8", "#195a8d", "#0a4170"),
    "harm": ("#f8f5f1", "#f9e6d6", "#f6d0b3", "#f0b48b", "#e59862", "#ab4f12", "#8a3b06", "#692b00"),
}
_STEPS_DARK = {
    "share": ("#1f2428", "#1f303e", "#213e54", "#244d6c", "#2a5e86", "#6aa9d8", "#93c2e6", "#c1def4"),
    "harm": ("#23211f", "#382a1f", "#4f3520", "#69411f", "#844e20", "#e39a64", "#efb78e", "#f8d6bd"),
}
_NUM_DARK_STEPS = 5
NUM_STEPS = 8


def steps(kind: str, dark: bool = False) -> list[tuple[str, str]]:
    """Return ground and text colour of each step of ``kind``: "share" or "harm"."""
    grounds = (_STEPS_DARK if dark else _STEPS)[kind]
    before, after = (DARK["ink"], "#111417") if dark else (LIGHT["ink"], "#ffffff")
    return [(ground, before if i < _NUM_DARK_STEPS else after) for i, ground in enumerate(grounds)]


def step(share: float) -> int:
    """Return the step of a number in [0, 1]; what is outside takes the first or the last."""
    return min(NUM_STEPS - 1, max(0, int(share * NUM_STEPS)))


def variables(dark: bool = False) -> dict[str, str]:
    """Return every colour by the name that the styles use, as ``ink`` or ``share-3`` and ``on-share-3``."""
    found = dict(DARK if dark else LIGHT)
    for kind in _STEPS:
        for i, (ground, text) in enumerate(steps(kind, dark)):
            found |= {f"{kind}-{i}": ground, f"on-{kind}-{i}": text}
    return found


def declarations(dark: bool = False) -> str:
    """Return the colours as custom properties of CSS."""
    return " ".join(f"--{key}: {value};" for key, value in variables(dark).items())


def shades() -> str:
    """Return the rules that give cells of tables and of heat maps their ground and text."""
    return "\n".join(
        f"td.{kind}-{i} {{ background: var(--{kind}-{i}); color: var(--on-{kind}-{i}); }}\n"
        f"rect.{kind}-{i} {{ fill: var(--{kind}-{i}); }} .chart text.{kind}-{i} {{ fill: var(--on-{kind}-{i}); }}"
        for kind in _STEPS
        for i in range(NUM_STEPS)
    )
