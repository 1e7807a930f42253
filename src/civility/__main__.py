"""``python -m civility``, and what `accelerate launch -m civility` and `torchrun -m civility` start."""

from civility.cli import main

if __name__ == "__main__":
    main()
