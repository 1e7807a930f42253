"""Build the wheel, install it in a clean environment without extras, and use it there as a newcomer would.

Run by ``make check``: ``python tests/smoke_wheel.py``. Needs a package index, so it is not part of the tests.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
READ_CORPUS = "from civility.data.starter import starter_corpus as c; print(len(c('train')), len(c('held-out')))"
READ_SUITE = "from civility.evaluation.suites import read_suite; print(len(read_suite('civility:suite').cases))"
READ_PAGE = (
    "import sys, civility.render.html; from importlib.resources import files; page = files('civility.render.html'); "
    "[(page / f).read_text() for f in ('templates/base.html', 'page.css', 'page.js', 'explorer.js')]; "
    "assert 'torch' not in sys.modules"
)
READ_KERNELS = "from importlib.resources import files; (files('civility.kernels') / 'layer.cpp').read_text()"
IMPORT_NOUNS = (
    "import civility, sys; civility.Recipe(); civility.Dataset; civility.Report; assert 'torch' not in sys.modules"
)


def run(*command: str | Path, expect: int = 0) -> str:
    """Run a command outside the repository and return what it printed; its exit code must be as expected."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, cwd=tempfile.gettempdir())
    if done.returncode != expect:
        sys.exit(f"{' '.join(map(str, command))}: exit {done.returncode}, not {expect}\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def main() -> None:
    """Build, install, use; exits with a message at the first thing that is not as promised."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")
        run(*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, ROOT)
        (wheel,) = folder.glob("civility-*.whl")
        run(sys.executable, "-m", "venv", folder / "clean")
        binaries = folder / "clean" / "bin"
        python = binaries / "python"
        constraints = ROOT / "constraints.txt"
        run(python, "-m", "pip", "--disable-pip-version-check", "--quiet", "install", "-c", constraints, wheel)
        assert "train" in run(binaries / "civility", "--help")
        assert "learning_rate = 3e-4  # baseline: 2e-5" in run(binaries / "civility", "recipes", "starter")
        run(python, "-c", IMPORT_NOUNS)
        assert run(python, "-c", READ_CORPUS).split() == ["3520", "543"]
        assert int(run(python, "-c", READ_SUITE)) >= 150
        run(python, "-c", READ_PAGE)
        run(python, "-c", READ_KERNELS)
        out = folder / "run"
        message = run(binaries / "civility", "train", "starter", "--out", out, expect=2)
        assert "pip install 'civility[train]'" in message, message
        assert not out.exists()
        sys.stdout.write(f"{wheel.name}: built, installed without extras and used in a clean environment\n")


if __name__ == "__main__":
    main()
