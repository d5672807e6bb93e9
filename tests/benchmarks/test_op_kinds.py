import pytest

from benchmarks.op_kinds import KINDS, by_kind, dearest, kind_of
from benchmarks.tables.speed import older_processor_ops_table, op_profiles_table


@pytest.mark.parametrize(
    "op, kind",
    [
        ("Fully Connected (NC, QS8, QC8W) GEMM", "convolution"),
        ("Convolution (NHWC, QC8) IGEMM", "convolution"),
        ("Convolution (NHWC, QC8) DWConv", "depthwise convolution"),
        ("Convert (NC)", "layout and number types"),
        ("Resize Bilinear (NHWC)", "resizing"),
        ("Clamp (NC)", "sums and activations"),
        ("Convolution brgconv_avx512_1x1_I8", "convolution"),
        ("GroupConvolution brgconv_avx512_dw_bf16", "depthwise convolution"),
        ("Interpolate jit_avx512_bf16", "resizing"),
        ("Reorder jit_uni_bf16", "layout and number types"),
        ("QLinearConv", "convolution"),
        ("QLinearAdd", "sums and activations"),
        ("DequantizeLinear", "layout and number types"),
        ("Softmax", "other"),
    ],
)
def test_names_of_every_runtime(op, kind):
    assert kind_of(op) == kind


def profile(times):
    return {"ops": [{"op": op, "ms": ms} for op, ms in times]}


def test_dearest_names_are_summed_and_what_they_lack_is_other():
    rows = dearest(profile([("Clamp (NC)", 0.5), ("QLinearConv", 2), ("Softmax", 1), ("QLinearConv", 3)]), count=2)
    assert rows == [{"op": "QLinearConv", "count": 2, "ms": 5}, {"op": "Softmax", "count": 1, "ms": 1}]
    assert {kind: ms for kind, ms in by_kind(rows, 7.5).items() if ms} == {"convolution": 5, "other": 2.5}
    assert list(by_kind(rows, 0)) == list(KINDS)
    with pytest.raises(RuntimeError, match="no profile: too old"):
        dearest({"unsupported": "too old"})


class Results:
    def __init__(self, **documents):
        self.documents = documents


def test_tables_show_kinds_beside_each_other():
    ops = [{"op": "QLinearConv", "count": 2, "ms": 5.0}]
    rows = [{"network": "a", "runtime": name, "total_ms": 6.0, "ops": ops} for name in ("LiteRT", "OpenVINO")]
    table = op_profiles_table(Results(op_profiles={"results": rows}))
    assert table.splitlines()[2:] == ["| `a` | convolution | 5.0 ms | 5.0 ms |", "| `a` | other | 1.0 ms | 1.0 ms |"]
    row = {"network": "a", "instructions": "AVX2", "precision": "float32", "ops": ops}
    older = [row, row | {"precision": "int8", "ops": dearest(profile([("QLinearConv", 4)]))}]
    older.append(row | {"instructions": "all"})
    table = older_processor_ops_table(Results(older_processor={"results": older}))
    assert table.count("\n") == 3 and "5.0 / 4.0 ms" in table
    assert "not measured" in op_profiles_table(Results()) and "not measured" in older_processor_ops_table(Results())
