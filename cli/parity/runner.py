"""The whole check: choose instants, read history, replay the online store, compare, inject faults."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from likewise.cli.feast_repository import open_repository
from likewise.cli.parity.check import Case, InstantResult, Reference, ReplayClock, check_instant
from likewise.cli.parity.faults import Fault, faults
from likewise.cli.parity.instants import EVENT_TIME, InstantRows, Sampling, choose
from likewise.cli.parity.replay import Replay
from likewise.cli.parity.report import FaultResult, ParityReport
from likewise.cli.parity.side_store import SideStore, clock_at, side_store
from likewise.cli.progress import Report
from likewise.models import Predictor, load_predictor
from likewise.models.errors import ModelInputError
from likewise.serving.feast_repository import FeastRepository
from likewise.serving.loaded_release import LoadedRelease
from likewise.serving.registry_releases import RegistryReleases
from likewise.training import Recipe
from likewise.training.history import retrieve_history
from likewise.training.progress import silent
from likewise.transforms import FittedTransform
from likewise.transforms.registry import Registry, Release

FAULTS = 5


@dataclass(frozen=True, slots=True)
class ParityInputs:
    """What a check is about.

    Attributes
    ----------
    repo
        The Feast repository, applied.
    scratch
        Folder for the side store and the history; its content is replaced.
    release
        The release to check, and the registry that keeps it.
    recipe
        Says where entity rows are.
    other
        Another fitted version of the transform, for the negative control; None leaves the controls out.
    """

    repo: Path
    scratch: Path
    registry: Registry
    release: Release
    recipe: Recipe
    sampling: Sampling
    other: FittedTransform | None


def run_parity(inputs: ParityInputs, report: Report = silent) -> ParityReport:
    """Compare serving with history at every instant, then put faults in and see that they are found.

    Raises
    ------
    TooFewRowsError
        The instants hold fewer entity rows than the sampling asks for.
    """
    applied = open_repository(inputs.repo).registry.proto().SerializeToString()
    with side_store(inputs.repo, applied, inputs.scratch / "online") as side:
        cases = _cases(inputs, side)
        controls = FAULTS if inputs.other is not None else 0
        check = _Check(inputs, side, ReplayClock(cases[0].instant))
        results = []
        for done, case in enumerate(cases[: len(cases) - controls]):
            report(done, len(cases))
            results.append(check.at(case))
        found = list(check.controls(cases[len(cases) - controls :]))
    return ParityReport(
        release=inputs.release.reference,
        bound=check.bound,
        features=len(inputs.release.feature_refs),
        instants=tuple(results),
        faults=tuple(found),
    )


class _Check:
    """A replay and a release that reads what it writes, by one clock."""

    def __init__(self, inputs: ParityInputs, side: SideStore, clock: ReplayClock) -> None:
        self._inputs, self._clock = inputs, clock
        repository = FeastRepository(side.folder, clock)
        source = RegistryReleases(inputs.registry, repository, on_moved_definitions="refuse")
        self._release = source.load(inputs.release.name, inputs.release.version)
        views = [view.stored_name for view in self._release.reader.plan.stored]
        self._replay = Replay(side.store, inputs.repo, views)
        self._reference = Reference(_transform(inputs), _predictor(inputs))

    @property
    def bound(self) -> float:
        """Return the distance of predictions that the model states."""
        return self._reference.predictor.metadata.bound if self._reference.predictor else 0.0

    def at(self, case: Case, fault: Fault | None = None) -> InstantResult:
        """Bring the store to the case's instant and compare; with a fault, put it in on the way."""
        release: LoadedRelease = self._release
        self._replay.advance(case.instant, fault.writes if fault else None)
        self._clock.instant = case.instant
        with clock_at(case.instant):
            return check_instant(case, fault.spoil(release) if fault else release, self._replay, self._reference)

    def controls(self, cases: Sequence[Case]) -> Iterator[FaultResult]:
        """Put one fault in at each case and tell whether it was found; each is mended before the next."""
        if self._inputs.other is None:
            return
        for fault, case in zip(faults(self._shortest_cadence(), self._replay, self._inputs.other), cases, strict=True):
            if not fault.writes:
                # The same instant without the fault: what is seen with it is then of the fault alone.
                yield self._seen(case, fault, is_clean=self._is_clean(self.at(case)))
                continue
            before = {name: self._replay.runs[name] for name in fault.writes}
            seen = self._seen(case, fault, is_clean=True)
            self._replay.runs.update(before)
            yield seen if not fault.can_mend else replace(seen, is_clean=self._is_clean(self.at(case)))

    def _is_clean(self, seen: InstantResult) -> bool:
        return not seen.unexplained and not seen.differing_elements and seen.prediction_distance <= self.bound

    def _seen(self, case: Case, fault: Fault, *, is_clean: bool) -> FaultResult:
        """Return what a fault was seen by; tensors that the model refuses are one way."""
        try:
            seen = self.at(case, fault)
        except ModelInputError as error:
            return FaultResult(fault.name, is_clean=is_clean, refused=error.message)
        return FaultResult(
            fault.name,
            unexplained=len(seen.unexplained),
            differing_elements=seen.differing_elements,
            is_prediction_off=seen.prediction_distance > self.bound,
            is_clean=is_clean,
            is_applicable=fault.is_applicable(),
        )

    def _shortest_cadence(self) -> str:
        """Return the view that runs most often, a materialized one if any: every instant has a run to spoil."""
        runs = self._replay.cadences
        return min(runs, key=lambda one: (one.push_source is not None, one.every or timedelta.max, one.view)).view


def _cases(inputs: ParityInputs, side: SideStore) -> tuple[Case, ...]:
    """Return every instant with its entity rows and its history, read in one point-in-time join."""
    entities = pq.read_table(inputs.repo / inputs.recipe.entities)
    chosen = choose(entities, inputs.sampling)
    path = inputs.scratch / "entities.parquet"
    pq.write_table(pa.concat_tables([one.rows for one in chosen]), path)
    recipe = replace(inputs.recipe, entities=str(path.resolve()), sample=None)
    history = retrieve_history(side.store, recipe, inputs.scratch / "history.parquet")
    known = history.columns(list(history.features))
    return tuple(_cut(inputs.recipe, chosen, known))


def _cut(recipe: Recipe, chosen: Sequence[InstantRows], known: pa.Table) -> Iterator[Case]:
    start = 0
    for one in chosen:
        entities = one.rows.drop_columns([EVENT_TIME, *recipe.label_columns])
        yield Case(one.instant, entities, known.slice(start, one.rows.num_rows))
        start += one.rows.num_rows


def _transform(inputs: ParityInputs) -> FittedTransform:
    content = inputs.registry.load(f"transform:{inputs.release.transform}")
    return FittedTransform.from_bytes(content.to_bytes())


def _predictor(inputs: ParityInputs) -> Predictor | None:
    nodes = inputs.release.nodes
    return load_predictor(inputs.registry.get_model(nodes[0].artifact)) if nodes else None
