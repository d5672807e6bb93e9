"""Pages whose tables come from the measurements in results/ and the cards in pretrained/."""

from benchmarks.tables.accuracy import (
    accuracy_table,
    agreement_table,
    headlines_table,
    input_size_table,
    large_pictures_table,
    multi_scale_table,
    outputs_table,
    per_class_table,
    sensitivity_table,
    tiles_table,
    trainings_table,
)
from benchmarks.tables.expansion import expanded_table, expansion_table, family_table
from benchmarks.tables.networks import networks_table, pretrained_table
from benchmarks.tables.npu import before_table, fits_table, sizes_table
from benchmarks.tables.paired import paired_table
from benchmarks.tables.portable import portable_table
from benchmarks.tables.small_sets import small_sets_table
from benchmarks.tables.speed import (
    end_to_end_table,
    evaluation_speed_table,
    first_result_table,
    first_step_table,
    flicker_table,
    int8_peak_table,
    latency_table,
    older_processor_ops_table,
    older_processor_table,
    op_profiles_table,
    predict_memory_table,
    runtimes_processor_table,
    runtimes_table,
    training_speed_table,
)
from keras_liteseg.errors import UserError

PAGES = {
    "README.md": {"accuracy": headlines_table},
    "docs/accuracy.md": {
        "accuracy": accuracy_table,
        "agreement": agreement_table,
        "trainings": trainings_table,
        "paired": paired_table,
        "input sizes": input_size_table,
        "multi scale": multi_scale_table,
        "tiles": tiles_table,
        "large pictures": large_pictures_table,
        "sensitivity": sensitivity_table,
    },
    "docs/accuracy_per_class.md": {"per class": per_class_table},
    "docs/checkpoints.md": {"pretrained": pretrained_table},
    "docs/expansion.md": {"expansion": expansion_table, "expanded": expanded_table, "family": family_table},
    "docs/networks.md": {"networks": networks_table},
    "docs/npu.md": {"npu": fits_table, "npu sizes": sizes_table, "npu before": before_table},
    "docs/outputs.md": {"outputs": outputs_table},
    "docs/runtimes.md": {"portable": portable_table},
    "docs/training.md": {"small sets": small_sets_table},
    "docs/speed.md": {
        "latency": latency_table,
        "runtimes": runtimes_table,
        "runtimes avx512": runtimes_processor_table,
        "int8 peak": int8_peak_table,
        "op profiles": op_profiles_table,
        "avx2": older_processor_table,
        "end to end": end_to_end_table,
        "evaluation speed": evaluation_speed_table,
        "predict memory": predict_memory_table,
        "flicker": flicker_table,
        "avx2 ops": older_processor_ops_table,
        "first result": first_result_table,
        "training_speed": training_speed_table,
        "first step": first_step_table,
    },
}


def with_tables(text, tables, results):
    """Return a page with each part between <!-- table: NAME --> and <!-- end --> replaced."""
    for name, make in tables.items():
        begin = f"<!-- table: {name} -->\n"
        head, found, rest = text.partition(begin)
        if not found:
            raise UserError(f"The page has no line '{begin.strip()}'; put it where the table belongs.")
        text = head + begin + make(results) + "<!-- end -->" + rest.partition("<!-- end -->")[2]
    return text
