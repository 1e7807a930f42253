"""The hand-written material of the starter corpus: plain tables, one module a kind. Composes nothing."""
