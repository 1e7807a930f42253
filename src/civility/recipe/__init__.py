"""Recipe: what a run is asked to do. Its settings, the built-in recipes, and what may differ between runs."""

from civility.recipe.recipe import (
    SECTIONS,
    Recipe,
    change_of,
    defaults_of_all_versions,
    note_on_validation,
    shipped_recipe,
    shipped_recipes,
    takes_part,
)

__all__ = [
    "SECTIONS",
    "Recipe",
    "change_of",
    "defaults_of_all_versions",
    "note_on_validation",
    "shipped_recipe",
    "shipped_recipes",
    "takes_part",
]
