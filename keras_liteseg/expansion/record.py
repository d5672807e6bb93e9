"""What a search leaves behind: its path as data and as a picture, and the config of the network that it found."""

import dataclasses
import json
import logging
import math
import pathlib

from keras_liteseg.errors import UserError
from keras_liteseg.expansion.algorithm import slope
from keras_liteseg.files import read_json, require_writable, write_json, write_text
from keras_liteseg.provenance import provenance
from keras_liteseg.reports.expansion import expansion_picture
from keras_liteseg.training.config import config_to_yaml

_log = logging.getLogger(__name__)

SEARCH_FILE = "search.json"
PICTURE_FILE = "search.svg"
CONFIG_FILE = "winner.yaml"
PUBLISHED = ("lps_net_s", "lps_net_m", "lps_net_l")


class Record:
    """The output folder of a search. Nothing is written before `published`, so that a search that cannot begin leaves
    nothing behind that another would have to go on with.

    Args:
        folder: where it lies, a path.
        config: `TrainingConfig` that is to train the network found.
        decisions: dict of everything that decides the outcome, which must be the same when a search goes on.
        resume: whether it goes on.

    Raises:
        UserError: there is a search already, or none to go on with, or it was one with other decisions.
    """

    def __init__(self, folder, config, decisions, resume=False):
        self.folder = pathlib.Path(folder)
        self._config = config
        self._decisions = json.loads(json.dumps(decisions))  # tuples are lists, as in what is read
        self._rounds = []
        self._published = {}
        self._measured_on = None
        self._final = {}
        path = self.folder / SEARCH_FILE
        require_writable(path)
        if resume and not path.exists():
            raise UserError(f"There is no {SEARCH_FILE} in {self.folder} to go on with; leave out --resume to start.")
        if path.exists():
            if not resume:
                raise UserError(
                    f"{self.folder} already holds a search; give --resume to go on or another --output_dir."
                )
            self._require_same(path)

    def _require_same(self, path):
        content = read_json(path, "start again in another folder", "decisions")
        before, self._final = content["decisions"], content.get("final_ms", {})
        now = self._decisions
        changed = sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name))
        if changed:
            name = changed[0]
            values = ("another", "this") if name == "config" else (before.get(name), now.get(name))
            raise UserError(
                f"The search in {self.folder} was begun with {name} {values[0]}, not {values[1]}; go on with that, or "
                "start another one in another folder."
            )

    def published(self, latencies, measured_on):
        """Write down the latencies in ms of the networks in `PUBLISHED`, for scale, and where these and all others are
        from.

        Args:
            latencies: list of floats.
            measured_on: `edge.family.FamilyLatency.measured_on`.
        """
        self._published = dict(zip(PUBLISHED, latencies, strict=True))
        self._measured_on = measured_on
        if not (self.folder / SEARCH_FILE).exists():  # whose rounds, where a search goes on, come again one by one
            self._write()

    def add(self, found):
        """Write down a `Round` and log it as a table."""
        self._rounds.append(found)
        self._write()
        device = self._measured_on["device"]["cpu"]
        if self._measured_on["stand_in"]:
            device = f"{self._measured_on['stand_in']}, no device's speed"
        if self._measured_on.get("kind") == "predicted":
            device = f"predicted for {device}"
        picture = expansion_picture(self._rounds, self._published, self._decisions["budget_ms"], device)
        write_text(self.folder / PICTURE_FILE, picture)
        _log.info(self._table(found))

    def _table(self, found):
        lines = [f"Round {len(self._rounds)}: from {_text(found.base)}, towards {found.target:.2f} ms"]
        for node in found.candidates:
            mark = "*" if node is found.chosen else " "
            gain = 100 * slope(node, found.base)
            lines.append(f" {mark} {_text(node)}, {gain:+.2f} points per ms")
        if found.chosen is None:
            lines.append(" None is better." if found.candidates else " No growth fits into the budget.")
        return "\n".join(lines)

    @property
    def path(self):
        """The `Node`s that the search went through, the network to begin with first."""
        return [self._rounds[0].base, *(found.chosen for found in self._rounds if found.chosen)]

    @property
    def winner(self):
        """The last `Node` of the path within the budget, with the latency of the final timing once that is done; the
        first one where none is."""
        timed = [dataclasses.replace(node, latency=self._final.get(_name(node), node.latency)) for node in self.path]
        within = [node for node in timed if node.latency <= self._decisions["budget_ms"]]
        return (within or timed[:1])[-1]

    def finish(self, time_together):
        """Time the path anew, write the config of the network found, and say how to train it.

        The latencies of the rounds are products of ratios, one for each round. So the networks of the path and those of
        `PUBLISHED` are timed once more, in one run, and the last within the budget is the one found.

        Args:
            time_together: `edge.family.FamilyLatency.together`; not called where a search has ended before.
        """
        wanted = list(dict.fromkeys([*map(_name, self.path), *PUBLISHED]))
        if set(self._final) != set(wanted):
            self._final = time_together(wanted)
            self._write()
        for node in self.path:
            now = self._final[_name(node)]
            _log.info(" %s: %.2f ms timed with the others, %.2f in its round", _name(node), now, node.latency)
        name = self.winner.architecture.name
        config = config_to_yaml(dataclasses.replace(self._config, model=name))
        train = f"liteseg train --config {self.folder / CONFIG_FILE} --data_dir DIR --output_dir runs/winner"
        export = (
            "liteseg export --model runs/winner/best.keras --quantization int8 --data "
            f"{self._config.data} --data_dir DIR --output winner.tflite"
        )
        header = f"# {_text(self.winner)} after the short training of the search.\n#\n#   {train}\n#   {export}\n"
        write_text(self.folder / CONFIG_FILE, header + config)
        _log.info("Found %s after the short training", _text(self.winner))
        files = f"{SEARCH_FILE}, {PICTURE_FILE}, {CONFIG_FILE}"
        _log.info("Wrote %s/: %s. Train it in full: %s", self.folder, files, train)

    def _write(self):
        rounds = [
            {
                "base": _node(found.base),
                "target_ms": found.target,
                "candidates": [_node(node) | {"slope": _finite_slope(node, found.base)} for node in found.candidates],
                "chosen": found.chosen and found.chosen.architecture.name,
            }
            for found in self._rounds
        ]
        content = {
            "decisions": self._decisions,
            "measured_on": self._measured_on,
            "published_ms": self._published,
            "rounds": rounds,
            "final_ms": self._final,
        }
        write_json(self.folder / SEARCH_FILE, content | provenance())


def _finite_slope(node, base):
    """Return the slope of a candidate, None where it is infinite, for which JSON has no number."""
    found = slope(node, base)
    return found if math.isfinite(found) else None


def _name(node):
    return node.architecture.name


def _text(node):
    return f"{_name(node)}: {node.latency:.2f} ms, mIoU {100 * node.miou:.2f}"


def _node(node):
    architecture = dataclasses.asdict(node.architecture)
    return {"name": node.architecture.name, **architecture, "latency_ms": node.latency, "miou": node.miou}
