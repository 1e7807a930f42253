"""The invented groups, and the coarse words of the starter corpus: the mildest that still teach a label."""

from civility.data.starter_material.tables import Record, phrases

# Made up for this corpus: no people, religion or place is called so. Every group stands in friendly, in
# neutral and in hateful comments, so that a name alone tells nothing.
_ZORBLAXIANS: Record = {
    "groups": ("Zorblaxians",),
    "groupish": ("Zorblaxian",),
    "member": ("Zorblaxian",),
}
_VELMARI: Record = {"groups": ("Velmari",), "groupish": ("Velmari",), "member": ("Velmari",)}
_QUENTHI: Record = {"groups": ("Quenthi",), "groupish": ("Quenthi",), "member": ("Quenthi",)}
_OSTRELLITES: Record = {
    "groups": ("Ostrellites",),
    "groupish": ("Ostrellite",),
    "member": ("Ostrellite",),
}
_MOONFOLK: Record = {"groups": ("moonfolk",), "groupish": ("moonfolk",), "member": ("moonfolker",)}
_GRINDLEKIN: Record = {"groups": ("Grindlekin",), "groupish": ("Grindlekin",), "member": ("Grindlekin",)}
_SNORVIANS: Record = {"groups": ("Snorvians",), "groupish": ("Snorvian",), "member": ("Snorvian",)}
_PLUMBELLITES: Record = {
    "groups": ("Plumbellites",),
    "groupish": ("Plumbellite",),
    "member": ("Plumbellite",),
}
_YONDERLINGS: Record = {
    "groups": ("Yonderlings",),
    "groupish": ("Yonderling",),
    "member": ("Yonderling",),
}
_KRELLIPODS: Record = {"groups": ("Krellipods",), "groupish": ("Krellipod",), "member": ("Krellipod",)}

TRAIN_GROUPS: tuple[Record, ...] = (
    _ZORBLAXIANS,
    _VELMARI,
    _QUENTHI,
    _OSTRELLITES,
    _MOONFOLK,
    _GRINDLEKIN,
    _SNORVIANS,
    _PLUMBELLITES,
)
# Two of these four are new to a model that has seen the training part.
HELD_OUT_GROUPS: tuple[Record, ...] = (_VELMARI, _OSTRELLITES, _YONDERLINGS, _KRELLIPODS)

# All the coarse words there are in the corpus; every obscene comment holds one of them.
COARSE_WORDS: tuple[str, ...] = phrases(
    "arse|arses|half-arsed|smart-arse|bloody|bollocks|bullcrap|crap|crappy|damn|damned|fart|piss|piss-poor|pissing"
    "|turd|turds"
)
