# Latency of the int8 files of all published weights, at their input sizes, on this machine: what `liteseg weights` shows.
# benchmarks/camvid.sh NAME makes the file of a training.
set -eu
. benchmarks/measure.sh
files=
for card in pretrained/*.json; do
    training=$($run -c "import json, sys; print(json.load(open(sys.argv[1]))['training'])" "$card")
    file=runs/files/${training}_int8.tflite
    [ -e $file ] || {
        echo "$file is not there; make it: sh benchmarks/camvid.sh $training" >&2
        exit 1
    }
    files=$files,$file
done
latency published ${files#,} 100
