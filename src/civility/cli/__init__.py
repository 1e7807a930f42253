"""The command line: parse, call one verb, print. No logic, and nothing heavy before a verb needs it."""

import contextlib
import os
import sys
import time
import traceback
from argparse import Namespace
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from civility import __version__
from civility.cli.parser import build_parser
from civility.errors import Interrupted, UserError

if TYPE_CHECKING:
    from civility.evaluate import Question
    from civility.recipe import Recipe
    from civility.run import Begin, RunDirectory
    from civility.train.facts import Fact, Listener

__all__ = ["main"]

_SECONDS_FOR_THE_FIRST_TO_SPEAK = 10.0
_FAILED_REQUIREMENT = 3
_DEFAULT_RECIPE = "baseline"
_SHORT_OF_MEMORY = ("failed to map segment", "annot allocate memory", "DefaultCPUAllocator", "CUDA out of memory")
_MORE_MEMORY = (
    "raise the limit (ulimit -v), choose a smaller model, or a machine with more memory; a run goes on with --resume"
)
_NEEDED = {"torch", "transformers", "accelerate", "safetensors", "sentencepiece"}


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one verb and exit.

    0 done, 2 what the user can mend, 3 a requirement failed, 1 a bug, 130 Ctrl-C, 143 SIGTERM.
    """
    try:
        raise SystemExit(_run(list(sys.argv[1:] if arguments is None else arguments)))
    except UserError as error:
        _say_error(error)
        raise SystemExit(2) from None
    except Interrupted as stop:
        if _is_first_process():
            _say(stop.message)
        raise SystemExit(128 + stop.signal_number) from None
    except KeyboardInterrupt:
        _say("interrupted")
        raise SystemExit(130) from None
    except BrokenPipeError:
        # The reader of our output has had enough, as `head` has: nothing to tell, and nowhere to tell it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(0) from None
    except OSError as error:
        # The machine refused: a disk that is full, a name too long. Nothing that a traceback would explain.
        where = error.filename if error.filename is not None else "the system"
        _say_error(UserError(f"{where}: {error.strerror or error}", "mend that, and run the command again"))
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what could not be written stays so
        raise SystemExit(2) from None
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in _NEEDED:
            raise
        _say_error(UserError(f"this needs {error.name}, which is not installed", "pip install 'civility[train]'"))
        raise SystemExit(2) from None
    except Exception as error:
        raise SystemExit(_tell_the_unexpected(error)) from None


def _tell_the_unexpected(error: Exception) -> int:
    """Print what nobody caught, and return the exit code: a bug, or a library that had no memory."""
    if _is_short_of_memory(error):
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        _say_error(UserError(f"the memory is too small: {first}", _MORE_MEMORY))
        return 2
    traceback.print_exc()
    _say("this is a bug in civility: please report it with the lines above")
    return 1


def _run(arguments: list[str]) -> int:
    # Threads that wait at a barrier sleep instead of spinning: with one busy neighbour on two cores training was
    # twice as fast so. OpenMP reads it once, when torch is imported; what the user has set stands.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    options = build_parser(__version__).parse_args(arguments)
    verbs: dict[str, Callable[[Namespace, list[str]], int | None]] = {
        "train": _train,
        "evaluate": _evaluate,
        "thresholds": _thresholds,
        "compare": _compare,
        "predict": _predict,
        "audit": _audit,
        "recipes": _recipes,
    }
    code = verbs[options.verb](options, ["civility", *arguments])
    sys.stdout.flush()
    return code or 0


def _train(options: Namespace, command: list[str]) -> None:
    from civility.cli.display import TrainingDisplay, make_console
    from civility.data.prepare import prepare

    run = _run_directory(options)
    begin = _beginning(options, run)
    console = make_console()
    run.check_place(begin)  # told before minutes of reading, not after
    if begin == "resume" and run.is_finished:
        console.print(f"{run.path}: this run has reached its end; there is nothing to go on with")
        return
    recipe = _recipe(options, None if begin == "new" else run)
    if _is_first_process():
        words = ["civility train", options.recipe or "", f"--{begin}"]
        if begin == "new":
            words = ["civility train", options.recipe or _DEFAULT_RECIPE]
        console.print(" ".join(word for word in words if word) + "\n")
    data = prepare(recipe.data.files, recipe.data.validation, recipe.data.columns, recipe.seed)
    # Last of all, since torch takes seconds to import: a mistake in a file must not wait for it.
    from civility.train import check, train

    display = TrainingDisplay(console)
    try:
        if options.check:
            check(recipe, data, run.path, begin=begin, tracker=options.tracker, listen=display.listen)
            return
        listen = _while_somebody_reads(display.listen)
        train(recipe, data, run.path, command=command, tracker=options.tracker, begin=begin, listen=listen)
    finally:
        display.close()


def _while_somebody_reads(listen: "Listener") -> "Listener":
    """Return a listener that falls silent when the screen is gone: a run outlives the `tee` that it is piped into."""

    def guarded(fact: "Fact") -> None:
        try:
            listen(fact)
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

    return guarded


def _run_directory(options: Namespace) -> "RunDirectory":
    """Return where the run of a `train` command is, or is to be."""
    from civility.run import RunDirectory

    if options.resume != "no" and options.restart:
        raise UserError("--resume and --restart exclude each other", "--resume goes on, --restart begins again")
    if options.out:
        return RunDirectory(Path(options.out))
    runs, name = Path("runs"), Path(options.recipe or _DEFAULT_RECIPE).stem
    goes_on = options.resume != "no" or options.restart
    return RunDirectory(RunDirectory.newest(runs, name) if goes_on else RunDirectory.next_free(runs, name))


def _beginning(options: Namespace, run: "RunDirectory") -> "Begin":
    if options.restart:
        return "restart"
    return "resume" if options.resume == "yes" or (options.resume == "auto" and run.is_begun) else "new"


def _recipe(options: Namespace, before: "RunDirectory | None") -> "Recipe":
    """Return the recipe of a `train` command: that of the run in its place if it names none, else with its data."""
    from civility.recipe import Recipe

    changes = _recipe_changes(options)
    if before is None or not before.recipe.is_file():
        return Recipe.load(options.recipe or _DEFAULT_RECIPE, changes)
    if not options.recipe:
        return Recipe.load(str(before.recipe), changes)
    recipe = Recipe.load(options.recipe, changes)
    if recipe.data.files:
        return recipe
    data = Recipe.load(str(before.recipe)).data
    own = {"data.files": list(data.files), "data.validation": _listed(data.validation)}
    return Recipe.load(options.recipe, {**own, **changes})


def _listed(value: "float | tuple[str, ...]") -> float | list[str]:
    return list(value) if isinstance(value, tuple) else value


def _recipe_changes(options: Namespace) -> dict[str, object]:
    """Return what the options of `train` change in the recipe, ``{"section.key": value}``."""
    from civility.recipe import change_of

    changes: dict[str, object] = dict(change_of(text) for text in options.set)
    if options.data:
        changes["data.files"] = options.data
    if options.validation:
        changes["data.validation"] = _share_or_files(options.validation)
    if options.model:
        changes["model.name"] = options.model
    if options.fit:
        changes["training.fit"] = True
    return changes


def _share_or_files(values: list[str]) -> float | list[str]:
    try:
        return float(values[0]) if len(values) == 1 else values
    except ValueError:
        return values


def _evaluate(options: Namespace, command: list[str]) -> int:
    from civility.cli.display import make_console, print_notes, scoring_bar
    from civility.cli.report_display import print_report
    from civility.evaluate import evaluate
    from civility.report.words import one_line

    question = _question(options)  # a mistake in a requirement is told before anything is scored
    console = make_console()
    with scoring_bar(make_console(stderr=True)) as bar:
        done = evaluate(
            options.target,
            options.data or (),
            question,
            name=options.name,
            out=Path(options.out) if options.out else None,
            on_scored=bar.advance_in,
        )
    print_notes(make_console(stderr=True), done.notes)
    num_comments = done.report.data.num_comments
    noun = "comment" if num_comments == 1 else "comments"
    console.print(f"{num_comments:,} {noun} from {', '.join(map(one_line, done.report.data.files))}\n")
    print_report(console, done.report)
    console.print(f"\n  report   {done.files.html}\n           {done.files.markdown}\n           {done.files.json}")
    for failure in done.failures:
        _say(f"failed: {failure}")
    return _FAILED_REQUIREMENT if done.failures else 0


def _question(options: Namespace) -> "Question":
    """Return what an `evaluate` command asks for."""
    from civility.data.readers import Columns
    from civility.evaluate import Aspects, Probes, Question
    from civility.report.requirements import parse_requirement

    return Question(
        columns=Columns(text=options.text_column, id=options.id_column, groups=tuple(options.groups)),
        slices=tuple(options.slice),
        aspects=Aspects(
            label=options.bias_label,
            num_resamples=options.resamples,
            seed=options.seed,
            with_texts=not options.no_texts,
        ),
        probes=Probes(
            templates=tuple(options.templates),
            suites=tuple(options.suite),
            suite_label=options.suite_label,
            robustness=options.robustness,
            sample=options.sample,
            seed=options.seed,
        ),
        requirements=tuple(parse_requirement(text) for text in options.require),
    )


def _compare(options: Namespace, command: list[str]) -> None:
    from civility.cli.compare_display import print_comparison
    from civility.cli.display import make_console
    from civility.compare import compare

    found = compare(options.reports, seed=options.seed, out=Path(options.out) if options.out else None)
    console = make_console()
    for place, one in enumerate(found):
        if place:
            console.print()
        print_comparison(console, one)
    if options.out:
        console.print(f"\n  numbers   {options.out}")


def _predict(options: Namespace, command: list[str]) -> None:
    from civility.cli.display import make_console, print_notes, scoring_bar
    from civility.data.readers import Columns
    from civility.predict import predict

    console = make_console(stderr=True)
    with scoring_bar(console) as bar:
        done = predict(
            options.target,
            sys.stdin.buffer if options.data == "-" else options.data,
            sys.stdout.buffer if options.out == "-" else options.out,
            file_format=options.format,
            columns=Columns(text=options.text_column, id=options.id_column),
            decisions=options.decisions,
            on_scored=bar.advance,
        )
    if done.num_blank:
        blank = "comment is" if done.num_blank == 1 else "comments are"
        print_notes(console, [f"{done.num_blank:,} {blank} blank: scored as an empty text"])
    if options.out != "-":
        console.print(f"{done.num_comments:,} comments scored → {options.out}")


def _thresholds(options: Namespace, command: list[str]) -> None:
    from civility.cli.display import make_console, print_notes, scoring_bar
    from civility.cli.thresholds_display import print_thresholds
    from civility.data.readers import Columns
    from civility.thresholds import Wish, set_thresholds

    with scoring_bar(make_console(stderr=True)) as bar:
        done = set_thresholds(
            options.target,
            options.data or (),
            Wish(options.policy, calibrate=options.calibrate, check=options.check),
            columns=Columns(text=options.text_column, id=options.id_column),
            on_scored=bar.advance,
        )
    print_notes(make_console(stderr=True), done.notes)
    print_thresholds(make_console(), done)


def _audit(options: Namespace, command: list[str]) -> None:
    from civility.audit import Question, audit
    from civility.cli.audit_display import print_audit, stages
    from civility.cli.display import make_console, print_notes, scoring_bar
    from civility.data.readers import Columns

    columns = Columns(
        text=options.text_column,
        id=options.id_column,
        labels=tuple(options.labels or ()),
        label_list=options.label_list_column,
    )
    console = make_console(stderr=True)
    with stages(console) as on_stage, scoring_bar(console) as bar:
        done = audit(
            options.files,
            Question(columns, options.target, options.model, options.max_length, options.seed),
            out=Path(options.out) if options.out else None,
            on_stage=on_stage,
            on_scored=bar.advance,
        )
    print_notes(console, done.audit.notes)
    print_audit(make_console(), done.audit, done.folder)


def _recipes(options: Namespace, command: list[str]) -> None:
    from civility.recipe import shipped_recipe, shipped_recipes

    if options.name:
        sys.stdout.write(shipped_recipe(options.name))
        return
    for name, text in shipped_recipes().items():
        summary = text.splitlines()[0].removeprefix("# ")
        sys.stdout.write(f"{name:<10} {summary}\n")


def _is_first_process() -> bool:
    """Whether this process speaks for all: `torchrun` and `accelerate launch` tell each its rank."""
    return os.environ.get("RANK", "0") == "0"


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")


def _is_short_of_memory(error: Exception) -> bool:
    """Whether a library had no memory, for itself or for a tensor: torch tells it by a plain RuntimeError."""
    if isinstance(error, MemoryError):
        return True
    return isinstance(error, ImportError | RuntimeError) and any(words in str(error) for words in _SHORT_OF_MEMORY)


def _say_error(error: UserError) -> None:
    """Print an error, its remedy indented below.

    Of the processes of one machine the first speaks for all, who find the same mistake. The launcher ends all when
    one has ended, so the others wait for it to speak; who is still there then has a mistake of its own to tell.
    """
    if os.environ.get("LOCAL_RANK", "0") != "0":
        time.sleep(_SECONDS_FOR_THE_FIRST_TO_SPEAK)
    _say(f"error: {error.message}")
    if error.remedy:
        _say("       " + error.remedy.replace("\n", "\n       "))
