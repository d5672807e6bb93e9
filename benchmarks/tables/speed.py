"""Tables of latency and of training speed."""


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
    lines = [
        f"| network | threads | {' | '.join(map(' '.join, kinds))} | our int8 in LiteRT against the best other |",
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


def training_speed_table(results):
    """Images per second of a training step."""
    lines = ["| | images/s |", "|---|---|"]
    for name, speed in results.documents.get("training_speed", {}).get("images_per_second", {}).items():
        lines.append(f"| {name} | {speed:.1f} |")
    return "\n".join(lines) + "\n"
