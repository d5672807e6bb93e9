# Latency of the int8 files of all published weights, and of the trainings named, at their input sizes, on this machine:
# what `liteseg weights` and README.md show. benchmarks/camvid.sh NAME makes the file of a training.
set -eu
. benchmarks/measure.sh
files=
published=$($run -c "import json, sys; print(*(json.load(open(card))['training'] for card in sys.argv[1:]))" pretrained/*.json)
for training in $published "$@"; do
    file=runs/files/${training}_int8.tflite
    [ -e $file ] || {
        echo "$file is not there; make it: sh benchmarks/camvid.sh $training" >&2
        exit 1
    }
    files=$files,$file
done
latency published ${files#,} 100
