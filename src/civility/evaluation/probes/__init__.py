"""Texts made to probe a classifier: identity templates, behaviour suites, perturbations. No classifier here."""
