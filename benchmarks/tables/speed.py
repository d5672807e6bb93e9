"""Tables of latency and of training speed."""

from benchmarks.op_kinds import KINDS, by_kind
from benchmarks.tables.cells import NOT_MEASURED


def latency_table(results):
    """Latency of NDNet45's files, with the ratio to float32 at the same number of threads."""
    lines = [
        "| file | size | 1 thread, p50 | 2 threads, p50 | against float32 | peak memory |",
        "|---|---|---|---|---|---|",
    ]
    rows = [row for row in results.run("networks_512x1024") if row["network"] == "ndnet45"]
    times = results.times_of("networks_512x1024")
    for model in dict.fromkeys(row["model"] for row in rows):
        ours = [row for row in rows if row["model"] == model]
        base = times[rows[0]["model"]]
        ratio = " / ".join(f"{base[count] / time:.2f}" for count, time in sorted(times[model].items()))
        memory = max(row["peak_memory_mb"] for row in ours)
        cells = [f"{ours[0]['bytes'] / 1e6:.2f} MB"]
        cells += [f"{times[model][count]:.1f} ms" for count in (1, 2)]
        lines.append(f"| {model} | {' | '.join(cells)} | {ratio} x | {memory:.0f} MB |")
    return "\n".join(lines) + "\n"


def runtimes_table(results):
    """Latency of one network of each family in every runtime."""
    return _runtimes_table(results.documents.get("runtimes_512x1024", {"results": [], "ratios": []}))


def runtimes_processor_table(results):
    """The same with 1 thread by the processor's time, on another machine."""
    return _runtimes_table(results.documents.get("runtimes_512x1024_avx512", {"results": [], "ratios": []}))


def _runtimes_table(result):
    rows = result["results"]
    kinds = list(dict.fromkeys((row["runtime"], row["precision"]) for row in rows))
    head = " ".join(filter(None, ["network", _instructions(result)]))
    lines = [
        f"| {head} | threads | {' | '.join(map(' '.join, kinds))} | our int8 in LiteRT against the best other |",
        "|---|---|" + "---|" * (len(kinds) + 1),
    ]
    ratios = {(each["model"], each["threads"]): each for each in result["ratios"]}
    for model, threads in dict.fromkeys((row["model"], row["threads"]) for row in rows):
        ours = [row for row in rows if (row["model"], row["threads"]) == (model, threads)]
        times = {
            (row["runtime"], row["precision"]): (
                f"{row['latency_ms']['p50']:.1f} ms" if row["status"] == "ok" else "failed"
            )
            for row in ours
        }
        best = ratios[model, threads]
        cells = [f"`{model}`", str(threads), *(times[kind] for kind in kinds)]
        lines.append(f"| {' | '.join(cells)} | {best['ratio']:.2f} x ({best['best_other']}) |")
    return "\n".join(lines) + "\n"


def op_profiles_table(results):
    """Where the time goes in three runtimes, by kind of op."""
    rows = results.documents.get("op_profiles", {"results": []})["results"]
    if not rows:
        return NOT_MEASURED
    runtimes = list(dict.fromkeys(row["runtime"] for row in rows))
    lines = [f"| network | kind of op | {' | '.join(runtimes)} |", "|---|---|" + "---|" * len(runtimes)]
    for network in dict.fromkeys(row["network"] for row in rows):
        ours = [row for row in rows if row["network"] == network]
        kinds = {row["runtime"]: by_kind(row["ops"], row["total_ms"]) for row in ours}
        for kind in KINDS:
            times = [kinds[runtime][kind] for runtime in runtimes]
            if max(times) >= 0.05:
                lines.append(f"| `{network}` | {kind} | {' | '.join(f'{ms:.1f} ms' for ms in times)} |")
    return "\n".join(lines) + "\n"


def older_processor_ops_table(results):
    """float32 and int8 with AVX2 alone, by kind of op."""
    rows = [
        row
        for row in results.documents.get("older_processor", {"results": []})["results"]
        if row["instructions"] == "AVX2" and "ops" in row
    ]
    if not rows:
        return NOT_MEASURED
    lines = [f"| network, float32 / int8 | {' | '.join(KINDS)} |", "|---|" + "---|" * len(KINDS)]
    for network in dict.fromkeys(row["network"] for row in rows):
        found = {row["precision"]: by_kind(row["ops"], 0) for row in rows if row["network"] == network}
        cells = [f"{found['float32'][kind]:.1f} / {found['int8'][kind]:.1f} ms" for kind in KINDS]
        lines.append(f"| `{network}` | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def first_result_table(results):
    """When a file gives its first result, and what of that the file is."""
    rows = results.documents.get("first_result", {"results": []})["results"]
    if not rows:
        return NOT_MEASURED
    lines = ["| file | size | import | load | first run | first result | next |", "|---|---|---|---|---|---|---|"]
    for row in rows:
        cells = [f"{row[name]:.0f} ms" for name in ("import_ms", "load_ms", "first_ms", "all_ms", "next_ms")]
        lines.append(f"| {row['model']} | {row['bytes'] / 1e6:.2f} MB | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _instructions(result):
    """Return the processor and those of its instructions that int8 depends on, where the result names them, and the
    clock where it is not that of the wall."""
    device = result.get("device", {})
    clock = "; time of the processor" if result.get("clock") == "processor" else ""
    return f"({device['cpu']}: {', '.join(device['instructions'])}{clock})" if "instructions" in device else ""


def int8_peak_table(results):
    """Share of the measured int8 peak that each network reaches."""
    result = results.documents.get("int8_peak", {"results": [], "peak_gmacs_per_second": {}})
    peaks = result["peak_gmacs_per_second"]
    lines = [f"| {_instructions(result)} | GMAC | 1 thread | at the peak | share |"]
    lines.append("|---|---|---|---|---|")
    lines += [f"| large convolutions in {runtime} | | | {peak:.0f} GMAC/s | |" for runtime, peak in peaks.items()]
    lines += [
        f"| {row['model']} | {row['gmacs']:.2f} | {row['ms']:.1f} ms | {row['bound_ms']:.1f} ms "
        f"| {row['share_of_peak']:.0%} |"
        for row in result["results"]
    ]
    return "\n".join(lines) + "\n"


def older_processor_table(results):
    """float32 and int8 with all instructions of the processor, and with AVX2 alone."""
    rows = results.documents.get("older_processor", {"results": []})["results"]
    lines = ["| network | instructions | float32 | int8 | int8 against float32 |", "|---|---|---|---|---|"]
    for network, instructions in dict.fromkeys((row["network"], row["instructions"]) for row in rows):
        found = {
            row["precision"]: row for row in rows if (row["network"], row["instructions"]) == (network, instructions)
        }
        cells = [f"{found[name]['ms']:.1f} ms" for name in ("float32", "int8")]
        lines.append(f"| `{network}` | {instructions} | {' | '.join(cells)} | {found['int8']['ratio']:.2f} x |")
    return "\n".join(lines) + "\n"


def training_speed_table(results):
    """Images per second of training: ours, in PyTorch, and of quantization-aware training."""
    result = results.documents.get("training_speed", {"results": [], "ratios": []})
    programs = list(dict.fromkeys(row["program"] for row in result["results"]))
    speeds = {(row["network"], row["precision"], row["program"]): row for row in result["results"]}
    ratios = {(row["network"], row["precision"]): row for row in result["ratios"]}
    lines = [
        f"| images/s | {' | '.join(programs)} | against the best of PyTorch | float step : quantization-aware step |"
    ]
    lines.append("|---|" + "---|" * (len(programs) + 2))
    for network, precision in dict.fromkeys((row["network"], row["precision"]) for row in result["results"]):
        rows = [speeds.get((network, precision, program)) for program in programs]
        cells = [f"{row['images_per_second']:.1f}" if row else "" for row in rows]
        ratio = ratios.get((network, precision), {})
        cells.append(f"{ratio['against_pytorch']:.2f} x ({ratio['best_other']})" if "best_other" in ratio else "")
        cells.append(f"1 : {ratio['quantization_aware']:.2f}" if "quantization_aware" in ratio else "")
        lines.append(f"| {', '.join(filter(None, [network, precision]))} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def first_step_table(results):
    """Seconds from the start of a training to the end of its first step."""
    rows = results.documents.get("first_step", {"results": []})["results"]
    programs = list(rows[0]["seconds"]) if rows else []
    lines = [f"| seconds to the end of the first step | {' | '.join(programs)} | times as fast |"]
    lines.append("|---|" + "---|" * (len(programs) + 1))
    for row in rows:
        cells = [f"{row['seconds'][name]:.1f}" for name in programs]
        lines.append(f"| {row['network']} | {' | '.join(cells)} | {row['times_faster_seconds']:.2f} |")
    return "\n".join(lines) + "\n"


def end_to_end_table(results):
    """`predict` of a video beside an older commit, and rates as shares of the network alone."""
    result = results.documents.get("end_to_end", {})
    lines = [
        "| file | network alone | picture to labels | before | predict | before | ratio "
        "| labels, share of the network alone | predict --output_labels | predict |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    medians = result.get("medians", {})
    for stem, shares in result.get("shares_of_network", {}).items():
        frames, predict = medians[f"{stem} frames"], medians[f"{stem} predict"]["end_to_end"]
        times = frames["network"]["now"], *_pair(frames["labels"], result), *_pair(predict, result)
        cells = [f"{time:.1f} ms" for time in times] + [f"{predict['ratio']:.1f} x"]
        cells += [f"{shares[name]:.2f}" for name in ("labels", "labels_only", "end_to_end")]
        lines.append(f"| {stem}.tflite | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def evaluation_speed_table(results):
    """`evaluate`, alone and with a second file, beside an older commit."""
    result = results.documents.get("evaluation_speed", {})
    lines = [
        "| file | evaluate | before | ratio | peak memory | with another file | before | ratio |",
        "|---|---|---|---|---|---|---|---|",
    ]
    medians = result.get("medians", {})
    for stem in dict.fromkeys(name.rpartition(" ")[0] for name in medians):
        cells = []
        for what in ("evaluate", "gate"):
            numbers = medians[f"{stem} {what}"]
            cells += [f"{time:.0f} ms" for time in _pair(numbers["ms"], result)] + [f"{numbers['ms']['ratio']:.1f} x"]
            if what == "evaluate":
                cells.append(f"{numbers['peak_memory_mb']['now']:.0f} MB")
        lines.append(f"| {stem}.tflite | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def predict_memory_table(results):
    """Peak memory of `predict` over the number of frames."""
    lines = ["| file | frames | peak memory |", "|---|---|---|"]
    for stem, peaks in results.documents.get("predict_memory", {}).get("peak_memory_mb", {}).items():
        lines += [f"| {stem}.tflite | {int(count):,} | {size:.0f} MB |" for count, size in peaks.items()]
    return "\n".join(lines) + "\n"


def flicker_table(results):
    """Flicker and cost of labels with and without smoothing."""
    lines = [
        "| file | smoothing | flicker | mIoU | picture to labels | the network of that |",
        "|---|---|---|---|---|---|",
    ]
    for row in results.documents.get("flicker", {"results": []})["results"]:
        miou = f"{100 * row['miou_present']:.1f}" if "miou_present" in row else ""
        cells = [row["model"], f"{row['smoothing']:g}", f"{row['flicker']:.2%}", miou]
        lines.append(f"| {' | '.join(cells)} | {row['ms']:.1f} ms | {row['network_ms']:.1f} ms |")
    return "\n".join(lines) + "\n"


def _pair(numbers, result):
    return numbers["now"], numbers[result["before"]]
